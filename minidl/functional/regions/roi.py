"""Regions of interest: features of a fixed size from every box of an image.

ROI Pool rounds boxes and bins to whole pixels, so its output is discontinuous as a box moves; ROI Align samples between the
pixels (He et al. 2017, "Mask R-CNN", section 3). Both are linear in the pixels that they read: their rules are a gather and
a scatter, and derivatives of every order follow. Boxes get no gradient, except in `crop_and_resize`.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral

import numpy as np

from ...autograd.primitive import primitive
from ...autograd.tensor import Tensor
from ...backend import kernels, like
from ...backend.cuda import to_host
from ...typing import Array, Size2, TensorLike
from ..conv import check_images, pair
from ..shape import expand, unsqueeze

LARGEST = 1 << 20  # pixels; a sampling grid for larger boxes takes gigabytes


@primitive
def _roi_align(x, *, boxes, output_size, scale, ratio, aligned):
    return kernels(x).roi_align(x, boxes, output_size, scale, ratio, aligned)


@primitive
def _roi_align_adjoint(y, *, boxes, size, scale, ratio, aligned):
    return kernels(y).roi_align_adjoint(y, boxes, size, scale, ratio, aligned)


_roi_align.rules(
    x=lambda g, x_shape, boxes, scale, ratio, aligned: _roi_align_adjoint(
        g, boxes=boxes, size=_size(x_shape), scale=scale, ratio=ratio, aligned=aligned
    )
)
_roi_align_adjoint.rules(
    y=lambda g, y_shape, boxes, scale, ratio, aligned: _roi_align(
        g, boxes=boxes, output_size=y_shape[2:], scale=scale, ratio=ratio, aligned=aligned
    )
)


@primitive(aux=("index", "weight"))
def _roi_align_max(x, *, boxes, output_size, scale, ratio, aligned):
    return kernels(x).roi_align_max(x, boxes, output_size, scale, ratio, aligned)


@primitive(aux=("index",))
def _roi_pool(x, *, boxes, output_size, scale):
    return kernels(x).roi_pool(x, boxes, output_size, scale)


@primitive
def _roi_gather(x, *, batch, index):
    return kernels(x).roi_gather(x, batch, index)


@primitive
def _roi_scatter(y, *, batch, index, size):
    return kernels(y).roi_scatter(y, batch, index, size)


def _spread(g, weight, index, x_shape, boxes):
    """The gradient of a maximum of interpolated samples: it is distributed to the four neighbours of the largest sample."""
    parts = expand(unsqueeze(g, -1), weight.shape) * weight
    return _roi_scatter(parts, batch=_images(boxes), index=index.data, size=_size(x_shape))


_roi_align_max.rules(x=_spread)
_roi_pool.rules(
    x=lambda g, index, x_shape, boxes: _roi_scatter(g, batch=_images(boxes), index=index.data, size=_size(x_shape))
)
_roi_gather.rules(x=lambda g, x_shape, batch, index: _roi_scatter(g, batch=batch, index=index, size=_size(x_shape)))
_roi_scatter.rules(y=lambda g, batch, index: _roi_gather(g, batch=batch, index=index))


def _size(shape):
    """(N, H, W) of (N, C, H, W): the result of a scatter has these sizes and the channels of its argument."""
    return shape[0], *shape[2:]


def _images(boxes):
    return boxes[:, 0].astype(np.int64)


def check_boxes(function: str, input: Tensor, boxes: TensorLike | Sequence[TensorLike], name: str = "boxes") -> Array:
    """K x 5 (image, x1, y1, x2, y2), or a list of L x 4 for each image, as one (K, 5) array of the input's dtype."""
    check_images(function, input=input)
    given = boxes if isinstance(boxes, list | tuple) else [boxes]
    if any(isinstance(b, Tensor) and b.requires_grad for b in given):
        raise NotImplementedError(f"{function}: not differentiable in {name}; pass {name}.detach()")
    arrays = [to_host(b.data if isinstance(b, Tensor) else b) for b in given]  # few, and checked on the CPU before use
    width = 4 if isinstance(boxes, list | tuple) else 5
    for a in arrays:
        if a.ndim != 2 or a.shape[1] != width or a.dtype.kind not in "iuf":
            wanted = "a list of (L, 4), one for each image," if width == 4 else "(K, 5), or a list of (L, 4),"
            raise ValueError(f"{function}: {name} must be numbers in {wanted} not {a.dtype} of {a.shape}")
    if width == 4:
        if len(arrays) != input.shape[0]:
            raise ValueError(f"{function}: {len(arrays)} lists of {name} for {input.shape[0]} images")
        arrays = [np.insert(a.astype(input.dtype), 0, n, axis=1) for n, a in enumerate(arrays)]
    result = np.concatenate(arrays or [np.zeros((0, 5))]).astype(input.dtype)
    if not np.isfinite(result).all():
        wrong = int(np.flatnonzero(~np.isfinite(result).all(1))[0])
        raise ValueError(f"{function}: {name}[{wrong}] is {result[wrong, -4:].tolist()}; needed finite numbers")
    image = result[:, 0]
    if image.size and not (image.min() >= 0 and image.max() < input.shape[0] and (image == np.trunc(image)).all()):
        raise IndexError(
            f"{function}: {name} belong to images {image.min():g} ... {image.max():g}; there are {input.shape[0]}"
        )
    return np.ascontiguousarray(result)


def _check(function, input, boxes, output_size, spatial_scale):
    """The checked boxes, output size and scale of a function below; ValueError for boxes beyond LARGEST pixels."""
    if not np.isfinite(spatial_scale) or spatial_scale <= 0:
        raise ValueError(f"{function}: spatial_scale must be a finite number above 0, not {spatial_scale!r}")
    if 0 in input.shape[2:]:
        raise ValueError(f"{function}: input of shape {input.shape} has no pixels")
    boxes = check_boxes(function, input, boxes)
    reach = np.abs(boxes[:, 1:]).max(initial=0) * spatial_scale
    if reach > LARGEST:
        raise ValueError(f"{function}: a box reaches pixel {reach:.3g} after scaling; needed at most {LARGEST}")
    return like(boxes, input.data), pair(output_size, function, "output_size", 1), float(spatial_scale)


def roi_align(
    input: Tensor,
    boxes: TensorLike | Sequence[TensorLike],
    output_size: Size2,
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
    mode: str = "avg",
) -> Tensor:
    """Bilinear samples of (N, C, H, W) on a grid in every bin of every box, then their mean: (K, C, ph, pw).

    boxes: (K, 5) of image, x1, y1, x2, y2, or a list of (L, 4), one for each image; times `spatial_scale` they are in
    pixels of `input`, without rounding. `aligned` subtracts half a pixel, so that pixel centres have integer coordinates;
    without it boxes are enlarged to at least 1 x 1. Each bin has sampling_ratio x sampling_ratio samples, or
    ceil(size / bins) along each axis if it is not positive. Samples more than one pixel outside the image are 0, others
    are clamped to it. `mode` "max" takes the largest sample instead of the mean (ONNX). No gradient in the boxes.

    He et al. 2017, "Mask R-CNN", section 3.
    """
    boxes, output_size, scale = _check("roi_align", input, boxes, output_size, spatial_scale)
    if mode not in ("avg", "max"):
        raise ValueError(f"roi_align: mode must be 'avg' or 'max', not {mode!r}")
    if not isinstance(sampling_ratio, Integral):
        raise TypeError(f"roi_align: sampling_ratio must be an integer, not {sampling_ratio!r}")
    options = {"scale": scale, "ratio": int(sampling_ratio), "aligned": bool(aligned)}
    if mode == "max":
        return _roi_align_max(input, boxes=boxes, output_size=output_size, **options)[0]
    return _roi_align(input, boxes=boxes, output_size=output_size, **options)


def roi_pool(
    input: Tensor, boxes: TensorLike | Sequence[TensorLike], output_size: Size2, spatial_scale: float = 1.0
) -> Tensor:
    """The largest pixel of every bin of every box, (K, C, ph, pw); corners and bins are rounded to whole pixels.

    boxes as in `roi_align`; times `spatial_scale` they are rounded, halves away from zero, and include both corners (size
    x2 - x1 + 1, at least 1). Bin i is the pixels floor(i size / bins) ... ceil((i + 1) size / bins) - 1; an empty bin is
    0. The first of equal pixels gets the gradient; the maximum of a bin with NaN is NaN (torchvision ignores NaN).

    Girshick 2015, "Fast R-CNN", section 2.1.
    """
    boxes, output_size, scale = _check("roi_pool", input, boxes, output_size, spatial_scale)
    return _roi_pool(input, boxes=boxes, output_size=output_size, scale=scale)[0]
