"""ROI Align on a feature pyramid: each box is pooled from a level chosen by its size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...autograd.primitive import primitive
from ...autograd.tensor import Tensor
from ...backend import like, xp
from ...backend.cuda import to_host
from ...typing import Array, Size2, TensorLike
from ..conv import check_images, pair
from ..indexing import getitem
from .boxes import as_boxes
from .roi import roi_align


@primitive
def _place(*parts, rows):
    """Row rows[i][k] of the result is row k of part i."""
    out = xp(parts[0]).empty((sum(map(len, rows)), *parts[0].shape[1:]), parts[0].dtype)
    for part, row in zip(parts, rows):
        out[like(row, part)] = part
    return out


_place.rules(parts=lambda i, g, rows: getitem(g, rows[i]))


def pyramid_levels(
    boxes: TensorLike, min_level: int, max_level: int, canonical_scale: int = 224, canonical_level: int = 4
) -> Array:
    """Each box's level, floor(canonical_level + log2(sqrt(area) / canonical_scale)) clamped to min_level ... max_level, int64.

    A box of canonical_scale x canonical_scale has canonical_level; one of half that size, the level below. Lin et al. 2017,
    "Feature pyramid networks", equation 1.
    """
    data = to_host(as_boxes("pyramid_levels", boxes).data)
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.sqrt((data[:, 2] - data[:, 0]) * (data[:, 3] - data[:, 1]))
        level = np.floor(canonical_level + np.log2(size / canonical_scale) + 1e-6)
    level = np.nan_to_num(level, nan=min_level, posinf=max_level, neginf=min_level)
    return np.clip(level, min_level, max_level).astype(np.int64)


def multiscale_roi_align(
    features: Sequence[Tensor],
    boxes: TensorLike | Sequence[TensorLike],
    output_size: Size2,
    sampling_ratio: int = 2,
    image_size: Sequence[int] | None = None,
    canonical_scale: int = 224,
    canonical_level: int = 4,
    aligned: bool = False,
) -> Tensor:
    """`roi_align` of each box on the level of the pyramid that `pyramid_levels` assigns: (K, C, ph, pw), in box order.

    features: list of (N, C, H, W), finest first, each half as fine as the one before; boxes: a list of (L, 4) for each
    image, in pixels of an image of `image_size` (H, W) (of the largest, if there are several). The scale of each level
    is the power of two nearest to the ratio of its size to the image's.
    """
    features = list(features)
    if not features:
        raise ValueError("multiscale_roi_align: features is empty; at least one level is needed")
    for k, x in enumerate(features):
        check_images("multiscale_roi_align", **{f"features[{k}]": x})
    if image_size is None:
        raise ValueError("multiscale_roi_align: image_size (H, W) is needed to know the scale of each level")
    H, W = np.atleast_2d(np.asarray(image_size)).max(0)
    scales = [_scale(x.shape[2:], (H, W)) for x in features]
    if not isinstance(boxes, list | tuple) or len(boxes) != features[0].shape[0]:
        raise ValueError(f"multiscale_roi_align: boxes must be a list of (L, 4) for {features[0].shape[0]} images")
    arrays = [to_host(as_boxes("multiscale_roi_align", b).data).astype(features[0].dtype) for b in boxes]
    if any(isinstance(b, Tensor) and b.requires_grad for b in boxes):
        raise NotImplementedError("multiscale_roi_align: not differentiable in boxes; pass boxes.detach()")
    rois = np.concatenate([np.insert(a, 0, n, axis=1) for n, a in enumerate(arrays)])
    options: dict[str, Any] = {"output_size": pair(output_size, "multiscale_roi_align", "output_size", 1)}
    options |= {"sampling_ratio": sampling_ratio, "aligned": aligned}
    if len(features) == 1:
        return roi_align(features[0], rois, spatial_scale=scales[0], **options)
    min_level, max_level = (round(-np.log2(s)) for s in (scales[0], scales[-1]))
    level = pyramid_levels(rois[:, 1:], min_level, max_level, canonical_scale, canonical_level) - min_level
    if level.size and max_level - min_level >= len(features):
        raise ValueError(
            f"multiscale_roi_align: {len(features)} levels have scales {scales}; needed each half the one before"
        )
    rows = [np.flatnonzero(level == k) for k in range(len(features))]
    used = [k for k in range(len(features)) if rows[k].size] or [0]
    parts = [roi_align(features[k], rois[rows[k]], spatial_scale=scales[k], **options) for k in used]
    return _place(*parts, rows=[rows[k] for k in used])


def _scale(size, image_size):
    """The power of two nearest to the size of a feature map over that of the image; both axes must agree."""
    height, width = (2.0 ** round(float(np.log2(n / m))) for n, m in zip(size, image_size))
    if height != width:
        raise ValueError(
            f"multiscale_roi_align: a level of {tuple(size)} is {height:g} of the image's {tuple(map(int, image_size))} in"
            f" height and {width:g} in width; needed the same"
        )
    return height
