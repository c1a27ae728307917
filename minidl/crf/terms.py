"""Pairwise terms: the similarity of two pixels, and the energy of their labels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from ..backend import asarray, like
from ..functional.filter import (
    NORMALIZATIONS,
    Kernel,
    bilateral_features,
    make_kernel,
    position_features,
    position_kernel,
)
from ..typing import Array, ArrayLike


def compatibility(compat: ArrayLike, C: int) -> Array:
    """The (C, C) matrix M of the energy sum M[a, b] Q_a Q_b.

    A number w gives the Potts model M = -w I, in which equal labels lower the energy by w. A vector v gives M = diag(v), a
    matrix m gives M = (m + m^T) / 2; negative entries attract, as in the reference C++.
    """
    m = np.asarray(compat, np.float64)
    if not np.isfinite(m).all() or m.shape not in ((), (C,), (C, C)):
        raise ValueError(f"compat: needed finite numbers, one, {C} or {C} x {C} for {C} labels; got shape {m.shape}")
    if m.ndim == 0:
        return -m * np.eye(C)
    return np.diag(m) if m.ndim == 1 else (m + m.T) / 2


@dataclass(frozen=True, eq=False)
class Gaussian:
    """Smoothness: exp(-|p_i - p_j|^2 / 2 sxy^2), sxy in pixels, a number or (sx, sy). Removes small isolated regions."""

    sxy: Any = 3
    compat: Any = 3
    normalization: str = "symmetric"

    def kernel(
        self, image: Array | None, size: Sequence[int], exact: bool, dtype: type[np.floating], beside: Array
    ) -> Kernel:
        """The filter matrix of this term for images of `size` (H, W)."""
        return position_kernel(size, self.sxy, self.normalization, exact, dtype, beside)

    def of_window(self, window: Array, start: tuple[int, int]) -> Features:
        """The term of a window (c, h, w) whose first pixel is at `start` (y, x) of its image."""
        features = position_features(window.shape[1:], self.sxy, start=start)
        return Features(features.reshape(-1, *window.shape[1:]), self.compat, self.normalization)


@dataclass(frozen=True, eq=False)
class Bilateral:
    """Appearance: exp(-|p_i - p_j|^2 / 2 sxy^2 - |I_i - I_j|^2 / 2 srgb^2): nearby pixels of similar colour get the same label.

    srgb is in units of the image (0..255 for 8 bits), a number or one per channel; the image may have 1 to 6 channels.
    """

    sxy: Any = 80
    srgb: Any = 13
    compat: Any = 10
    normalization: str = "symmetric"

    def kernel(
        self, image: Array | None, size: Sequence[int], exact: bool, dtype: type[np.floating], beside: Array
    ) -> Kernel:
        """The filter matrix of this term for `image` (c, H, W)."""
        if image is None:
            raise ValueError("DenseCRF: a Bilateral term needs an image")
        return make_kernel(
            bilateral_features(like(image, beside), self.sxy, self.srgb), self.normalization, exact, dtype
        )

    def of_window(self, window: Array, start: tuple[int, int]) -> Features:
        """The term of a window (c, h, w) whose first pixel is at `start` (y, x) of its image."""
        features = bilateral_features(window, self.sxy, self.srgb, start)
        return Features(features.reshape(-1, *window.shape[1:]), self.compat, self.normalization)


@dataclass(frozen=True, eq=False)
class Features:
    """Any features (d, H, W), or (B, d, H, W) for a batch, d = 1..8, already divided by their standard deviations."""

    features: Any
    compat: Any = 10
    normalization: str = "symmetric"

    def kernel(
        self, image: Array | None, size: Sequence[int], exact: bool, dtype: type[np.floating], beside: Array
    ) -> Kernel:
        """The filter matrix of this term for images of `size` (H, W)."""
        features = like(self.features, beside, np.float32)
        if features.ndim != 3 or features.shape[1:] != tuple(size) or not 1 <= len(features) <= 8:
            raise ValueError(f"DenseCRF: features must be (1 to 8, {size[0]}, {size[1]}); got {features.shape}")
        return make_kernel(features.reshape(len(features), -1), self.normalization, exact, dtype)

    def of_image(self, b: int) -> Features:
        """The term of image b of a batch."""
        features = asarray(self.features)
        return Features(features[b], self.compat, self.normalization) if features.ndim == 4 else self


Term: TypeAlias = Gaussian | Bilateral | Features
DEFAULT = (Gaussian(), Bilateral())


def check_terms(terms: Iterable[Term]) -> tuple[Term, ...]:
    """The terms as a tuple; TypeError for another type of term, ValueError for an unknown normalisation."""
    terms = tuple(terms)
    for term in terms:
        if not isinstance(term, Gaussian | Bilateral | Features):
            raise TypeError(f"DenseCRF: a term is Gaussian, Bilateral or Features, not {type(term).__name__}")
        if term.normalization not in NORMALIZATIONS:
            raise ValueError(f"DenseCRF: normalization must be one of {NORMALIZATIONS}, not {term.normalization!r}")
    return terms
