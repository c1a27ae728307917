"""ROI Align, ROI Pool, crop and resize, the pyramid: against loops that follow the definitions."""

import importlib
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from minidl.kernels import reference

import minidl
from minidl import backend, check_adjoint, check_grads, tensor
from minidl import functional as F

sweep = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
RAMP = np.arange(25.0).reshape(1, 1, 5, 5)
BOXES = np.array([[0, 0.3, 0.2, 4.1, 5.3], [1, -2, -3, 9, 4.4], [1, 3, 3, 3.2, 8.0], [0, 5, 4, 1, 2.0]])


def normal(*shape, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def bilinear(plane, y, x):
    """One sample as torchvision's bilinear_interpolate takes it."""
    H, W = plane.shape
    if y < -1 or y > H or x < -1 or x > W:
        return 0.0
    y, x = max(y, 0.0), max(x, 0.0)
    h, w = int(y), int(x)
    if h >= H - 1:
        h = below = H - 1
        y = float(h)
    else:
        below = h + 1
    if w >= W - 1:
        w = beside = W - 1
        x = float(w)
    else:
        beside = w + 1
    ly, lx = y - h, x - w
    top = (1 - lx) * plane[h, w] + lx * plane[h, beside]
    return (1 - ly) * top + ly * ((1 - lx) * plane[below, w] + lx * plane[below, beside])


def align_by_loops(x, boxes, size, scale, ratio, aligned, reduce):
    y = np.zeros((len(boxes), x.shape[1], *size))
    for k, (n, *corners) in enumerate(boxes):
        x1, y1, x2, y2 = (v * scale - (0.5 if aligned else 0) for v in corners)
        width, height = x2 - x1, y2 - y1
        if not aligned:
            width, height = max(width, 1), max(height, 1)
        bh, bw = height / size[0], width / size[1]
        gy, gx = (ratio, ratio) if ratio > 0 else (math.ceil(bh), math.ceil(bw))
        for c, i, j in np.ndindex(y.shape[1:]):
            values = [
                bilinear(x[int(n), c], y1 + i * bh + (p + 0.5) * bh / gy, x1 + j * bw + (q + 0.5) * bw / gx)
                for p in range(gy)
                for q in range(gx)
            ]
            if values:
                y[k, c, i, j] = max(values) if reduce == "max" else sum(values) / max(gy * gx, 1)
    return y


def away(v):
    return int(math.copysign(math.floor(abs(v) + 0.5), v))


def pool_by_loops(x, boxes, size, scale):
    y, index = np.zeros((len(boxes), x.shape[1], *size)), np.full((len(boxes), x.shape[1], *size), -1)
    H, W = x.shape[2:]
    for k, (n, *corners) in enumerate(boxes):
        x1, y1, x2, y2 = (away(v * scale) for v in corners)
        bh, bw = max(y2 - y1 + 1, 1) / size[0], max(x2 - x1 + 1, 1) / size[1]
        for c, i, j in np.ndindex(y.shape[1:]):
            best = -math.inf
            for h in range(max(y1 + math.floor(i * bh), 0), min(y1 + math.ceil((i + 1) * bh), H)):
                for w in range(max(x1 + math.floor(j * bw), 0), min(x1 + math.ceil((j + 1) * bw), W)):
                    if x[int(n), c, h, w] > best:
                        best = x[int(n), c, h, w]
                        y[k, c, i, j], index[k, c, i, j] = best, h * W + w
    return y, index


@st.composite
def regions(draw, K=4):
    """An input (N, C, H, W), boxes, also outside, upside down or empty, and an output size."""
    N, C, H, W = (draw(st.integers(1, m)) for m in (2, 3, 8, 9))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    boxes = rng.uniform(-0.7, 1.7, (draw(st.integers(0, K)), 5)) * [1, W, H, W, H]
    boxes[:, 0] = rng.integers(0, N, len(boxes))
    if draw(st.booleans()):  # halves and whole numbers, where rounding and borders are decided
        boxes = np.round(2 * boxes) / 2
        boxes[:, 0] = np.minimum(np.floor(boxes[:, 0]), N - 1)
    return rng.standard_normal((N, C, H, W)), boxes, (draw(st.integers(1, 4)), draw(st.integers(1, 4)))


@given(regions(), st.sampled_from([1.0, 0.5]), st.sampled_from([-1, 0, 1, 2, 3]), st.booleans())
@sweep
def test_roi_align_is_the_loop(column, region, scale, ratio, aligned):
    x, boxes, size = region
    wanted = align_by_loops(x, boxes, size, scale, ratio, aligned, "avg")
    y = column.roi_align(x, boxes, size, scale, ratio, aligned)
    np.testing.assert_allclose(y, wanted, atol=1e-12)
    g = np.random.default_rng(1).standard_normal(y.shape)
    back = column.roi_align_adjoint(g, boxes, (len(x), *x.shape[2:]), scale, ratio, aligned)
    assert back.shape == x.shape
    assert abs((g * y).sum() - (back * x).sum()) < 1e-10
    largest, index, weight = column.roi_align_max(x, boxes, size, scale, ratio, aligned)
    np.testing.assert_allclose(largest, align_by_loops(x, boxes, size, scale, ratio, aligned, "max"), atol=1e-12)
    gathered = column.roi_gather(x, boxes[:, 0].astype(np.int64), index)
    np.testing.assert_allclose((gathered * weight).sum(-1), largest, atol=1e-12)


@given(regions(), st.sampled_from([1.0, 0.5, 0.3]), st.booleans())
@sweep
def test_roi_pool_is_the_loop(column, region, scale, ties):
    x, boxes, size = region
    x = np.round(x) if ties else x
    y, index = column.roi_pool(x, boxes, size, scale)
    wanted, at = pool_by_loops(x, boxes, size, scale)
    np.testing.assert_array_equal(y, wanted)
    np.testing.assert_array_equal(index, at)
    assert index.dtype == np.int32
    batch = boxes[:, 0].astype(np.int64)
    np.testing.assert_array_equal(column.roi_gather(x, batch, index), wanted)
    g = np.random.default_rng(2).standard_normal(y.shape)
    scattered = column.roi_scatter(g, batch, index, (len(x), *x.shape[2:]))
    expected = np.zeros_like(x)
    for (k, c, i, j), v in np.ndenumerate(at):
        if v >= 0:
            expected[batch[k], c].flat[v] += g[k, c, i, j]
    np.testing.assert_allclose(scattered, expected, atol=1e-13)


def everything(column, x, boxes, size=(7, 7), scale=0.6):
    """All that the rows for boxes return, one after the other."""
    batch, whole = boxes[:, 0].astype(np.int64), (len(x), *x.shape[2:])
    for aligned in (False, True):
        for ratio in (-1, 2):
            y = column.roi_align(x, boxes, size, scale, ratio, aligned)
            yield y
            yield column.roi_align_adjoint(
                np.cos(np.arange(y.size, dtype=x.dtype)).reshape(y.shape), boxes, whole, scale, ratio, aligned
            )
            yield from column.roi_align_max(x, boxes, size, scale, ratio, aligned)
    y, index = column.roi_pool(x, boxes, size, scale)
    yield from (y, index, column.roi_gather(x, batch, index), column.roi_scatter(y, batch, index, whole))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(2, 3, 9, 7), (3, 37, 20, 31), (1, 16, 1, 1), (2, 0, 4, 4)])
def test_columns_agree(shape, dtype):
    """37 channels: two blocks of 16 and a rest in float32. Positions are worked out in the dtype, so rounding agrees."""
    cpu = importlib.import_module("minidl.kernels.cpu")
    rng = np.random.default_rng(3)
    boxes = rng.uniform(-0.3, 1.8, (13, 5)) * [0, shape[3], shape[2], shape[3], shape[2]]
    boxes[:, 0] = rng.integers(0, shape[0], 13) if shape[0] < 3 else rng.choice([0, 2], 13)  # image 1 has no box
    x, boxes = normal(*shape, dtype=dtype), boxes.astype(dtype)
    for mine, specified in zip(everything(cpu, x, boxes), everything(reference, x, boxes), strict=True):
        assert mine.dtype == specified.dtype and mine.shape == specified.shape
        np.testing.assert_allclose(mine, specified, atol=2e-5 if dtype == np.float32 else 1e-12)
    for first, second in zip(everything(cpu, x, boxes), everything(cpu, x, boxes), strict=True):
        np.testing.assert_array_equal(first, second)  # threads or not, sums are taken in one order


def test_golden_values():
    for aligned, row in ((False, [7.5, 8, 8.5, 9]), (True, [4.5, 5, 5.5, 6])):
        y = F.roi_align(tensor(RAMP), np.array([[0, 1, 1, 3, 3]]), 4, aligned=aligned)
        np.testing.assert_allclose(y.data[0, 0, 0], row, atol=1e-12)


def test_halves_round_away_from_zero():
    x = tensor(np.arange(64.0).reshape(1, 1, 8, 8))
    for corner, last in ((2.5, 3 * 8 + 3), (3.5, 4 * 8 + 4), (2.499, 2 * 8 + 2)):
        assert F.roi_pool(x, np.array([[0, 0, 0, corner, corner]]), 1).item() == last
    least = F.roi_pool(x * -1, np.array([[0, -2.5, -2.5, 1, 1]]), (5, 5)).data[0, 0]
    assert (least[:3] == 0).all() and least[3, 3] == 0 and least[4, 4] == -9  # the box starts at -3, not at -2


@pytest.mark.parametrize("column_name", ["reference", "cpu"])
@pytest.mark.parametrize("mode", ["avg", "max"])
def test_roi_align_passes_the_gradient_check(column_name, mode):
    with backend.use(column_name):
        for aligned, ratio in ((False, 2), (True, -1)):
            check_grads(
                lambda v, r=ratio, a=aligned: F.roi_align(v * v, BOXES, (2, 3), 0.9, r, a, mode), [normal(2, 3, 6, 7)]
            )
        check_grads(lambda v: F.roi_pool(v * v, BOXES, (2, 3), 0.9), [normal(2, 3, 6, 7)])


def test_roi_align_scatters_what_it_gathers():
    check_adjoint(
        lambda v: F.roi_align(v, BOXES, 3, sampling_ratio=2),
        lambda u: minidl.functional.regions.roi._roi_align_adjoint(
            u, boxes=BOXES, size=(2, 6, 7), scale=1.0, ratio=2, aligned=False
        ),
        tensor(normal(2, 3, 6, 7)),
    )


def test_roi_pool_jumps_and_roi_align_glides():
    """A box moves by hundredths of a pixel over a ramp: one output stands still and jumps, the other follows it."""
    ramp = tensor(np.tile(np.arange(16.0), (1, 1, 16, 1)))
    shifts = np.arange(0, 2.001, 0.01)
    boxes = np.stack([0 * shifts, 4.25 + shifts, 4 + 0 * shifts, 8.25 + shifts, 8 + 0 * shifts], 1)
    pooled = F.roi_pool(ramp, boxes, 2).data[:, 0, 0, 0]
    aligned = F.roi_align(ramp, boxes, 2, sampling_ratio=2, aligned=True).data[:, 0, 0, 0]
    assert set(np.unique(np.diff(pooled))) == {0.0, 1.0} and (np.diff(pooled) == 1).sum() == 2
    np.testing.assert_allclose(np.diff(aligned), 0.01, atol=1e-9)


def test_gradient_check_in_the_box_tells_them_apart():
    """The output as a function of the box: crop_and_resize has a derivative, ROI Pool's difference quotient explodes."""
    x = tensor(normal(1, 2, 8, 8))
    check_grads(lambda b: F.crop_and_resize(x, [b], (3, 2)), [np.array([[1.3, 2.2, 6.1, 5.4]])])
    before, after = (F.roi_pool(x, np.array([[0, 1.5 + e, 2.0, 6.0, 5.0]]), 3).data for e in (-1e-9, 1e-9))
    assert np.abs(after - before).max() / 2e-9 > 1e6


def crop_by_loops(x, boxes, size, scale, outside, nearest):
    y = np.full((len(boxes), x.shape[1], *size), outside)
    H, W = x.shape[2:]
    for k, (n, *corners) in enumerate(boxes):
        x1, y1, x2, y2 = (v * scale for v in corners)
        for i, j in np.ndindex(size):
            v = y1 + (y2 - y1) * (i / (size[0] - 1) if size[0] > 1 else 0.5)
            u = x1 + (x2 - x1) * (j / (size[1] - 1) if size[1] > 1 else 0.5)
            if 0 <= v <= H - 1 and 0 <= u <= W - 1:
                for c in range(x.shape[1]):
                    plane = x[int(n), c]
                    y[k, c, i, j] = plane[round(v), round(u)] if nearest else bilinear(plane, v, u)
    return y


@given(regions(), st.sampled_from([1.0, 0.5]), st.sampled_from([0.0, -7.0]), st.booleans())
@sweep
def test_crop_and_resize_is_the_loop(region, scale, outside, nearest):
    x, boxes, size = region
    rng = np.random.default_rng(4)
    boxes[:, 1:] += rng.uniform(0, 1e-3, boxes[:, 1:].shape)  # away from the border, where rounding decides
    y = F.crop_and_resize(tensor(x), boxes, size, scale, "nearest" if nearest else "bilinear", outside)
    np.testing.assert_allclose(y.data, crop_by_loops(x, boxes, size, scale, outside, nearest), atol=1e-10)


def test_crop_and_resize_differentiates_image_and_boxes():
    x, boxes = (
        normal(2, 2, 6, 7),
        np.array([[1, 0.7, 0.4, 4.1, 4.3], [0, 1.2, -1.6, 5.3, 3.7], [1, 4.3, 3.3, 2.9, 1.1]]),
    )
    images = boxes[:, :1]
    check_grads(
        lambda v, b: F.crop_and_resize(v, F.cat([tensor(images), b], 1), (3, 4), 0.9, extrapolation_value=2.0),
        [x, boxes[:, 1:]],
    )
    listed = [tensor(boxes[1:2, 1:], requires_grad=True), boxes[[0, 2], 1:]]
    y = F.crop_and_resize(tensor(x), listed, (3, 4))
    np.testing.assert_allclose(y.data, F.crop_and_resize(tensor(x), boxes[[1, 0, 2]], (3, 4)).data)
    y.sum().backward()
    assert listed[0].grad.shape == (1, 4) and np.abs(listed[0].grad.data).min() > 0


@pytest.mark.parametrize("columns", ["reference", "cpu"])
def test_lists_no_boxes_and_integers(columns):
    x = tensor(normal(2, 3, 6, 7, dtype=np.float32), requires_grad=True)
    with backend.use(columns):
        for function in (
            lambda boxes: F.roi_align(x, boxes, (2, 3)),
            lambda boxes: F.roi_align(x, boxes, (2, 3), mode="max"),
            lambda boxes: F.roi_pool(x, boxes, (2, 3)),
            lambda boxes: F.crop_and_resize(x, boxes, (2, 3)),
        ):
            whole = function(np.array([[0, 1, 1, 4, 3], [1, 0, 2, 5, 5]]))
            assert whole.dtype == np.float32
            listed = function([tensor(np.array([[1, 1, 4, 3]])), np.array([[0, 2, 5, 5.0]])])
            np.testing.assert_array_equal(whole.data, listed.data)
            for none in (np.zeros((0, 5)), [np.zeros((0, 4)), tensor(np.zeros((0, 4)))]):
                empty = function(none)
                assert empty.shape == (0, 3, 2, 3) and empty.dtype == np.float32
                if empty.requires_grad:
                    (g,) = minidl.grad([empty], [x], [tensor(np.zeros(empty.shape, np.float32))])
                    assert g.shape == x.shape and not g.data.any()


@pytest.mark.parametrize("function", [F.roi_align, F.roi_pool, F.crop_and_resize])
@pytest.mark.parametrize(
    ("boxes", "error", "words"),
    [
        (np.array([[0, 1, 1, np.nan, 3]]), ValueError, r"boxes\[0\] is .*finite"),
        (np.array([[0, 1, 1, np.inf, 3]]), ValueError, "finite"),
        (np.array([[2, 1, 1, 2, 3]]), IndexError, "images 2 ... 2; there are 2"),
        (np.array([[-1, 1, 1, 2, 3]]), IndexError, "images -1"),
        (np.array([[0.5, 1, 1, 2, 3]]), IndexError, "images 0.5"),
        (np.ones((3, 4)), ValueError, r"\(K, 5\)"),
        ([np.ones((3, 4))], ValueError, "1 lists of boxes for 2 images"),
        ([np.ones((3, 5)), np.ones((3, 5))], ValueError, r"list of \(L, 4\)"),
        (np.array([["a"] * 5]), ValueError, "must be numbers"),
    ],
)
def test_bad_boxes_are_named(function, boxes, error, words):
    with pytest.raises(error, match=f"{function.__name__}.*{words}"):
        function(tensor(normal(2, 1, 5, 5)), boxes, 2)


def test_bad_arguments_are_named():
    x, box = tensor(normal(1, 1, 5, 5)), np.array([[0, 1, 1, 3, 3]])
    with pytest.raises(ValueError, match="pixel 1e\\+08"):
        F.roi_align(x, np.array([[0, 1, 1, 1e8, 3]]), 2)
    with pytest.raises(ValueError, match="mode must be 'avg' or 'max'"):
        F.roi_align(x, box, 2, mode="min")
    with pytest.raises(TypeError, match="sampling_ratio"):
        F.roi_align(x, box, 2, 1.0, 1.5)
    with pytest.raises(ValueError, match="spatial_scale"):
        F.roi_pool(x, box, 2, -1.0)
    with pytest.raises(ValueError, match="output_size"):
        F.roi_pool(x, box, 0)
    with pytest.raises(ValueError, match="no pixels"):
        F.roi_align(tensor(np.zeros((1, 1, 0, 5))), box, 2)
    with pytest.raises(TypeError, match="float32 or float64"):
        F.roi_align(tensor(np.zeros((1, 1, 5, 5), np.int64)), box, 2)
    with pytest.raises(NotImplementedError, match="not differentiable in boxes"):
        F.roi_align(x, tensor(box.astype(float), requires_grad=True), 2)
    with pytest.raises(ValueError, match="crop_and_resize: mode"):
        F.crop_and_resize(x, box, 2, mode="cubic")


def test_places_outside_the_plane_are_named(column):
    index = np.full((1, 1, 2), 25, np.int32)
    with pytest.raises(IndexError, match="roi_gather: index holds 25, the plane has 25"):
        column.roi_gather(RAMP, np.zeros(1, np.int64), index)
    with pytest.raises(IndexError, match="roi_scatter: index holds 25"):
        column.roi_scatter(np.ones((1, 1, 2)), np.zeros(1, np.int64), index, (1, 5, 5))


def test_nan_and_infinity(column):
    """A NaN comes out wherever it is looked at, and nowhere else; -inf is the maximum of -inf."""
    x = RAMP.copy()
    x[0, 0, 0, 0] = np.nan
    boxes = np.array([[0, 0, 0, 4, 4.0]])
    assert np.isnan(column.roi_pool(x, boxes, (2, 2), 1.0)[0]).ravel().tolist() == [True, False, False, False]
    assert np.isnan(column.roi_align(x, boxes, (2, 2), 1.0, 2, True)).ravel().tolist() == [True, False, False, False]
    assert np.isnan(column.roi_align_max(x, boxes, (2, 2), 1.0, 2, True)[0]).ravel().tolist() == [True] + 3 * [False]
    y, index = column.roi_pool(np.full((1, 1, 3, 3), -np.inf), np.array([[0, 1, 1, 1, 1.0]]), (1, 1), 1.0)
    assert y.item() == -np.inf and index.item() == 4


def test_pyramid_levels():
    def square(side):
        return [10, 10, 10 + side, 10 + side]

    boxes = np.array([square(s) for s in (1, 56, 112, 223.9, 224, 448, 5000)])
    assert F.pyramid_levels(boxes, 2, 5).tolist() == [2, 2, 3, 3, 4, 5, 5]
    assert F.pyramid_levels(np.array([[3, 3, 3, 3], [5, 5, 1, 9]]), 2, 5).tolist() == [2, 2]
    assert F.pyramid_levels(boxes, 3, 4).tolist() == [3, 3, 3, 3, 4, 4, 4]


def test_multiscale_is_roi_align_level_by_level():
    rng = np.random.default_rng(5)
    features = [normal(2, 3, 64 // s, 96 // s, seed=s) for s in (4, 8, 16)]
    corner, side = rng.uniform(0, 40, (9, 2)), rng.uniform(2, 60, (9, 2))
    boxes = np.concatenate([corner, corner + side], 1)
    split = [boxes[:4], boxes[4:]]
    options = {"image_size": (64, 96), "canonical_scale": 20, "canonical_level": 3}
    y = F.multiscale_roi_align(list(map(tensor, features)), split, (2, 3), **options)
    levels = F.pyramid_levels(boxes, 2, 4, 20, 3).data
    assert set(levels) == {2, 3, 4}
    for k, level in enumerate(levels):
        roi = np.array([[0 if k < 4 else 1, *boxes[k]]])
        alone = F.roi_align(tensor(features[level - 2]), roi, (2, 3), 1 / 2.0**level, 2)
        np.testing.assert_allclose(y.data[k], alone.data[0], atol=1e-12)
    check_grads(lambda *xs: F.multiscale_roi_align([x * x for x in xs], split, 2, **options), features)


def test_multiscale_edges():
    one = [tensor(normal(1, 2, 8, 8))]
    box = [np.array([[1, 1, 20, 20.0]])]
    y = F.multiscale_roi_align(one, box, 2, image_size=(32, 32), aligned=True)
    np.testing.assert_array_equal(y.data, F.roi_align(one[0], box, 2, 0.25, 2, True).data)
    pair = [tensor(normal(1, 2, n, n)) for n in (8, 4)]
    assert F.multiscale_roi_align(pair, [np.zeros((0, 4))], 2, image_size=(32, 32)).shape == (0, 2, 2, 2)
    several = F.multiscale_roi_align(pair, box, 2, image_size=[(20, 32), (32, 16)])
    np.testing.assert_array_equal(several.data, F.multiscale_roi_align(pair, box, 2, image_size=(32, 32)).data)
    for features, boxes, size, words in (
        ([], box, (32, 32), "features is empty"),
        (one, box, None, "image_size"),
        (one, box[0], (32, 32), "must be a list"),
        (one, box * 2, (32, 32), "for 1 images"),
        (one, box, (32, 64), "needed the same"),
        ([one[0], tensor(normal(1, 2, 2, 2)), tensor(normal(1, 2, 1, 1))], box, (32, 32), None),
        ([one[0], tensor(normal(1, 2, 1, 1))], box, (32, 32), "half the one before"),
    ):
        if words:
            with pytest.raises(ValueError, match=f"multiscale_roi_align: .*{words}"):
                F.multiscale_roi_align(features, boxes, 2, image_size=size)
    with pytest.raises(NotImplementedError, match="not differentiable in boxes"):
        F.multiscale_roi_align(pair, [tensor(box[0], requires_grad=True)], 2, image_size=(32, 32))


def test_fields_of_bins():
    """What a bin sees through a 3x3 convolution: its samples' pixels and one more on every side."""
    from minidl.analysis.receptive_field import FieldTracer

    x, w = tensor(np.zeros((2, 1, 9, 9))), tensor(np.ones((1, 1, 3, 3)))
    boxes = np.array([[1, 2, 2, 6, 4.0]])
    for function, rows, cols in (
        (lambda v: F.roi_align(v, boxes, 2, sampling_ratio=1, aligned=True), (2, 3), (2, 5)),
        (lambda v: F.roi_align(v, boxes, 2, sampling_ratio=1, mode="max"), (2, 4), (3, 5)),
        (lambda v: F.roi_pool(v, boxes, 2), (2, 4), (2, 6)),
    ):
        with FieldTracer() as tracer:
            tracer.watch(x)
            y = function(F.conv2d(x, w, padding=1))
            field = tracer.of(y)
        assert y.shape == (1, 1, 2, 2)
        top, left = field.ends[0][0, :, 0], field.ends[1][0, 0, :]
        bottom, right = -field.ends[0][1, :, 0], -field.ends[1][1, 0, :]
        assert top[0] == rows[0] - 1 and bottom[1] == rows[1] + 1
        assert left[0] == cols[0] - 1 and right[1] == cols[1] + 1
