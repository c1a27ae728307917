"""Flips and rotations by multiples of 90 degrees: they move pixels without interpolation."""

from __future__ import annotations

import functools

import numpy as np

from ...typing import Array
from ..targets import change
from ..types import Sample, Target
from .base import check_probability


class RandomHorizontalFlip:
    """A left-right flip with probability p."""

    def __init__(self, p: float = 0.5) -> None:
        check_probability(p, type(self).__name__)
        self.p = p

    def __call__(self, image: Array, target: Target, rng: np.random.Generator) -> Sample:
        return flip(image, target, axis=1) if rng.random() < self.p else (image, target)


class RandomVerticalFlip(RandomHorizontalFlip):
    """A top-bottom flip with probability p."""

    def __call__(self, image: Array, target: Target, rng: np.random.Generator) -> Sample:
        return flip(image, target, axis=0) if rng.random() < self.p else (image, target)


class RandomQuarterTurn:
    """With probability p a rotation by 90, 180 or 270 degrees, for images without a preferred direction (aerial views)."""

    def __init__(self, p: float = 0.75) -> None:
        check_probability(p, type(self).__name__)
        self.p = p

    def __call__(self, image: Array, target: Target, rng: np.random.Generator) -> Sample:
        return turn(image, target, int(rng.integers(1, 4))) if rng.random() < self.p else (image, target)


def flip(image: Array, target: Target, axis: int) -> Sample:
    """Image and target reversed along axis 0 (rows) or 1 (columns)."""
    n, low = image.shape[axis], 1 - axis  # boxes are x1, y1, x2, y2

    def boxes(given):
        given = given.copy()
        given[:, [low, low + 2]] = n - given[:, [low + 2, low]]
        return given

    target = change(target, labels=lambda mask: np.ascontiguousarray(np.flip(mask, mask.ndim - 2 + axis)), boxes=boxes)
    return np.ascontiguousarray(np.flip(image, axis)), target


def _turn_boxes(boxes, W):
    """Boxes of an image W pixels wide, rotated with it by 90 degrees counterclockwise."""
    return np.stack([boxes[:, 1], W - boxes[:, 2], boxes[:, 3], W - boxes[:, 0]], axis=1)


def turn(image: Array, target: Target, quarters: int) -> Sample:
    """Image and target rotated counterclockwise by `quarters` times 90 degrees, as by np.rot90."""
    for _ in range(quarters):
        W = image.shape[1]
        target = change(
            target,
            labels=lambda mask: np.ascontiguousarray(np.rot90(mask, axes=(-2, -1))),
            boxes=functools.partial(_turn_boxes, W=W),
        )
        image = np.rot90(image)
    return np.ascontiguousarray(image), target
