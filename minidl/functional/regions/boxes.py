"""Boxes: areas, overlaps, conversions, non-maximum suppression. A box is (x1, y1, x2, y2) unless said otherwise.

Functions take (L, 4) Tensors or arrays, and are differentiable where that is possible. Names, order and edge cases are
torchvision's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ...autograd.tensor import Tensor
from ...backend import asarray, kernels, like
from ...backend.cuda import to_host
from ...typing import TensorLike
from ..elementary import exp, log
from ..elementwise import clamp, maximum, minimum
from ..join import stack
from ..shape import flatten, reshape

LARGEST_GROWTH = math.log(1000 / 16)  # of a decoded box's logarithmic size, so that exp does not overflow


def as_boxes(function: str, boxes: TensorLike, name: str = "boxes", floating: bool = True) -> Tensor:
    """A Tensor (L, 4); integers become float32, or int64 where they stay integers."""
    boxes = boxes if isinstance(boxes, Tensor) else Tensor(asarray(boxes))
    if boxes.ndim != 2 or boxes.shape[1] != 4 or boxes.dtype.kind not in "iuf":
        raise ValueError(f"{function}: {name} must be numbers in (L, 4), not {boxes.dtype} of {boxes.shape}")
    if boxes.dtype.kind != "f":
        return boxes.float() if floating else boxes.long()  # in 8 or 16 bits an area, or x + w, could overflow
    return boxes.float() if boxes.dtype.itemsize < 4 else boxes


def _sides(boxes):
    return (boxes[:, k] for k in range(4))


def box_area(boxes: TensorLike) -> Tensor:
    """(x2 - x1) (y2 - y1) of each box: (L,)."""
    x1, y1, x2, y2 = _sides(as_boxes("box_area", boxes, floating=False))
    return (x2 - x1) * (y2 - y1)


def _overlap(function, boxes1, boxes2):
    """Both sets as Tensors, and their intersections and unions (N, M)."""
    a, b = as_boxes(function, boxes1, "boxes1"), as_boxes(function, boxes2, "boxes2")
    low, high = maximum(a[:, None, :2], b[:, :2]), minimum(a[:, None, 2:], b[:, 2:])
    width = clamp(high - low, min=0)
    inner = width[..., 0] * width[..., 1]
    return a, b, inner, box_area(a)[:, None] + box_area(b) - inner


def box_iou(boxes1: TensorLike, boxes2: TensorLike) -> Tensor:
    """Intersection over union of every pair, (N, M); NaN for two boxes without area. Differentiable in both."""
    _, _, inner, union = _overlap("box_iou", boxes1, boxes2)
    return inner / union


def generalized_box_iou(boxes1: TensorLike, boxes2: TensorLike) -> Tensor:
    """IoU - (hull - union) / hull of every pair, (N, M), from -1 to 1; hull is the smallest box around both.

    Rezatofighi et al. 2019, "Generalized intersection over union", algorithm 1.
    """
    a, b, inner, union = _overlap("generalized_box_iou", boxes1, boxes2)
    low, high = minimum(a[:, None, :2], b[:, :2]), maximum(a[:, None, 2:], b[:, 2:])
    width = clamp(high - low, min=0)
    hull = width[..., 0] * width[..., 1]
    return inner / union - (hull - union) / hull


def _centred(boxes):
    """Centre x, centre y, width, height of each box."""
    x1, y1, x2, y2 = _sides(boxes)
    width, height = x2 - x1, y2 - y1
    return x1 + 0.5 * width, y1 + 0.5 * height, width, height


def encode_boxes(
    reference_boxes: TensorLike, proposals: TensorLike, weights: Sequence[float] = (1.0, 1.0, 1.0, 1.0)
) -> Tensor:
    """The deltas from each proposal to its reference box: (dx, dy) over the proposal's size, (dw, dh) as logarithms; (L, 4).

    Girshick et al. 2014, "Rich feature hierarchies", appendix C; times `weights`.
    """
    target, source = as_boxes("encode_boxes", reference_boxes, "reference_boxes"), as_boxes("encode_boxes", proposals)
    if target.shape != source.shape:
        raise ValueError(f"encode_boxes: {target.shape} reference boxes for {source.shape} proposals")
    (x, y, w, h), (px, py, pw, ph) = _centred(target), _centred(source)
    wx, wy, ww, wh = weights
    return stack([wx * (x - px) / pw, wy * (y - py) / ph, ww * log(w / pw), wh * log(h / ph)], 1)


def decode_boxes(deltas: TensorLike, boxes: TensorLike, weights: Sequence[float] = (1.0, 1.0, 1.0, 1.0)) -> Tensor:
    """The inverse of `encode_boxes`: deltas (L, 4 K), K for each of the boxes (L, 4), become boxes (L, 4 K).

    dw and dh are clamped to at most log(1000 / 16) before the exponential.
    """
    boxes = as_boxes("decode_boxes", boxes)
    deltas = deltas if isinstance(deltas, Tensor) else Tensor(asarray(deltas))
    if deltas.ndim != 2 or deltas.shape[0] != boxes.shape[0] or deltas.shape[1] % 4 or deltas.dtype.kind != "f":
        raise ValueError(
            f"decode_boxes: deltas must be floating, ({boxes.shape[0]}, 4 K) for these boxes, not {deltas.dtype} of"
            f" {deltas.shape}"
        )
    each = reshape(deltas, (boxes.shape[0], deltas.shape[1] // 4, 4))
    dx, dy, dw, dh = (each[..., k] / weight for k, weight in enumerate(weights))
    px, py, pw, ph = (v[:, None] for v in _centred(boxes))
    x, y = dx * pw + px, dy * ph + py
    w, h = (exp(clamp(d, max=LARGEST_GROWTH)) * side for d, side in ((dw, pw), (dh, ph)))
    return flatten(stack([x - 0.5 * w, y - 0.5 * h, x + 0.5 * w, y + 0.5 * h], 2), 1)


def clip_boxes_to_image(boxes: TensorLike, size: Sequence[int]) -> Tensor:
    """Boxes cut to an image of size (H, W): 0 <= x <= W, 0 <= y <= H."""
    boxes = as_boxes("clip_boxes_to_image", boxes, floating=False)
    H, W = size
    x1, y1, x2, y2 = _sides(boxes)
    return stack([clamp(x1, 0, W), clamp(y1, 0, H), clamp(x2, 0, W), clamp(y2, 0, H)], 1)


def remove_small_boxes(boxes: TensorLike, min_size: float) -> Tensor:
    """Indices (int64) of the boxes whose width and height are both at least `min_size`."""
    data = as_boxes("remove_small_boxes", boxes, floating=False).data
    return Tensor(np.flatnonzero((data[:, 2] - data[:, 0] >= min_size) & (data[:, 3] - data[:, 1] >= min_size)))


def _centre_to_corners(x, y, w, h):
    return x - 0.5 * w, y - 0.5 * h, x + 0.5 * w, y + 0.5 * h


_TO_CORNERS = {
    "xyxy": lambda x1, y1, x2, y2: (x1, y1, x2, y2),
    "xywh": lambda x, y, w, h: (x, y, x + w, y + h),
    "cxcywh": _centre_to_corners,
}
_FROM_CORNERS = {
    "xyxy": lambda x1, y1, x2, y2: (x1, y1, x2, y2),
    "xywh": lambda x1, y1, x2, y2: (x1, y1, x2 - x1, y2 - y1),
    "cxcywh": lambda x1, y1, x2, y2: ((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1),
}


def box_convert(boxes: TensorLike, in_fmt: str, out_fmt: str) -> Tensor:
    """Boxes in another format: "xyxy" (corners), "xywh" (corner, width, height) or "cxcywh" (centre, width, height)."""
    boxes = as_boxes("box_convert", boxes, floating="cxcywh" in (in_fmt, out_fmt))
    if in_fmt not in _TO_CORNERS or out_fmt not in _TO_CORNERS:
        raise ValueError(f"box_convert: formats are {', '.join(_TO_CORNERS)}, not {in_fmt!r} and {out_fmt!r}")
    return boxes if in_fmt == out_fmt else stack(_FROM_CORNERS[out_fmt](*_TO_CORNERS[in_fmt](*_sides(boxes))), 1)


def masks_to_boxes(masks: TensorLike) -> Tensor:
    """The smallest box around the non-zero pixels of each mask (N, H, W): (N, 4) float32; both corners are pixels.

    Raises ValueError, with its number, for a mask without pixels.
    """
    data = to_host(masks.data if isinstance(masks, Tensor) else masks)
    if data.ndim != 3:
        raise ValueError(f"masks_to_boxes: masks have shape {data.shape}; needed (N, H, W)")
    boxes = np.zeros((len(data), 4), np.float32)
    for n, mask in enumerate(data != 0):
        rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        if not rows.size:
            raise ValueError(f"masks_to_boxes: mask {n} has no pixels")
        boxes[n] = cols[0], rows[0], cols[-1], rows[-1]
    return Tensor(boxes)


def nms(boxes: TensorLike, scores: TensorLike, iou_threshold: float) -> Tensor:
    """Indices (int64) of the boxes that greedy non-maximum suppression keeps, by decreasing score.

    A box is removed if its IoU with a kept box of higher score (or equal score and lower index) exceeds `iou_threshold`.
    boxes (L, 4), scores (L,). Memory grows with the number of boxes, not of pairs. Raises ValueError for NaN.
    """
    return _suppress("nms", boxes, scores, None, iou_threshold)


def batched_nms(boxes: TensorLike, scores: TensorLike, idxs: TensorLike, iou_threshold: float) -> Tensor:
    """`nms` within each group of boxes with the same integer in `idxs` (L,), such as a class or a pyramid level."""
    return _suppress("batched_nms", boxes, scores, idxs, iou_threshold)


def _suppress(function, boxes, scores, groups, threshold):
    boxes = as_boxes(function, boxes).data
    scores = like(scores.data if isinstance(scores, Tensor) else scores, boxes)
    groups = np.zeros(len(boxes), np.int64) if groups is None else groups
    groups = like(groups.data if isinstance(groups, Tensor) else groups, boxes)
    if scores.shape != (len(boxes),) or scores.dtype.kind not in "iuf":
        raise ValueError(f"{function}: scores must be numbers in ({len(boxes)},), not {scores.dtype} of {scores.shape}")
    if groups.shape != (len(boxes),) or (groups.dtype.kind not in "iu" and groups.size):
        raise ValueError(f"{function}: idxs must be integers in ({len(boxes)},), not {groups.dtype} of {groups.shape}")
    for name, a in (("boxes", boxes), ("scores", scores)):
        if np.isnan(a).any():
            raise ValueError(f"{function}: {name} hold NaN, at {int(np.argwhere(np.isnan(a))[0][0])}")
    if math.isnan(threshold):
        raise ValueError(f"{function}: iou_threshold is NaN")
    return Tensor(kernels(boxes).nms(boxes, scores.astype(np.float64), groups.astype(np.int64), float(threshold)))
