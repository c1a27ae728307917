"""The last transform: conversion of stored values to the floats that a network takes."""

from __future__ import annotations

import numpy as np

from ...typing import Array, ArrayLike
from ..types import Sample, Target
from .base import MEAN, STD, check_uint8


class ToFloat:
    """uint8 0..255 to float32 0..1."""

    def __call__(self, image: Array, target: Target, rng: np.random.Generator | None = None) -> Sample:
        check_uint8(image, "ToFloat")
        return image.astype(np.float32) / 255, target


class Normalize:
    """(x - mean) / std per channel, in float32; by default with ImageNet's mean and std.

    x is image / 255 for a uint8 image, or with `high_depth` the stored values of a float64 image.
    """

    def __init__(self, mean: ArrayLike = MEAN, std: ArrayLike = STD, high_depth: bool = False) -> None:
        if np.min(std) <= 0:
            raise ValueError(f"Normalize: std {std!r}; needed positive")
        unit = 1 if high_depth else 255
        self.high_depth = high_depth
        self.scale = (1 / (unit * np.array(std))).astype(np.float32)
        self.shift = (-np.array(mean) / np.array(std)).astype(np.float32)

    def __call__(self, image: Array, target: Target, rng: np.random.Generator | None = None) -> Sample:
        needed = np.float64 if self.high_depth else np.uint8
        if image.dtype != needed or image.ndim != 3 or self.scale.size not in (1, image.shape[2]):
            raise TypeError(
                f"Normalize: image is {image.dtype} {image.shape}; needed {needed.__name__} H x W x {self.scale.size} "
                "(Normalize comes last)"
            )
        return image.astype(np.float32) * self.scale + self.shift, target
