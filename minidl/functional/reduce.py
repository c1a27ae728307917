"""Reductions: sum, mean, extrema, variance, log-sum-exp. `dim` is an axis, several, or None for all."""

from __future__ import annotations

import math

import numpy as np

from ..autograd.primitive import primitive
from ..autograd.tensor import Tensor
from ..typing import Dims
from .elementwise import exp, log
from .shape import expand, gather, reshape


def _axes(x, dim, function):
    """`dim` as a tuple of non-negative axes."""
    dims = range(x.ndim) if dim is None else (dim,) if isinstance(dim, int) else dim
    axes = tuple(d + x.ndim if d < 0 else d for d in dims)
    if any(not 0 <= d < x.ndim for d in axes) or len(set(axes)) != len(axes):
        raise ValueError(f"{function}: dim {dim} does not name distinct axes of a tensor of shape {x.shape}")
    return axes


def _kept(shape, axes):
    """`shape` with the reduced `axes` as 1."""
    return tuple(1 if d in axes else n for d, n in enumerate(shape))


@primitive
def _sum(x, *, axes):
    return x.sum(axes)


_sum.rules(x=lambda g, x_shape, axes: expand(reshape(g, _kept(x_shape, axes)), x_shape))


def sum(x: Tensor, dim: Dims | None = None, keepdim: bool = False) -> Tensor:
    """Sum over `dim`."""
    axes = _axes(x, dim, "sum")
    if not axes:
        return x
    total = _sum(x, axes=axes)
    return reshape(total, _kept(x.shape, axes)) if keepdim else total


def mean(x: Tensor, dim: Dims | None = None, keepdim: bool = False) -> Tensor:
    """Mean over `dim`."""
    if x.dtype.kind != "f":
        raise TypeError(f"mean: a floating dtype is needed, not {x.dtype}; use x.float()")
    count = math.prod(x.shape[d] for d in _axes(x, dim, "mean"))
    return sum(x, dim, keepdim) * (1 / count if count else math.nan)


def var(x: Tensor, dim: Dims | None = None, correction: int = 1, keepdim: bool = False) -> Tensor:
    """Variance over `dim`: sum of squared deviations over (count - correction), in two passes."""
    count = math.prod(x.shape[d] for d in _axes(x, dim, "var"))
    centred = x - mean(x, dim, keepdim=True)
    return sum(centred * centred, dim, keepdim) * (1 / (count - correction) if count > correction else math.nan)


def std(x: Tensor, dim: Dims | None = None, correction: int = 1, keepdim: bool = False) -> Tensor:
    """Standard deviation over `dim`: the square root of `var`."""
    return var(x, dim, correction, keepdim) ** 0.5


@primitive
def _extremum(x, *, axes, function):
    if not all(x.shape[d] for d in axes):
        raise ValueError(f"{function.__name__}: nothing to reduce in a tensor of shape {x.shape}")
    return function(x, axis=axes)


def _extremum_rule(g, out, x, axes):
    """The gradient, spread evenly over all elements that equal the extremum."""
    kept = _kept(x.shape, axes)
    ties = x.data == out.data.reshape(kept)
    share = ties / ties.sum(axes, keepdims=True)
    return expand(reshape(g, kept), x.shape) * Tensor(share.astype(x.dtype))


_extremum.rules(x=_extremum_rule)


def amax(x: Tensor, dim: Dims | None = None, keepdim: bool = False) -> Tensor:
    """Maximum over `dim`; ties share the gradient evenly, NaN wins."""
    axes = _axes(x, dim, "amax")
    result = _extremum(x, axes=axes, function=np.max)
    return reshape(result, _kept(x.shape, axes)) if keepdim else result


def amin(x: Tensor, dim: Dims | None = None, keepdim: bool = False) -> Tensor:
    """Minimum over `dim`; ties share the gradient evenly, NaN wins."""
    axes = _axes(x, dim, "amin")
    result = _extremum(x, axes=axes, function=np.min)
    return reshape(result, _kept(x.shape, axes)) if keepdim else result


def max(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor | tuple[Tensor, Tensor]:
    """Maximum of all elements, or (values, indices) along the axis `dim`, whose first maximum gets the gradient."""
    return amax(x) if dim is None else _along(x, x.argmax(dim), dim, keepdim)


def min(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor | tuple[Tensor, Tensor]:
    """Minimum of all elements, or (values, indices) along the axis `dim`, whose first minimum gets the gradient."""
    return amin(x) if dim is None else _along(x, x.argmin(dim), dim, keepdim)


def _along(x, index, dim, keepdim):
    kept = _kept(x.shape, _axes(x, dim, "max"))
    index = reshape(index, kept)
    values = gather(x, dim, index)
    if keepdim:
        return values, index
    shape = tuple(n for d, n in enumerate(x.shape) if d != dim % x.ndim)
    return reshape(values, shape), reshape(index, shape)


def logsumexp(x: Tensor, dim: Dims, keepdim: bool = False) -> Tensor:
    """log(sum(exp(x))) over `dim`, shifted by the maximum so that nothing overflows."""
    top = x.detach().data.max(_axes(x, dim, "logsumexp"), keepdims=True)
    top = Tensor(np.where(np.isfinite(top), top, 0))
    result = log(sum(exp(x - top), dim, keepdim=True)) + top
    return result if keepdim else sum(result, dim)
