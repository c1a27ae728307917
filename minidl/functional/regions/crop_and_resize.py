"""Crop and resize: one bilinear sample per bin, differentiable in the image and in the boxes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...autograd.tensor import Tensor
from ...typing import Size2, TensorLike
from ..conv import pair
from ..elementwise import where
from ..indexing import getitem
from ..join import cat, stack
from ..shape import expand, permute, reshape, unsqueeze
from .grid_sample import _gather, _sample
from .roi import check_boxes


def crop_and_resize(
    input: Tensor,
    boxes: TensorLike | Sequence[TensorLike],
    output_size: Size2,
    spatial_scale: float = 1.0,
    mode: str = "bilinear",
    extrapolation_value: float = 0.0,
) -> Tensor:
    """Cut each box out of its image and resize it to (ph, pw): (K, C, ph, pw).

    boxes as in `roi_align`; times `spatial_scale` they are in pixels whose centres are integers. Output pixel j is sampled at
    x1 + j (x2 - x1) / (pw - 1), so that the corner pixels lie on the box's corners (at the centre for pw = 1), and likewise
    for y. Boxes with x2 < x1 are mirrored. Points outside 0 ... W - 1 have the value `extrapolation_value`. Modes: "bilinear",
    "nearest" (no gradient in the boxes). In TensorFlow's function of this name boxes are in units of H - 1 and W - 1.
    Differentiable in input and boxes.
    """
    if mode not in ("bilinear", "nearest"):
        raise ValueError(f"crop_and_resize: mode must be 'bilinear' or 'nearest', not {mode!r}")
    if not np.isfinite(spatial_scale):
        raise ValueError(f"crop_and_resize: spatial_scale must be finite, not {spatial_scale!r}")
    ph, pw = pair(output_size, "crop_and_resize", "output_size", 1)
    listed = isinstance(boxes, list | tuple)
    parts = [_constant(b) for b in boxes] if listed else _constant(boxes)
    checked = check_boxes("crop_and_resize", input, parts)
    corners = _corners(boxes, input.dtype, listed) if len(checked) else Tensor(checked[:, 1:])
    corners = corners * spatial_scale
    images = checked[:, 0].astype(np.int64)
    points = _points(corners, ph, pw)  # (K, ph, pw, 2)
    H, W = input.shape[2:]
    order, crops = [], []
    for n in range(input.shape[0]):
        mine = np.flatnonzero(images == n)
        if mine.size:
            flat = reshape(getitem(points, mine), (1, mine.size * ph, pw, 2))
            y = reshape(_crop(input[n : n + 1], flat, mode), (input.shape[1], mine.size, ph, pw))
            crops.append(permute(y, (1, 0, 2, 3)))
            order.append(mine)
    if not crops:
        return Tensor(np.zeros((0, input.shape[1], ph, pw), input.dtype))
    y = crops[0] if len(crops) == 1 else cat(crops)
    order = np.concatenate(order)
    if (np.diff(order) < 0).any():
        y = getitem(y, np.argsort(order))
    at = points.data
    inside = (at >= 0).all(-1) & (at[..., 0] <= W - 1) & (at[..., 1] <= H - 1)
    return y if inside.all() else where(inside[:, None], y, float(extrapolation_value))


def _constant(boxes):
    return boxes.data if isinstance(boxes, Tensor) else boxes


def _corners(boxes, dtype, listed):
    """(K, 4) Tensor of all boxes, on the tape if the given ones are."""
    tensors = [b if isinstance(b, Tensor) else Tensor(np.asarray(b)) for b in (boxes if listed else [boxes])]
    return cat([b.to(dtype) for b in tensors]) if listed else tensors[0].to(dtype)[:, 1:]


def _points(corners, ph, pw):
    """(K, ph, pw, 2): the sample points of the output pixels of each box."""
    axes = []
    for low, high, count in ((corners[:, 0], corners[:, 2], pw), (corners[:, 1], corners[:, 3], ph)):
        share = np.linspace(0, 1, count) if count > 1 else np.array([0.5])
        low, high = unsqueeze(low, 1), unsqueeze(high, 1)
        axes.append(low * (1 - share).astype(corners.dtype) + high * share.astype(corners.dtype))
    K = corners.shape[0]
    x, y = (expand(unsqueeze(a, d), (K, ph, pw)) for a, d in zip(axes, (1, 2)))
    return stack([x, y], -1)


def _crop(image, points, mode):
    if mode == "bilinear":
        return _sample(image, points)
    (H, W), at = image.shape[2:], np.rint(points.data)
    x, y = at[..., 0], at[..., 1]
    inside = (x >= 0) & (x < W) & (y >= 0) & (y < H)
    return _gather(image, np.where(inside, y * W + x, -1))
