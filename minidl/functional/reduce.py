"""Reductions: sum, mean, extrema, variance. `dim` is an axis, several, or None for all."""

from __future__ import annotations

import builtins
import math
from typing import overload

import numpy as np

from ..autograd.axes import axes, axis
from ..autograd.primitive import primitive
from ..autograd.tensor import Tensor
from ..typing import Array, Dims
from .blocked_sum import blocked_sum
from .elementwise import clone, quiet, where
from .indexing import gather
from .shape import expand, reshape


def _axes(x, dim, function):
    """`dim` as a tuple of non-negative axes; an empty tuple means all, as in PyTorch."""
    return axes(function, None if isinstance(dim, tuple | list) and not dim else dim, x.ndim)


def _kept(shape, axes):
    """`shape` with the reduced `axes` as 1."""
    return tuple(1 if d in axes else n for d, n in enumerate(shape))


@primitive
def _sum(x, *, axes):
    return blocked_sum(x, axes) if x.dtype.kind == "f" else x.sum(axes, dtype=np.int64)


_sum.rules(x=lambda g, x_shape, axes: expand(reshape(g, _kept(x_shape, axes)), x_shape))


def sum(x: Tensor, dim: Dims | None = None, keepdim: bool = False) -> Tensor:
    """Sum over `dim`: an axis, several, or None for all; `keepdim` keeps them with size 1."""
    axes = _axes(x, dim, "sum")
    if not axes:
        return clone(x) if x.dtype.kind == "f" else x.to(np.int64)
    total = _sum(x, axes=axes)
    return reshape(total, _kept(x.shape, axes)) if keepdim else total


def mean(x: Tensor, dim: Dims | None = None, keepdim: bool = False) -> Tensor:
    """Mean over `dim` (an axis, several, or None for all) of a floating tensor; TypeError for integers."""
    if x.dtype.kind != "f":
        raise TypeError(f"mean: a floating dtype is needed, not {x.dtype}; use x.float()")
    axes = _axes(x, dim, "mean")
    count = math.prod(x.shape[d] for d in axes)
    return sum(x, axes, keepdim) / count if count else sum(x, axes, keepdim) + math.nan


@primitive
def centre(x: Array, *, axes: tuple[int, ...]) -> Array:
    """x - its mean over `axes`, which is computed in float64; linear and self-adjoint."""
    if not x.size:
        return x
    return (x - x.mean(axes, dtype=np.float64, keepdims=True)).astype(x.dtype, copy=False)


centre.rules(x=lambda g, axes: centre(g, axes=axes))


@primitive
@quiet
def _var(x, *, axes, freedom):
    squares = np.square(x - x.mean(axes, dtype=np.float64, keepdims=True)).sum(axes) if x.size else x.sum(axes)
    return (squares / np.float64(freedom)).astype(x.dtype)


@primitive
@quiet
def _std(x, *, axes, freedom):
    squares = np.square(x - x.mean(axes, dtype=np.float64, keepdims=True)).sum(axes) if x.size else x.sum(axes)
    return np.sqrt(squares / np.float64(freedom)).astype(x.dtype)


def _var_rule(g, x, axes, freedom):
    """2 (x - mean) / freedom."""
    return reshape(g, _kept(x.shape, axes)) * centre(x, axes=axes) * (2 / freedom if freedom else math.inf)


def _std_rule(g, out, x, axes, freedom):
    """(x - mean) / (freedom std), and 0, a subgradient, where the standard deviation is 0."""
    flat = out.data == 0
    share = where(flat, 0.0, g / where(flat, 1.0, out))
    return reshape(share, _kept(x.shape, axes)) * centre(x, axes=axes) * (1 / freedom if freedom else math.inf)


_var.rules(x=_var_rule)
_std.rules(x=_std_rule)


def _deviation(function, x, dim, correction, keepdim, name):
    if x.dtype.kind != "f":
        raise TypeError(f"{name}: a floating dtype is needed, not {x.dtype}; use x.float()")
    axes = _axes(x, dim, name)
    count = math.prod(x.shape[d] for d in axes)
    result = function(x, axes=axes, freedom=builtins.max(count - correction, 0))
    return reshape(result, _kept(x.shape, axes)) if keepdim else result


def var(x: Tensor, dim: Dims | None = None, correction: float = 1, keepdim: bool = False) -> Tensor:
    """Variance over `dim`: the sum of squared deviations over (count - correction), in two passes, computed in float64."""
    return _deviation(_var, x, dim, correction, keepdim, "var")


def std(x: Tensor, dim: Dims | None = None, correction: float = 1, keepdim: bool = False) -> Tensor:
    """Standard deviation over `dim`: the square root of `var`. The derivative is 0 where all elements are equal."""
    return _deviation(_std, x, dim, correction, keepdim, "std")


@primitive
def _extremum(x, *, axes, function):
    if not all(x.shape[d] for d in axes):
        raise ValueError(f"{function.__name__}: nothing to reduce in a tensor of shape {x.shape}")
    return function(x, axis=axes)


def _extremum_rule(g, out, x, axes):
    """The gradient, spread evenly over all elements that equal the extremum."""
    kept = _kept(x.shape, axes)
    top = out.data.reshape(kept)
    ties = (x.data == top) | (np.isnan(x.data) & np.isnan(top))
    share = ties / ties.sum(axes, keepdims=True)
    return expand(reshape(g, kept), x.shape) * Tensor(share.astype(x.dtype))


_extremum.rules(x=_extremum_rule)


def amax(x: Tensor, dim: Dims | None = None, keepdim: bool = False) -> Tensor:
    """Maximum over `dim`; equal elements share the gradient evenly; NaN if any element is NaN."""
    axes = _axes(x, dim, "amax")
    result = _extremum(x, axes=axes, function=np.max)
    return reshape(result, _kept(x.shape, axes)) if keepdim else result


def amin(x: Tensor, dim: Dims | None = None, keepdim: bool = False) -> Tensor:
    """Minimum over `dim`; equal elements share the gradient evenly; NaN if any element is NaN."""
    axes = _axes(x, dim, "amin")
    result = _extremum(x, axes=axes, function=np.min)
    return reshape(result, _kept(x.shape, axes)) if keepdim else result


@overload
def max(x: Tensor, dim: None = None, keepdim: bool = False) -> Tensor: ...
@overload
def max(x: Tensor, dim: int, keepdim: bool = False) -> tuple[Tensor, Tensor]: ...
def max(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor | tuple[Tensor, Tensor]:
    """Maximum of all elements, or (values, indices) along the axis `dim`, whose first maximum gets the gradient."""
    return amax(x) if dim is None else _along("max", x, x.argmax(dim), dim, keepdim)


@overload
def min(x: Tensor, dim: None = None, keepdim: bool = False) -> Tensor: ...
@overload
def min(x: Tensor, dim: int, keepdim: bool = False) -> tuple[Tensor, Tensor]: ...
def min(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor | tuple[Tensor, Tensor]:
    """Minimum of all elements, or (values, indices) along the axis `dim`, whose first minimum gets the gradient."""
    return amin(x) if dim is None else _along("min", x, x.argmin(dim), dim, keepdim)


def _along(function, x, index, dim, keepdim):
    dim = axis(function, dim, x.ndim)
    kept = _kept(x.shape, (dim,))
    index = reshape(index, kept)
    values = gather(x, dim, index)
    if keepdim:
        return values, index
    shape = tuple(n for d, n in enumerate(x.shape) if d != dim)
    return reshape(values, shape), reshape(index, shape)
