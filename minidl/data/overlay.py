"""Overlays of masks on images, as arrays of the image's size, without matplotlib."""

from __future__ import annotations

import numpy as np

from ..typing import Array, ArrayLike


def paint(image: Array, mask: Array, colors: ArrayLike, alpha: float = 0.55, background: int | None = None) -> Array:
    """The image with every labelled pixel tinted by its class and borders of classes drawn, H x W x 3 uint8.

    image: H x W x 3 uint8; mask: H x W labels; pixels of `background` and of labels without a colour are unchanged.
    """
    image, mask, colors = np.asarray(image), np.asarray(mask), np.asarray(colors)
    if image.dtype != np.uint8 or image.shape != (*mask.shape, 3):
        raise ValueError(
            f"paint: image is {image.dtype} {image.shape}, mask {mask.shape}; needed uint8 H x W x 3 and H x W"
        )
    known = (mask >= 0) & (mask < len(colors))
    if background is not None:
        known &= mask != background
    tint = colors[np.where(known, mask, 0)]
    out = np.where(known[..., None], (1 - alpha) * image + alpha * tint + 0.5, image)
    out[_borders(mask)] = 255
    return out.astype(np.uint8)


def _borders(mask):
    """Pixels whose right or lower neighbour has another label, between regions of at least 2 x 2 pixels.

    Single pixels and lines one pixel wide get no border, since borders around many of them would cover the image.
    """
    solid = _solid(mask)
    edge = np.zeros(mask.shape, bool)
    edge[:, :-1] |= (mask[:, :-1] != mask[:, 1:]) & solid[:, :-1] & solid[:, 1:]
    edge[:-1] |= (mask[:-1] != mask[1:]) & solid[:-1] & solid[1:]
    return edge


def _solid(mask):
    """Whether each pixel lies in a square of 2 x 2 pixels with one label."""
    square = (mask[:-1, :-1] == mask[1:, 1:]) & (mask[:-1, :-1] == mask[1:, :-1]) & (mask[:-1, :-1] == mask[:-1, 1:])
    solid = np.zeros(mask.shape, bool)
    for top in (0, 1):
        for left in (0, 1):
            solid[top : top + square.shape[0], left : left + square.shape[1]] |= square
    return solid
