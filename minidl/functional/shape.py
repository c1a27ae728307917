"""Functions that move elements. Each is linear, and its rule is the adjoint, which moves them back."""

from __future__ import annotations

import builtins
import math
import operator
from collections.abc import Iterable, Sequence

import numpy as np

from ..autograd.axes import axes, axis
from ..autograd.primitive import primitive
from ..autograd.tensor import Tensor
from ..typing import Dims


@primitive
def _reshape(x, *, shape):
    return x.reshape(shape)


_reshape.rules(x=lambda g, x_shape: _reshape(g, shape=x_shape))


def sizes_of(function: str, shape: Dims) -> tuple[int, ...]:
    """A shape given as one integer or several, of any integer type, as a tuple."""
    try:
        return tuple(operator.index(n) for n in (shape if isinstance(shape, Iterable) else (shape,)))
    except TypeError:
        raise TypeError(f"{function}: sizes must be integers, not {shape!r}") from None


def reshape(x: Tensor, shape: Dims) -> Tensor:
    """The elements of x in another shape, in the same order; one entry may be -1. ValueError for another number of elements."""
    shape = sizes_of("reshape", shape)
    known = math.prod(n for n in shape if n != -1)
    fits = x.numel() == known if -1 not in shape else known and not x.numel() % known
    if not fits or shape.count(-1) > 1 or builtins.min(shape, default=0) < -1:
        raise ValueError(f"reshape: {x.shape} has {x.numel()} elements; cannot become {shape}")
    return x if shape == x.shape else _reshape(x, shape=shape)


@primitive
def _permute(x, *, dims):
    return x.transpose(dims)


_permute.rules(x=lambda g, dims: _permute(g, dims=tuple(int(d) for d in np.argsort(dims))))


def permute(x: Tensor, dims: Sequence[int]) -> Tensor:
    """Axes in another order: axis i of the result is axis dims[i] of x."""
    axes = tuple(axis("permute", d, x.ndim) for d in dims)
    if sorted(axes) != list(range(x.ndim)):
        raise ValueError(f"permute: dims {tuple(dims)} are not an order of the {x.ndim} axes of {x.shape}")
    return _permute(x, dims=axes)


def transpose(x: Tensor, dim0: int, dim1: int) -> Tensor:
    """x with the axes `dim0` and `dim1` swapped."""
    a, b = (axis("transpose", d, x.ndim, name) for d, name in ((dim0, "dim0"), (dim1, "dim1")))
    dims = list(range(x.ndim))
    if a != b:
        dims[a], dims[b] = b, a
    return permute(x, dims)


def flatten(x: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The axes from `start_dim` to `end_dim` joined into one; a tensor without axes becomes one of shape (1,)."""
    start, end = axis("flatten", start_dim, x.ndim, "start_dim"), axis("flatten", end_dim, x.ndim, "end_dim")
    if start > end:
        raise ValueError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim} in {x.shape}")
    return reshape(x, (*x.shape[:start], math.prod(x.shape[start : end + 1]), *x.shape[end + 1 :]))


def squeeze(x: Tensor, dim: Dims | None = None) -> Tensor:
    """x without its axes of size 1 (or without those of `dim` whose size is 1)."""
    drop = axes("squeeze", dim, x.ndim)
    return reshape(x, tuple(n for d, n in enumerate(x.shape) if n != 1 or d not in drop))


def unsqueeze(x: Tensor, dim: int) -> Tensor:
    """x with a new axis of size 1 at `dim`."""
    dim = axis("unsqueeze", dim, x.ndim + 1)
    return reshape(x, (*x.shape[:dim], 1, *x.shape[dim:]))


@primitive
def _expand(x, *, shape):
    return np.broadcast_to(x, shape)


_expand.rules(x=lambda g, x_shape: g.sum_to(x_shape))


def expand(x: Tensor, shape: Sequence[int]) -> Tensor:
    """x broadcast to `shape`; -1 keeps the size of an axis. ValueError where x does not broadcast to it."""
    shape = sizes_of("expand", shape)
    extra = len(shape) - x.ndim
    full = tuple(x.shape[d - extra] if n == -1 and d >= extra else n for d, n in enumerate(shape))
    fits = extra >= 0 and builtins.min(full, default=0) >= 0
    if not fits or any(n not in (1, m) for n, m in zip(x.shape, full[extra:])):
        raise ValueError(f"expand: {x.shape} does not broadcast to {shape}")
    return _expand(x, shape=full)


def nonscalar_axis(function: str, x: Tensor, dim: int) -> int:
    """`dim` as a non-negative axis; ValueError for a tensor without axes."""
    if not x.ndim:
        raise ValueError(f"{function}: the tensor has no axes")
    return axis(function, dim, x.ndim)


@primitive
def _roll(x, *, shifts, dims):
    return np.roll(x, shifts, dims)


_roll.rules(x=lambda g, shifts, dims: _roll(g, shifts=tuple(-s for s in shifts), dims=dims))


def roll(x: Tensor, shifts: Dims, dims: Dims | None = None) -> Tensor:
    """x shifted cyclically along `dims`; without `dims` the flattened x is shifted."""
    if dims is None:
        return reshape(roll(flatten(x), shifts, 0), x.shape)
    shifts, dims = sizes_of("roll", shifts), sizes_of("roll", dims)
    if len(shifts) != len(dims):
        raise ValueError(f"roll: {len(shifts)} shifts given for {len(dims)} dims; needed one each")
    return _roll(x, shifts=shifts, dims=tuple(nonscalar_axis("roll", x, d) for d in dims))
