"""Resizing: every output row and column is a weighted sum of at most two input ones, given by one table per axis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..autograd.primitive import primitive
from ..autograd.tensor import Tensor
from ..backend import kernels
from ..typing import Size2
from .conv import check_images, pair
from .shape import permute, reshape


@primitive
def _resize(x, *, rows, cols):
    return kernels(x).resize2d(x, rows, cols)


@primitive
def _resize_adjoint(y, *, rows, cols, size):
    return kernels(y).resize2d_adjoint(y, rows, cols, size)


_resize.rules(x=lambda g, x_shape, rows, cols: _resize_adjoint(g, rows=rows, cols=cols, size=x_shape[2:]))
_resize_adjoint.rules(y=lambda g, rows, cols: _resize(g, rows=rows, cols=cols))

_MODES = ("nearest", "nearest-exact", "bilinear")


def _taps(n, m, scale_factor, mode, align_corners, dtype):
    """For each of m outputs from n inputs: lower and upper input index and the weight of the upper one.

    Output i lies at input coordinate (i + 1/2) scale - 1/2 (pixel centres agree), at i (n - 1) / (m - 1) with
    `align_corners` (corner pixels agree), or, for "nearest", in pixel floor(i scale). Rounded in `dtype`, and before a floor in
    float32, as PyTorch does: float64 would put 23 * (28 / 92) below 7.
    """
    i = np.arange(m, dtype=dtype)
    scale = dtype.type(n / m if scale_factor is None else 1 / scale_factor)
    if mode == "nearest" and m in (n, 2 * n):  # here PyTorch uses the sizes instead of the given factor
        at = i // (m // n)
    elif mode == "nearest":
        at = np.floor((i * scale).astype(np.float32))
    elif mode == "nearest-exact":
        at = np.floor(((i + dtype.type(0.5)) * scale).astype(np.float32))
    elif align_corners:
        at = i * dtype.type((n - 1) / (m - 1) if m > 1 else 0)
    else:
        at = np.maximum((i + dtype.type(0.5)) * scale - dtype.type(0.5), 0)
    low = np.minimum(at, n - 1).astype(np.int32)
    high = np.minimum(low + 1, n - 1).astype(np.int32)
    return low, high, (np.clip(at - low, 0, 1) if mode == "bilinear" else np.zeros_like(i)).astype(dtype)


def interpolate(
    input: Tensor,
    size: Size2 | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """Resize (N, C, H, W) to `size`, or by `scale_factor` to floor(H factor), floor(W factor).

    Modes: "nearest" (pixel floor(i H / Ho)), "nearest-exact" (the pixel under the output pixel's centre), "bilinear"
    (with `align_corners=True` the corner pixels map to each other, otherwise the corners of the images do).
    """
    check_images("interpolate", input=input)
    if mode not in _MODES:
        raise ValueError(f"interpolate: mode must be one of {_MODES}, not {mode!r}")
    if align_corners is not None and mode != "bilinear":
        raise ValueError(f"interpolate: align_corners goes with mode 'bilinear' only, not {mode!r}")
    if (size is None) == (scale_factor is None):
        raise ValueError("interpolate: give either size or scale_factor")
    factors: Any = (None, None)
    if scale_factor is not None:
        factors = tuple(scale_factor) if isinstance(scale_factor, Iterable) else (scale_factor,) * 2
        size = tuple(int(n * f) for n, f in zip(input.shape[2:], factors))
    assert size is not None  # one of the two was given
    size = pair(size, "interpolate", "size", 1)
    if 0 in input.shape[2:]:
        raise ValueError(f"interpolate: input of shape {input.shape} has no pixels")
    tables = (_taps(n, m, f, mode, align_corners, input.dtype) for n, m, f in zip(input.shape[2:], size, factors))
    rows, cols = tables
    return _resize(input, rows=rows, cols=cols)


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """(N, C r^2, H, W) -> (N, C, H r, W r): channels become sub-pixels (Shi et al. 2016, section 2.2)."""
    N, C, H, W = input.shape
    r = upscale_factor
    if C % r**2:
        raise ValueError(f"pixel_shuffle: the {C} channels of {input.shape} are not a multiple of {r}^2")
    x = reshape(input, (N, C // r**2, r, r, H, W))
    return reshape(permute(x, (0, 1, 4, 2, 5, 3)), (N, C // r**2, H * r, W * r))


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """(N, C, H r, W r) -> (N, C r^2, H, W): the inverse of `pixel_shuffle`."""
    N, C, H, W = input.shape
    r = downscale_factor
    if H % r or W % r:
        raise ValueError(f"pixel_unshuffle: {H}x{W} is not a multiple of {r}")
    x = reshape(input, (N, C, H // r, r, W // r, r))
    return reshape(permute(x, (0, 1, 3, 5, 2, 4)), (N, C * r**2, H // r, W // r))
