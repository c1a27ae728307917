"""What holds for every row of the kernel table, in all columns that run without a GPU: layouts, read-only and empty arrays."""

import warnings

import numpy as np
import pytest
from kernel_cases import CASES, arrays, compare, mapped
from minidl.kernels import cpu, cuda, reference
from minidl.kernels.contract import ROWS, Array
from minidl.kernels.cuda.simulator import compile
from minidl.kernels.geometry import Geometry


def has_compiler():
    try:
        return bool(compile.compiler())
    except RuntimeError:
        return False


COLUMNS = {"reference": reference, "cpu": cpu}
if has_compiler():
    COLUMNS["cudasim"] = cuda


def locked(a):
    """A copy that nobody may write to."""
    a = a.copy()
    a.flags.writeable = False
    return a


def strided(a):
    """The same numbers, two elements apart along the last axis and backwards along the first."""
    if not a.ndim:
        return a
    room = (
        np.zeros((*a.shape[:-1], 2 * a.shape[-1]), a.dtype)[::-1, ..., ::2]
        if a.ndim > 1
        else np.zeros(2 * a.size, a.dtype)[::2]
    )
    room[...] = a
    return room


def transposed(a):
    """The same numbers in the order of columns."""
    return np.asfortranarray(a)


@pytest.mark.parametrize("layout", [locked, strided, transposed])
@pytest.mark.parametrize("name", sorted(ROWS))
@pytest.mark.parametrize("column", COLUMNS)
def test_any_layout_gives_the_same_bits(column, name, layout):
    row, function = ROWS[name], getattr(COLUMNS[column], name)
    for seed in range(4):
        arguments = CASES[name](np.random.default_rng(seed), np.float32)
        written = [isinstance(p, Array) and p.written for p in row.parameters.values()]
        keep = [layout is locked and w for w in written]
        seen = tuple(mapped(a, np.copy if as_it_is else layout) for a, as_it_is in zip(arguments, keep))
        plain = tuple(mapped(a, np.copy) for a in arguments)
        came, wanted = function(*seen), function(*plain)
        atomics = column == "cudasim" and name in (
            "grid_sample_adjoint",
            "plane_scatter",
            "roi_align_adjoint",
            "roi_scatter",
        )
        atomics = atomics or (column == "cudasim" and name in ("permutohedral_filter", "mean_field"))
        blas = column == "reference"  # a product's order of additions depends on the layout
        for a, b in zip(arrays((came, seen)), arrays((wanted, plain))):
            if atomics or blas:
                np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
            else:
                np.testing.assert_array_equal(a, b)


def resized(n):
    return np.zeros(n, np.int32), np.zeros(n, np.int32), np.zeros(n)


W22, ONE = Geometry((2, 2), (2, 2)), Geometry((1, 1))
zeros = lambda *shape: np.zeros(shape, np.float32)
# arguments without any element in the result, row by row
NOTHING = {
    "im2col": [(zeros(0, 3, 4, 4), W22), (zeros(2, 0, 4, 4), W22)],
    "col2im": [(zeros(0, 12, 4), (4, 4), W22)],
    "conv2d": [(zeros(0, 3, 4, 4), zeros(5, 3, 2, 2), None, W22), (zeros(2, 3, 4, 4), zeros(0, 3, 2, 2), None, W22)],
    "conv_transpose2d": [(zeros(0, 5, 2, 2), zeros(5, 3, 2, 2), None, (4, 4), W22)],
    "conv2d_weight": [(zeros(0, 3, 4, 4), zeros(0, 5, 2, 2), W22)],
    "max_pool2d": [(zeros(0, 3, 4, 4), W22, (2, 2)), (zeros(2, 0, 4, 4), W22, (2, 2))],
    "adaptive_max_pool2d": [(zeros(0, 3, 4, 4), (2, 2)), (zeros(2, 3, 4, 4), (0, 2)), (zeros(2, 3, 0, 4), (0, 2))],
    "plane_gather": [
        (zeros(0, 3, 4, 4), np.zeros((0, 3, 2, 2), np.int32)),
        (zeros(2, 3, 0, 4), np.zeros((2, 3, 0, 2), np.int32)),
    ],
    "plane_scatter": [(zeros(0, 3, 2, 2), np.zeros((0, 3, 2, 2), np.int32), (4, 4))],
    "avg_pool2d": [(zeros(0, 3, 4, 4), W22, np.ones((2, 2))), (zeros(2, 0, 4, 4), W22, np.ones((2, 2)))],
    "avg_pool2d_adjoint": [(zeros(0, 3, 2, 2), W22, np.ones((2, 2)), (4, 4))],
    "adaptive_avg_pool2d": [(zeros(0, 3, 4, 4), (2, 2)), (zeros(2, 3, 4, 4), (0, 2))],
    "adaptive_avg_pool2d_adjoint": [(zeros(0, 3, 2, 2), (4, 4)), (zeros(2, 3, 0, 2), (4, 4))],
    "resize2d": [(zeros(0, 3, 4, 4), resized(2), resized(2)), (zeros(2, 3, 0, 4), resized(0), resized(2))],
    "resize2d_adjoint": [
        (zeros(0, 3, 2, 2), resized(2), resized(2), (4, 4)),
        (zeros(1, 3, 0, 2), resized(0), resized(2), (0, 4)),
    ],
    "roi_align": [
        (zeros(2, 3, 4, 4), zeros(0, 5), (2, 2), 1.0, 2, True),
        (zeros(2, 0, 4, 4), zeros(3, 5), (2, 2), 1.0, 2, True),
    ],
    "roi_align_adjoint": [(zeros(0, 3, 2, 2), zeros(0, 5), (2, 4, 4), 1.0, 2, True)],
    "roi_align_max": [(zeros(2, 3, 4, 4), zeros(0, 5), (2, 2), 1.0, 2, True)],
    "roi_pool": [(zeros(2, 3, 4, 4), zeros(0, 5), (2, 2), 1.0), (zeros(2, 3, 0, 4), zeros(1, 5), (2, 2), 1.0)],
    "roi_gather": [(zeros(2, 3, 4, 4), np.zeros(0, np.int64), np.zeros((0, 3, 2, 2), np.int32))],
    "roi_scatter": [(zeros(0, 3, 2, 2), np.zeros(0, np.int64), np.zeros((0, 3, 2, 2), np.int32), (2, 4, 4))],
    "nms": [(zeros(0, 4), zeros(0), np.zeros(0, np.int64), 0.5)],
    "grid_sample": [(zeros(0, 3, 4, 4), zeros(0, 2, 2, 2)), (zeros(1, 3, 0, 4), zeros(1, 2, 2, 2))],
    "grid_sample_adjoint": [
        (zeros(0, 3, 2, 2), zeros(0, 2, 2, 2), (4, 4)),
        (zeros(1, 3, 2, 2), zeros(1, 2, 2, 2), (0, 4)),
    ],
    "grid_sample_slope": [
        (zeros(0, 3, 2, 2), zeros(0, 3, 4, 4), zeros(0, 2, 2, 2)),
        (zeros(1, 0, 2, 2), zeros(1, 0, 4, 4), zeros(1, 2, 2, 2)),
    ],
    "moments": [(zeros(0, 3, 4),), (zeros(2, 0, 4),), (zeros(2, 3, 0),)],
    "normalize": [
        (zeros(0, 3, 4), zeros(3), zeros(3), None, None, None),
        (zeros(2, 0, 4), zeros(0), zeros(0), None, None, None),
    ],
    "normalize_backward": [
        (zeros(0, 3, 4), zeros(0, 3, 4), zeros(3), zeros(3), None, None, None),
        (zeros(2, 0, 4), zeros(2, 0, 4), zeros(0), zeros(0), None, None, None),
    ],
    "softmax": [(zeros(0, 3, 4),), (zeros(2, 0, 4),), (zeros(2, 3, 0),)],
    "log_softmax": [(zeros(0, 3, 4),), (zeros(2, 0, 4),), (zeros(2, 3, 0),)],
    "softmax_backward": [(zeros(2, 0, 4), zeros(2, 0, 4)), (zeros(2, 3, 0), zeros(2, 3, 0))],
    "log_softmax_backward": [(zeros(2, 0, 4), zeros(2, 0, 4)), (zeros(2, 3, 0), zeros(2, 3, 0))],
    "cross_entropy": [
        (zeros(0, 3, 4), np.zeros((0, 4), np.int64), None, -1),
        (zeros(2, 0, 4), np.full((2, 4), -1), None, -1),
    ],
    "cross_entropy_backward": [(zeros(2, 4), zeros(2, 0, 4), np.full((2, 4), -1), None, -1)],
    "relu": [(zeros(0), 6.0), (zeros(), 6.0)],
    "relu_backward": [(zeros(0), zeros(0), 6.0), (zeros(), zeros(), 6.0)],
    "permutohedral_filter": [(zeros(0, 9), reference.permutohedral_lattice(zeros(2, 9)), False)],
    "gaussian_sum": [(zeros(0, 9), zeros(2, 9)), (zeros(3, 0), zeros(2, 0))],
    "sgd_step": [CASES["sgd_step"](np.random.default_rng(0), np.float32)],
    "adam_step": [CASES["adam_step"](np.random.default_rng(0), np.float32)],
}
REFUSED = {
    "permutohedral_lattice": (zeros(2, 0),),
    "adaptive_max_pool2d": (zeros(2, 3, 0, 4), (2, 2)),
    "adaptive_avg_pool2d": (zeros(2, 3, 0, 4), (2, 2)),
    "adaptive_avg_pool2d_adjoint": (zeros(2, 3, 2, 2), (0, 4)),
    "resize2d": (zeros(2, 3, 0, 4), resized(2), resized(2)),
    "resize2d_adjoint": (zeros(2, 3, 2, 2), resized(2), resized(2), (0, 4)),
}
REFUSED_BOXES = {
    "roi_align": (zeros(2, 3, 0, 4), zeros(1, 5), (2, 2), 1.0, 2, True),
    "roi_align_adjoint": (zeros(1, 3, 2, 2), zeros(1, 5), (2, 0, 4), 1.0, 2, True),
    "roi_align_max": (zeros(2, 3, 0, 4), zeros(1, 5), (2, 2), 1.0, 2, True),
}


@pytest.mark.parametrize("name", sorted(NOTHING))
@pytest.mark.parametrize("column", COLUMNS)
def test_empty_arrays_give_what_the_reference_gives(column, name):
    for arguments in NOTHING[name]:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            compare(COLUMNS[column], name, arguments)


@pytest.mark.parametrize("name", sorted(REFUSED))
@pytest.mark.parametrize("column", COLUMNS)
def test_a_value_that_no_pixel_has_is_refused_by_name(column, name):
    with pytest.raises(ValueError, match=f"^{name}: "):
        getattr(COLUMNS[column], name)(*REFUSED[name])


@pytest.mark.parametrize("name", sorted(REFUSED_BOXES))
@pytest.mark.parametrize("column", ["reference", "cpu"])
def test_boxes_in_planes_without_pixels_are_refused_by_name(column, name):
    with pytest.raises(ValueError, match=f"^{name}: boxes cannot be read from planes of 0 x 4 pixels"):
        getattr(COLUMNS[column], name)(*REFUSED_BOXES[name])


@pytest.mark.parametrize("image", [-1, 2, np.nan])
@pytest.mark.parametrize("column", ["reference", "cpu"])
def test_a_box_of_an_image_that_does_not_exist_is_refused(column, image):
    x, boxes = zeros(2, 3, 4, 4), np.array([[image, 0, 0, 2, 2]], np.float32)
    c = COLUMNS[column]
    for call in (
        lambda: c.roi_align(x, boxes, (2, 2), 1.0, 2, True),
        lambda: c.roi_align_adjoint(zeros(1, 3, 2, 2), boxes, (2, 4, 4), 1.0, 2, True),
        lambda: c.roi_align_max(x, boxes, (2, 2), 1.0, 2, True),
        lambda: c.roi_pool(x, boxes, (2, 2), 1.0),
    ):
        with pytest.raises(IndexError, match="there are 2"):
            call()


@pytest.mark.parametrize("column", COLUMNS)
def test_labels_where_there_is_no_class_are_refused(column):
    with pytest.raises(IndexError, match="target has label 0; x has 0 classes"):
        COLUMNS[column].cross_entropy(zeros(2, 0, 4), np.zeros((2, 4), np.int64), None, -1)


@pytest.mark.parametrize("column", COLUMNS)
def test_a_stride_far_larger_than_the_image_costs_nothing(column):
    c, x, far = (
        COLUMNS[column],
        np.arange(24.0, dtype=np.float32).reshape(1, 1, 4, 6),
        Geometry((2, 3), (10**12, 10**12)),
    )
    y, index = c.max_pool2d(x, far, (1, 1))
    assert y.item() == 8 and index.item() == 8
    assert c.avg_pool2d(x, far, np.ones((1, 1))).item() == 24
    spread = c.avg_pool2d_adjoint(np.ones((1, 1, 1, 1), np.float32), far, np.ones((1, 1)), (4, 6))
    assert spread.sum() == 6 and spread[0, 0, :2, :3].all()


@pytest.mark.parametrize("column", COLUMNS)
def test_relu_of_a_number_keeps_its_shape(column):
    for value, wanted in ((-2.0, 0.0), (3.0, 3.0), (9.0, 6.0)):
        y = COLUMNS[column].relu(np.array(value, np.float32), 6.0)
        assert y.shape == () and y == wanted


@pytest.mark.parametrize("column", COLUMNS)
def test_sums_over_many_classes_do_not_lose_digits(column):
    """200,000 equal classes: each has the probability 1 / 200,000."""
    c, C = COLUMNS[column], 200_000
    x = np.full((1, C, 2), 0.3, np.float32)
    np.testing.assert_allclose(c.softmax(x), 1 / C, rtol=1e-5)
    np.testing.assert_allclose(c.log_softmax(x), -np.log(C), rtol=1e-6)
    g = np.full((1, C, 2), 0.1, np.float32)
    np.testing.assert_allclose(c.log_softmax_backward(g, c.log_softmax(x)), 0, atol=1e-6)
