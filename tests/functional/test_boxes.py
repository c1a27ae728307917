"""Boxes: overlaps, encoding, suppression, pasting; against loops and, where it is installed, PyTorch."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minidl import check_grads, tensor
from minidl import functional as F

sweep = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
SOME = np.array([[0, 0, 10, 10], [1, 1, 11, 12], [20, 20, 30, 33], [0, 0, 10, 9], [5, 5, 6, 8]], np.float64)


def random_boxes(rng, L, span=20.0, least=0.5):
    corner, side = rng.uniform(0, span, (L, 2)), rng.uniform(least, span / 2, (L, 2))
    return np.concatenate([corner, corner + side], 1)


def overlap(a, b):
    """Intersection, union and hull of two boxes, one number after the other."""
    width, height = max(min(a[2], b[2]) - max(a[0], b[0]), 0), max(min(a[3], b[3]) - max(a[1], b[1]), 0)
    hull = (max(a[2], b[2]) - min(a[0], b[0])) * (max(a[3], b[3]) - min(a[1], b[1]))
    return width * height, (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height, hull


def test_overlaps_are_the_loop():
    rng = np.random.default_rng(0)
    a, b = random_boxes(rng, 7), random_boxes(rng, 5)
    iou, giou = F.box_iou(tensor(a), b).data, F.generalized_box_iou(a, tensor(b)).data
    assert iou.shape == giou.shape == (7, 5)
    for i, j in np.ndindex(7, 5):
        inner, union, hull = overlap(a[i], b[j])
        assert iou[i, j] == pytest.approx(inner / union, abs=1e-12)
        assert giou[i, j] == pytest.approx(inner / union - (hull - union) / hull, abs=1e-12)
    np.testing.assert_allclose(F.box_area(a).data, [(x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in a])
    np.testing.assert_allclose(np.diag(F.box_iou(a, a).data), 1)
    assert giou.min() < 0


def test_overlaps_of_odd_boxes():
    point = np.array([[3.0, 3, 3, 3]])
    with np.errstate(invalid="ignore"):
        assert np.isnan(F.box_iou(point, point).item())
    assert F.box_iou(point, np.array([[0, 0, 5, 5.0]])).item() == 0
    assert F.box_iou(np.array([[0, 0, 2, 2]]), np.array([[1, 0, 3, 2]])).dtype == np.float32
    assert F.box_iou(np.array([[0, 0, 2, 2]]), np.array([[1, 0, 3, 2]])).item() == pytest.approx(1 / 3)
    assert F.box_iou(np.zeros((0, 4)), SOME).shape == (0, 5)
    assert F.box_area(np.array([[0, 0, 3, 2]])).tolist() == [6]
    with pytest.raises(ValueError, match=r"box_iou: boxes2 must be numbers in \(L, 4\), not float64 of \(5, 3\)"):
        F.box_iou(SOME, SOME[:, :3])


def test_overlaps_and_codes_are_differentiable():
    rng = np.random.default_rng(1)
    a, b = random_boxes(rng, 3), random_boxes(rng, 2)
    check_grads(F.box_iou, [a, b])
    check_grads(F.generalized_box_iou, [a, b])
    check_grads(F.box_area, [a])
    check_grads(lambda t, p: F.encode_boxes(t, p, (10, 10, 5, 5)), [a, random_boxes(rng, 3)])
    check_grads(lambda d, p: F.decode_boxes(d, p, (10, 10, 5, 5)), [rng.standard_normal((3, 8)), a])
    check_grads(lambda v: F.clip_boxes_to_image(v, (9, 12)), [a])
    check_grads(lambda v: F.box_convert(v * v, "xyxy", "cxcywh"), [a])


@given(st.integers(0, 6), st.integers(0, 1000), st.sampled_from([(1, 1, 1, 1), (10, 10, 5, 5)]))
@sweep
def test_decode_inverts_encode(L, seed, weights):
    rng = np.random.default_rng(seed)
    target, proposals = random_boxes(rng, L), random_boxes(rng, L)
    deltas = F.encode_boxes(target, tensor(proposals), weights)
    assert deltas.shape == (L, 4)
    np.testing.assert_allclose(F.decode_boxes(deltas, proposals, weights).data, target, atol=1e-9)


def test_encode_by_its_formula_and_decode_for_classes():
    box, proposal = (4.0, 6.0, 10.0, 20.0), (2.0, 2.0, 6.0, 12.0)
    expected = [10 * (7 - 4) / 4, 10 * (13 - 7) / 10, 5 * math.log(6 / 4), 5 * math.log(14 / 10)]
    np.testing.assert_allclose(F.encode_boxes([box], [proposal], (10, 10, 5, 5)).data, [expected])
    rng = np.random.default_rng(2)
    deltas, boxes = rng.standard_normal((5, 12)), random_boxes(rng, 5)
    together = F.decode_boxes(deltas, boxes).data
    for k in range(3):
        part = slice(4 * k, 4 * k + 4)
        np.testing.assert_allclose(together[:, part], F.decode_boxes(deltas[:, part], boxes).data)
    grown = F.decode_boxes(np.array([[0, 0, 99, 1e30]]), np.array([[0, 0, 16, 16.0]])).data
    np.testing.assert_allclose(grown, [[-492, -492, 508, 508]])
    assert F.decode_boxes(np.zeros((0, 8)), np.zeros((0, 4))).shape == (0, 8)
    with pytest.raises(ValueError, match=r"deltas must be floating, \(5, 4 K\)"):
        F.decode_boxes(deltas[:, :5], boxes)
    with pytest.raises(ValueError, match="encode_boxes"):
        F.encode_boxes(boxes, boxes[:3])


def test_clip_small_convert():
    boxes = np.array([[-3, 2, 5, 99], [1, 1, 2.0, 1.5]])
    assert F.clip_boxes_to_image(boxes, (10, 4)).tolist() == [[0, 2, 4, 10], [1, 1, 2, 1.5]]
    assert F.clip_boxes_to_image(np.array([[-3, 2, 5, 99]]), (10, 4)).dtype == np.int64
    kept = F.remove_small_boxes(boxes, 0.5)
    assert kept.tolist() == [0, 1] and kept.dtype == np.int64
    assert F.remove_small_boxes(boxes, 0.6).tolist() == [0]
    assert F.box_convert([[2, 3, 6, 9]], "xyxy", "xywh").tolist() == [[2, 3, 4, 6]]
    assert F.box_convert([[2, 3, 6, 9]], "xyxy", "cxcywh").tolist() == [[4, 6, 4, 6]]
    for one, other in itertools.product(("xyxy", "xywh", "cxcywh"), repeat=2):
        np.testing.assert_allclose(F.box_convert(F.box_convert(SOME, one, other), other, one).data, SOME)
    with pytest.raises(ValueError, match="box_convert: formats are xyxy"):
        F.box_convert(SOME, "xyxy", "yxyx")


def test_masks_to_boxes():
    masks = np.zeros((2, 7, 9), bool)
    masks[0, 2:5, 3:8] = True
    masks[1, 6, 0] = True
    boxes = F.masks_to_boxes(masks)
    assert boxes.tolist() == [[3, 2, 7, 4], [0, 6, 0, 6]] and boxes.dtype == np.float32
    assert F.masks_to_boxes(tensor(np.zeros((0, 3, 3)))).shape == (0, 4)
    with pytest.raises(ValueError, match="mask 1 has no pixels"):
        F.masks_to_boxes(np.stack([masks[0], 0 * masks[0]]))
    with pytest.raises(ValueError, match="needed"):
        F.masks_to_boxes(masks[0])


def nms_by_loops(boxes, scores, groups, threshold):
    order = sorted(range(len(boxes)), key=lambda i: (-scores[i], i))
    kept = []
    for i in order:
        if all(groups[i] != groups[j] or not _overlaps(boxes[i], boxes[j], threshold) for j in kept):
            kept.append(i)
    return kept


def _overlaps(a, b, threshold):
    inner, union, _ = overlap(a, b)
    return union != 0 and inner / union > threshold


@given(
    st.integers(0, 40) | st.integers(60, 140),
    st.integers(0, 1000),
    st.sampled_from([0.0, 0.3, 0.5, 1 / 3, 1.0, -0.1]),
    st.integers(1, 4),
    st.booleans(),
)
@sweep
def test_nms_is_the_loop(column, L, seed, threshold, classes, coarse):
    """Coarse boxes and scores make ties and overlaps of exactly 1/3 or 1/2."""
    rng = np.random.default_rng(seed)
    boxes, scores = random_boxes(rng, L, least=-1), rng.random(L)
    if coarse:
        boxes, scores = np.round(boxes / 4) * 4, np.round(scores * 4) / 4
    groups = rng.integers(-1, classes - 1, L)
    kept = column.nms(boxes, scores, groups, threshold)
    assert kept.dtype == np.int64
    assert kept.tolist() == nms_by_loops(boxes, scores, groups, threshold)


@given(st.integers(1, 200), st.integers(0, 1000), st.sampled_from([0.3, 0.5, 0.7, 1 / 3]))
@sweep
def test_columns_agree_on_float32_boxes(L, seed, threshold):
    from minidl.kernels import cpu, reference

    rng = np.random.default_rng(seed)
    boxes = np.round(random_boxes(rng, L) * 2).astype(np.float32)
    scores, groups = np.round(rng.random(L), 1), rng.integers(0, 2, L)
    np.testing.assert_array_equal(
        cpu.nms(boxes, scores, groups, threshold), reference.nms(boxes, scores, groups, threshold)
    )


def test_nms_by_hand():
    scores = np.array([0.9, 0.8, 0.7, 0.95, 0.9])
    assert F.nms(SOME, scores, 0.5).tolist() == [3, 4, 2]
    assert F.nms(tensor(SOME), tensor(scores), 0.95).tolist() == [3, 0, 4, 1, 2]
    assert F.batched_nms(SOME, scores, np.array([0, 1, 0, 0, 1]), 0.5).tolist() == [3, 4, 1, 2]
    ties = np.tile([0.0, 0, 4, 4], (3, 1))
    assert F.nms(ties, np.ones(3), 0.5).tolist() == [0]
    third = np.array([[0, 0, 2, 2], [1, 0, 3, 2.0]])
    for dtype in (np.float32, np.float64):  # exactly at the threshold a box stays
        iou = F.box_iou(third.astype(dtype), third.astype(dtype)).data[0, 1]
        assert F.nms(third.astype(dtype), np.array([2, 1]), float(iou)).tolist() == [0, 1]
        assert F.nms(third.astype(dtype), np.array([2, 1]), float(np.nextafter(iou, dtype(0)))).tolist() == [0]


def test_nms_of_odd_input():
    empty = F.nms(np.zeros((0, 4)), np.zeros(0), 0.5)
    assert empty.shape == (0,) and empty.dtype == np.int64
    assert F.batched_nms(np.zeros((0, 4)), np.zeros(0), np.zeros(0), 0.5).shape == (0,)
    assert F.nms(SOME.astype(np.int64), [5, 4, 3, 6, 5], 0.5).tolist() == [3, 4, 2]
    point = np.array([[3, 3, 3, 3.0], [3, 3, 3, 3]])
    assert F.nms(point, np.ones(2), 0.0).tolist() == [0, 1]  # 0 / 0 is no overlap
    backwards = np.array([[5, 5, 1, 1.0], [1, 1, 5, 5]])
    assert F.nms(backwards, np.array([2, 1]), 0.1).tolist() == [0, 1]
    for boxes, scores, words in (
        (SOME * [1, 1, np.nan, 1], np.ones(5), "boxes hold NaN, at 0"),
        (SOME, np.array([1, 1, np.nan, 1, 1]), "scores hold NaN, at 2"),
        (SOME, np.ones(4), r"scores must be numbers in \(5,\)"),
        (SOME[:, :3], np.ones(5), r"\(L, 4\)"),
    ):
        with pytest.raises(ValueError, match=f"nms: {words}|nms: .*{words}"):
            F.nms(boxes, scores, 0.5)
    with pytest.raises(ValueError, match=r"batched_nms: idxs must be integers in \(5,\)"):
        F.batched_nms(SOME, np.ones(5), np.ones(5), 0.5)
    with pytest.raises(ValueError, match="iou_threshold is NaN"):
        F.nms(SOME, np.ones(5), np.nan)


def test_many_boxes_need_little_memory():
    """100,000 boxes that all stay: a matrix of pairs would take 10 GB."""
    import tracemalloc

    i = np.arange(100_000)
    boxes = np.stack([i % 316 * 3, i // 316 * 3, i % 316 * 3 + 2, i // 316 * 3 + 2], 1).astype(np.float32)
    F.nms(boxes[:100], i[:100], 0.5)  # compiled
    tracemalloc.start()
    kept = F.nms(boxes, i % 977, 0.5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(kept) == 100_000 and (np.diff(i[kept.data] % 977) <= 0).all()
    assert peak < 40e6


def paste_in_torch(torch, masks, boxes, size):
    """torchvision's paste_masks_in_image, line by line."""
    masks = torch.nn.functional.pad(torch.tensor(masks), (1,) * 4)
    scale = float(masks.shape[-1]) / (masks.shape[-1] - 2)
    b = torch.tensor(boxes)
    half_w, half_h = (b[:, 2] - b[:, 0]) * 0.5 * scale, (b[:, 3] - b[:, 1]) * 0.5 * scale
    x, y = (b[:, 2] + b[:, 0]) * 0.5, (b[:, 3] + b[:, 1]) * 0.5
    corners = torch.stack([x - half_w, y - half_h, x + half_w, y + half_h], 1).to(torch.int64).tolist()
    out = torch.zeros(len(masks), 1, *size, dtype=masks.dtype)
    for k, (x1, y1, x2, y2) in enumerate(corners):
        w, h = max(x2 - x1 + 1, 1), max(y2 - y1 + 1, 1)
        mask = torch.nn.functional.interpolate(masks[k][None], (h, w), mode="bilinear", align_corners=False)[0, 0]
        left, right = max(x1, 0), min(x2 + 1, size[1])
        top, bottom = max(y1, 0), min(y2 + 1, size[0])
        if left < right and top < bottom:
            out[k, 0, top:bottom, left:right] = mask[top - y1 : bottom - y1, left - x1 : right - x1]
    return out.numpy()


@given(st.integers(0, 4), st.integers(1, 9), st.integers(0, 10**6))
@sweep
def test_paste_masks_follows_torchvision(L, M, seed):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    size = tuple(rng.integers(1, 25, 2).tolist())
    boxes = rng.uniform(-0.5, 1.5, (L, 4)) * np.tile(size[::-1], 2)
    boxes[::2, 2:] = boxes[::2, :2] + rng.uniform(0, 20, (len(boxes[::2]), 2))
    masks = rng.random((L, 1, M, M))
    y = F.paste_masks(masks, boxes, size)
    assert y.shape == (L, 1, *size)
    np.testing.assert_allclose(y.data, paste_in_torch(torch, masks, boxes, size), atol=1e-12)


def test_paste_masks_by_hand_and_its_gradient():
    full = F.paste_masks(np.ones((1, 1, 28, 28), np.float32), np.array([[2, 3, 30, 31.0]]), (40, 36)).data[0, 0]
    assert full.dtype == np.float32 and (full[5:30, 4:29] > 0.99).all()
    assert full[:2].max() == 0 and full[34:].max() == 0
    outside = F.paste_masks(np.ones((2, 1, 4, 4)), np.array([[50, 50, 60, 60], [-9, -9, -5, -5.0]]), (8, 8))
    assert not outside.data.any()
    boxes = np.array([[1, 2, 7, 9], [-3, 4, 5, 6], [5, 5, 3, 3.0]])
    check_grads(lambda m: F.paste_masks(m * m, boxes, (8, 9)), [np.random.default_rng(3).random((3, 1, 4, 4))])
    for masks, places, words in (
        (np.ones((2, 3, 4, 4)), boxes[:2], r"needed \(L, 1, M, M\)"),
        (np.ones((2, 1, 4, 4)), boxes, "needed"),
        (np.ones((3, 1, 4, 4)), boxes * np.nan, "finite"),
        (np.ones((3, 1, 0, 4)), boxes, "needed pixels"),
    ):
        with pytest.raises(ValueError, match=f"paste_masks: .*{words}"):
            F.paste_masks(masks, places, (8, 8))


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16, np.uint16, np.int32])
def test_boxes_of_narrow_integers_do_not_wrap_around(dtype):
    side = min(np.iinfo(dtype).max, 100_000)
    boxes = np.array([[1, 0, side, side], [side, side, 1, 0]], dtype)
    assert F.box_area(boxes).tolist() == [(side - 1) * side] * 2
    assert F.box_convert(boxes, "xyxy", "xywh").tolist()[1] == [side, side, 1 - side, -side]
    assert F.box_convert(boxes, "xywh", "xyxy").tolist()[0] == [1, 0, side + 1, side]
    assert F.clip_boxes_to_image(boxes, (10, 300)).tolist()[0] == [1, 0, min(side, 300), 10]
    assert F.remove_small_boxes(boxes, 1).tolist() == [0]
