"""Gaussian filters over every pair of pixels: by position, by position and colour, or by any features.

out_i = sum_j exp(-|f_i - f_j|^2 / 2) v_j, normalised. The filter is linear in the values, so its derivative rule is the
transposed filter, and derivatives of every order follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ..autograd.primitive import primitive
from ..autograd.tensor import Tensor
from ..backend import asarray, kernels, like, xp
from ..typing import Array, DTypeLike, TensorLike

NOWHERE = np.zeros(0)  # stands for "in NumPy's memory"
NORMALIZATIONS = ("none", "mean", "before", "after", "symmetric")


@dataclass(frozen=True, eq=False, slots=True)
class Kernel:
    """The filter matrix of one image, which is never stored: after * K(before * v), where K is a lattice or an exact sum.

    With `column`, the sums K1 over each row, "symmetric" puts 1/sqrt(K1) on both sides, "after" 1/K1 on the left (weighted
    means), "before" 1/K1 on the right, "mean" one number, N / sum(K1), so that the mean of the row sums is 1 (Krähenbühl &
    Koltun 2013, section 4.2), and "none" does not normalise, as in their C++ code and pydensecrf.
    """

    lattice: Any  # a Lattice, or None for the exact sum over `features`
    features: Any  # (d, N)
    before: Any  # (N,)
    after: Any  # (N,)

    def __call__(self, values: Array, transpose: bool = False) -> Array:
        """Filter (C, N) values; `transpose` applies the exact transpose."""
        before, after = (self.after, self.before) if transpose else (self.before, self.after)
        return after * _sum(self.lattice, self.features, before * values, transpose)


def _sum(lattice, features, values, transpose):
    if lattice is None:
        return kernels(values).gaussian_sum(values, features)
    return kernels(values).permutohedral_filter(values, lattice, transpose)


def make_kernel(
    features: Array, normalization: str = "symmetric", exact: bool = False, dtype: type[np.floating] = np.float32
) -> Kernel:
    """The Kernel of (d, N) features, with a normalisation in the dtype of the values to filter."""
    if normalization not in NORMALIZATIONS:
        raise ValueError(f"filter: normalization must be one of {NORMALIZATIONS}, not {normalization!r}")
    if exact and not np.isfinite(features).all():
        raise ValueError("filter: features must be finite; got NaN or infinity")
    lattice = None if exact else kernels(features).permutohedral_lattice(features)
    ones = xp(features).ones((1, features.shape[1]), dtype)
    if normalization == "none":
        return Kernel(lattice, features, ones[0], ones[0])
    weight = _sum(lattice, features, ones, False)[0]
    ones = ones[0]
    if normalization == "mean":
        return Kernel(lattice, features, ones, np.full_like(ones, len(ones) / weight.sum(dtype=np.float64)))
    inverse = 1 / (np.sqrt(weight + dtype(1e-20)) if normalization == "symmetric" else weight + dtype(1e-20))
    return Kernel(
        lattice, features, ones if normalization == "after" else inverse, ones if normalization == "before" else inverse
    )


def _positive(function, name, value, count):
    """A number, or one for each of `count` axes, as float32; ValueError unless all are finite and above 0."""
    values = np.asarray(value, np.float32).reshape(-1)
    if len(values) not in (1, count) or not (np.isfinite(values) & (values > 0)).all():
        raise ValueError(f"{function}: {name} must be one finite number above 0 or {count} of them, not {value!r}")
    return np.broadcast_to(values, (count,))


def position_features(
    size: Sequence[int], sxy: float | Sequence[float], module: Any = np, start: Sequence[int] = (0, 0)
) -> Array:
    """(2, H W): x / sx, y / sy of every pixel, in float32; the first pixel is at `start` (y, x). An array of `module`."""
    H, W = size
    sx, sy = _positive("gaussian_filter", "sxy", sxy, 2)
    x, y = (module.arange(first, first + n, dtype=np.float32) for first, n in zip(start[::-1], (W, H)))
    x, y = x / sx, y / sy
    return np.stack(np.broadcast_arrays(x, y[:, None])).reshape(2, -1)


def bilateral_features(
    image: Array, sxy: float | Sequence[float], srgb: float | Sequence[float], start: Sequence[int] = (0, 0)
) -> Array:
    """(2 + c, H W): positions from `start` (y, x) over sxy, then the channels of `image` (c, H, W) over srgb, in float32."""
    image = asarray(image)
    if image.ndim != 3 or not 1 <= len(image) <= 6:
        hint = (
            "; channels come first: image.transpose(2, 0, 1)" if image.ndim == 3 and image.shape[2] in (1, 3, 4) else ""
        )
        raise ValueError(
            f"bilateral_filter: an image must be (channels, H, W) with 1 to 6 channels, not {image.shape}{hint}"
        )
    position = position_features(image.shape[1:], sxy, xp(image), start)
    colour = image.reshape(len(image), -1).astype(np.float32)
    scale = like(_positive("bilateral_filter", "srgb", srgb, len(image))[:, None], image)
    return np.concatenate([position, colour / scale])


@lru_cache(maxsize=4)
def _position_kernel(size, sxy, normalization, exact, dtype, column, module):
    return make_kernel(position_features(size, sxy, module), normalization, exact, dtype)


def position_kernel(
    size: Sequence[int],
    sxy: float | Sequence[float],
    normalization: str = "symmetric",
    exact: bool = False,
    dtype: DTypeLike = np.float32,
    beside: Array = NOWHERE,
) -> Kernel:
    """The Kernel of pixel positions, for values on the device of the array `beside`.

    It depends on the size of the image alone, so the last four are cached.
    """
    sxy = tuple(_positive("gaussian_filter", "sxy", sxy, 2).tolist())
    kind: Any = np.dtype(dtype).type
    return _position_kernel(tuple(size), sxy, normalization, exact, kind, kernels(beside), xp(beside))


@primitive
def image_filter(x: Any, *, filters: Sequence[Kernel], transpose: bool) -> Array:
    """Image n of `x` (N, C, H, W) filtered by the Kernel `filters[n]`, or by its transpose."""
    return np.stack([f(v.reshape(len(v), -1), transpose).reshape(v.shape) for v, f in zip(x, filters)])


image_filter.rules(x=lambda g, filters, transpose: image_filter(g, filters=filters, transpose=not transpose))


def _constant(function, name, value):
    if isinstance(value, Tensor):
        if value.requires_grad:
            raise NotImplementedError(f"{function}: differentiable in values, not in {name}; pass {name}.detach()")
        value = value.data
    return asarray(value)


def _check(function, values, guide=None, name=""):
    """Values as a floating (N, C, H, W) Tensor, and one guide per image of the same H and W."""
    values = values if isinstance(values, Tensor) else Tensor(asarray(values))
    if values.ndim != 4 or values.dtype.kind != "f" or not values.numel():
        raise ValueError(
            f"{function}: values must be floating, (N, C, H, W) and not empty; got {values.dtype} {values.shape}"
        )
    if guide is None:
        return values, None
    guide = like(_constant(function, name, guide), values.data)
    if guide.ndim != 4 or len(guide) not in (1, len(values)) or guide.shape[2:] != values.shape[2:]:
        N, _, H, W = values.shape
        raise ValueError(
            f"{function}: {name} must be ({N} or 1, channels, {H}, {W}) for these values; got {guide.shape}"
        )
    return values, guide


def _apply(values, filters):
    return image_filter(values, filters=filters * values.shape[0] if len(filters) == 1 else filters, transpose=False)


def permutohedral_filter(
    values: TensorLike, features: TensorLike, normalization: str = "symmetric", exact: bool = False
) -> Tensor:
    """sum_j exp(-|f_i - f_j|^2 / 2) v_j over all pixels j of an image, normalised, by the permutohedral lattice.

    values (N, C, H, W); features (N or 1, d, H, W), d = 1..8, already divided by their standard deviations. `normalization`:
    "after" divides each result by the sum of its weights (weighted means), "before" is the transpose of that, "symmetric"
    divides by the square root on both sides (the CRF's default), "mean" by one common factor, "none" by nothing. `exact=True`
    sums over all pairs instead, in O((H W)^2). The embedding is float32; the filter has the dtype of the values.
    Differentiable in the values, to every order. Adams, Baek, Davis 2010, "Fast high-dimensional filtering using the
    permutohedral lattice".
    """
    values, features = _check("permutohedral_filter", values, features, "features")
    if not 1 <= features.shape[1] <= 8:
        raise ValueError(f"permutohedral_filter: 1 to 8 features per pixel are needed; got {features.shape[1]}")
    dtype = values.dtype.type
    flat = features.reshape(*features.shape[:2], -1).astype(np.float32)
    return _apply(values, [make_kernel(f, normalization, exact, dtype) for f in flat])


def bilateral_filter(
    values: TensorLike,
    image: TensorLike,
    sxy: float | Sequence[float] = 80,
    srgb: float | Sequence[float] = 13,
    normalization: str = "symmetric",
    exact: bool = False,
) -> Tensor:
    """Filter values (N, C, H, W) with a Gaussian of position (sxy, in pixels) and colour (srgb, in units of `image`).

    image (N or 1, c, H, W), c = 1..6; sxy a number or (sx, sy), srgb a number or one per channel. With `image` as its own
    values and "after" this is the bilateral filter of Tomasi & Manduchi 1998. See `permutohedral_filter`.
    """
    values, image = _check("bilateral_filter", values, image, "image")
    dtype = values.dtype.type
    return _apply(values, [make_kernel(bilateral_features(i, sxy, srgb), normalization, exact, dtype) for i in image])


def gaussian_filter(
    values: TensorLike, sxy: float | Sequence[float] = 3, normalization: str = "symmetric", exact: bool = False
) -> Tensor:
    """Filter values (N, C, H, W) with a Gaussian of position; sxy in pixels, or (sx, sy). See `permutohedral_filter`."""
    values, _ = _check("gaussian_filter", values)
    return _apply(
        values, [position_kernel(values.shape[2:], sxy, normalization, exact, values.dtype.type, values.data)]
    )
