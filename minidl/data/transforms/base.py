"""Common parts of the transforms: composition, checks of images, ImageNet's mean and standard deviation."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ...typing import Array
from ..types import Sample, Target, Transform

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, for images in 0..1


class Compose:
    """The transforms one after another."""

    def __init__(self, transforms: Iterable[Transform]) -> None:
        self.transforms = list(transforms)

    def __call__(self, image: Array, target: Target, rng: np.random.Generator) -> Sample:
        for transform in self.transforms:
            image, target = transform(image, target, rng)
        return image, target


def check_image(image: Array, where: str) -> None:
    """Raise TypeError unless the image is H x W x C, uint8 or float64 (stored values); float32 is already normalised."""
    if image.ndim != 3 or image.dtype not in (np.uint8, np.float64):
        raise TypeError(
            f"{where}: image is {image.dtype} {image.shape}; needed uint8 or float64 H x W x C (Normalize comes last)"
        )


def check_uint8(image: Array, where: str) -> None:
    """Raise TypeError unless the image is H x W x 3 uint8."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise TypeError(f"{where}: image is {image.dtype} {image.shape}; needed uint8 H x W x 3 (Normalize comes last)")


def check_probability(p: float, where: str) -> None:
    """Raise ValueError unless 0 <= p <= 1."""
    if not 0 <= p <= 1:
        raise ValueError(f"{where}: p {p}; needed 0..1")


def like_input(values: Array, image: Array) -> Array:
    """`values` converted to the dtype of `image`; for uint8 rounded and clipped."""
    if image.dtype == np.uint8:
        return np.clip(values + 0.5, 0, 255).astype(np.uint8)
    return values.astype(image.dtype)
