"""Pasting the small masks of boxes back into an image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...autograd.primitive import primitive
from ...autograd.tensor import Tensor
from ...backend import kernels
from ...typing import TensorLike
from ..conv import check_images
from ..pad import pad
from ..resize import _taps


@primitive
def _paste(masks, *, places, size):
    """(L, 1, M, M) -> (L, 1, H, W): each mask resized by its tables into its window, zeros around it."""
    image = np.zeros((len(masks), 1, *size), masks.dtype)
    for k, (window, rows, cols) in enumerate(places):
        if len(rows[0]) and len(cols[0]):
            image[(slice(k, k + 1), slice(None), *window)] = kernels(masks).resize2d(masks[k : k + 1], rows, cols)
    return image


@primitive
def _cut(image, *, places, size):
    """The adjoint of `_paste`; size is the masks'."""
    masks = np.zeros((len(image), 1, *size), image.dtype)
    for k, (window, rows, cols) in enumerate(places):
        if len(rows[0]) and len(cols[0]):
            part = image[(slice(k, k + 1), slice(None), *window)]
            masks[k : k + 1] = kernels(image).resize2d_adjoint(part, rows, cols, size)
    return masks


_paste.rules(masks=lambda g, masks_shape, places: _cut(g, places=places, size=masks_shape[2:]))
_cut.rules(image=lambda g, image_shape, places: _paste(g, places=places, size=image_shape[2:]))


def _grown(boxes, factor):
    """Boxes enlarged about their centres."""
    half = (boxes[:, 2:] - boxes[:, :2]) * 0.5 * factor
    centre = (boxes[:, 2:] + boxes[:, :2]) * 0.5
    return np.concatenate([centre - half, centre + half], 1)


def _window(start, end, small, n, dtype):
    """The pixels that a mask of `small` pixels, resized to start ... end, covers of an axis of n, and their taps."""
    length = max(end - start + 1, 1)
    first = max(start, 0)
    last = max(min(end + 1, n), first)
    low, high, upper = _taps(small, length, None, "bilinear", False, dtype)
    part = slice(first - start, last - start)
    return slice(first, last), (low[part], high[part], upper[part])


def paste_masks(masks: Tensor, boxes: TensorLike, size: Sequence[int], padding: int = 1) -> Tensor:
    """Masks (L, 1, M, M), each resized to its box (L, 4) in an empty image of size (H, W): (L, 1, H, W).

    As in torchvision's Mask R-CNN: the mask gets a border of `padding` zeros, the box is enlarged in proportion, its corners
    are truncated to integers and both included (width x2 - x1 + 1, at least 1), and the part outside the image is cropped.
    Threshold the result at 0.5 for a binary mask. Differentiable in the masks.
    """
    masks = masks if isinstance(masks, Tensor) else Tensor(np.asarray(masks))
    check_images("paste_masks", masks=masks)
    boxes = np.asarray(boxes.data if isinstance(boxes, Tensor) else boxes)
    L, channels, *small = masks.shape
    if channels != 1 or boxes.shape != (L, 4):
        raise ValueError(f"paste_masks: masks {masks.shape} and boxes {boxes.shape}; needed (L, 1, M, M) and (L, 4)")
    if not np.isfinite(boxes).all() or np.abs(boxes).max(initial=0) > 1 << 20:
        raise ValueError("paste_masks: boxes must be finite and within a million pixels")
    if 0 in small or min(size) < 1:
        raise ValueError(f"paste_masks: masks of {tuple(small)} and an image of {tuple(size)}; needed pixels in both")
    factor = (small[1] + 2 * padding) / small[1]
    corners = _grown(boxes.astype(masks.dtype), masks.dtype.type(factor)).astype(np.int64).tolist()
    places = []
    for x1, y1, x2, y2 in corners:
        down, rows = _window(y1, y2, small[0] + 2 * padding, size[0], masks.dtype)
        across, cols = _window(x1, x2, small[1] + 2 * padding, size[1], masks.dtype)
        places.append(((down, across), rows, cols))
    return _paste(pad(masks, (padding,) * 4), places=places, size=tuple(size))
