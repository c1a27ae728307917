"""Sigmoid, tanh, softplus, log-sigmoid, softmax, log-softmax and log-sum-exp, accurate over their whole range.

Each is written with exponentials of numbers of at most 0, which do not overflow, with sigmoid(-x) instead of 1 - sigmoid(x)
and with the sum of the other classes instead of 1 - p, since these differences lose digits by cancellation. So values and
first and second derivatives have small relative errors.
"""

from __future__ import annotations

import math

import numpy as np

from ..autograd.axes import axis
from ..autograd.primitive import primitive
from ..autograd.tape import is_grad_enabled
from ..autograd.tensor import Tensor
from ..backend import kernels, xp
from ..typing import Array, Dims, Operand
from .elementary import exp, expm1
from .elementwise import clone, quiet, where
from .indexing import gather
from .reduce import _axes, _kept, sum
from .shape import permute, reshape


@primitive(floating=True)
@quiet
def sigmoid(x: Operand) -> Array:
    """1 / (1 + exp(-x))."""
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


@primitive(floating=True)
@quiet
def _sigmoid_slope(x):
    """sigmoid(x) sigmoid(-x) = 1 / (2 cosh(x / 2))^2."""
    e = np.exp(-np.abs(x))
    return e / np.square(1 + e)


sigmoid.rules(x=lambda g, x: g * _sigmoid_slope(x))
_sigmoid_slope.rules(x=lambda g, out, x: -g * out * tanh(0.5 * x))


@primitive(floating=True)
@quiet
def tanh(x: Operand) -> Array:
    """Hyperbolic tangent."""
    return np.tanh(x)


tanh.rules(x=lambda g, x: g * (4 * _sigmoid_slope(2 * x)))


@primitive(floating=True)
@quiet
def _softplus(x, *, beta):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(beta * x))) / beta


_softplus.rules(x=lambda g, x, beta: g * sigmoid(x if beta == 1 else beta * x))


def softplus(x: Tensor, beta: float = 1.0, threshold: float = math.inf) -> Tensor:
    """log(1 + exp(beta x)) / beta, and x itself where beta x > threshold.

    There is no threshold by default (PyTorch's is 20), since this form does not overflow and is accurate for every x.
    """
    if beta <= 0:
        raise ValueError(f"softplus: beta must be above 0, not {beta}")
    y = _softplus(x, beta=beta)
    return y if threshold == math.inf else where(beta * x.data > threshold, x, y)


def logsigmoid(x: Tensor) -> Tensor:
    """log sigmoid(x) = -softplus(-x)."""
    return -_softplus(-x, beta=1)


def _split(shape, dim):
    """Sizes before, at and after axis `dim`: kernels take (N, C, L)."""
    return math.prod(shape[:dim]), shape[dim] if shape else 1, math.prod(shape[dim + 1 :])


def _along(kernel, dim, *arrays):
    """Apply a kernel for axis 1 of (N, C, L) along `dim` of arrays of any shape; empty arrays are returned unchanged."""
    x = arrays[0]
    rows = _split(x.shape, dim)
    return kernel(*(a.reshape(rows) for a in arrays)).reshape(x.shape) if x.size else x.copy()


@primitive(floating=True)
def _softmax(x, *, dim):
    return _along(kernels(x).softmax, dim, x)


@primitive(floating=True)
def _log_softmax(x, *, dim):
    return _along(kernels(x).log_softmax, dim, x)


def _softmax_rule(g, out, dim):
    """y (g - <g, y>), with g relative to that of the largest class, so that no 1 - y is formed where y is near 1."""
    if not is_grad_enabled():
        return Tensor(_along(kernels(g.data).softmax_backward, dim, g.data, out.data))
    if out.ndim and out.data.size:
        g = g - gather(g, dim, np.expand_dims(out.data.argmax(dim), dim))
    return out * (g - sum(g * out, dim, keepdim=True))


def _log_softmax_rule(g, out, dim):
    """g - y sum(g), y = softmax(x); where y is near 1, g (1 - y) - y times the sum over the other classes."""
    if not is_grad_enabled():
        return Tensor(_along(kernels(g.data).log_softmax_backward, dim, g.data, out.data))
    near = out.data > -0.34
    others = sum(where(near, 0.0, g), dim, keepdim=True)
    return where(near, -g * expm1(out) - exp(out) * others, g - exp(out) * sum(g, dim, keepdim=True))


_softmax.rules(x=_softmax_rule)
_log_softmax.rules(x=_log_softmax_rule)


def softmax(x: Tensor, dim: int) -> Tensor:
    """y_i = exp(x_i) / sum over j of exp(x_j) along `dim`, in the shape of x."""
    return _softmax(x, dim=axis("softmax", dim, x.ndim))


def log_softmax(x: Tensor, dim: int) -> Tensor:
    """y_i = x_i - log(sum over j of exp(x_j)) along `dim`, in the shape of x."""
    return _log_softmax(x, dim=axis("log_softmax", dim, x.ndim))


@primitive(floating=True)
@quiet
def _logsumexp(x, *, axes):
    """maximum + log1p(sum of the other terms), which is accurate where the largest term dominates."""
    kept = [n for d, n in enumerate(x.shape) if d not in axes]
    rows = np.moveaxis(x, axes, range(-len(axes), 0)).reshape(*kept, math.prod(x.shape[d] for d in axes))
    top = rows.max(-1, initial=-np.inf)
    if not x.size:
        return top
    others = xp(x).arange(rows.shape[-1]) != rows.argmax(-1)[..., None]
    finite = np.isfinite(top)
    rest = np.where(others, np.exp(rows - np.where(finite, top, 0)[..., None]), 0).sum(-1)
    return np.where(finite, np.log1p(rest) + top, top)


def _logsumexp_rule(g, out, x, axes):
    """softmax(x), whose error does not grow with the size of x as that of exp(x - out) does; and 0 where all of x is -inf."""
    kept = _kept(x.shape, axes)
    finite = np.isfinite(out.data).reshape(kept)
    if finite.all():
        return reshape(g, kept) * _softmax_over(x, axes)
    level = reshape(where(out.data == -math.inf, 0.0, out), kept)
    return reshape(g, kept) * where(finite, _softmax_over(where(finite, x, 0.0), axes), exp(x - level))


def _softmax_over(x, axes):
    """softmax over several axes as if they were one."""
    order = [*(d for d in range(x.ndim) if d not in axes), *axes]
    rows = permute(x, order)
    y = _softmax(
        reshape(rows, (*rows.shape[: -len(axes)], math.prod(rows.shape[-len(axes) :]))), dim=x.ndim - len(axes)
    )
    return permute(reshape(y, rows.shape), [order.index(d) for d in range(x.ndim)])


_logsumexp.rules(x=_logsumexp_rule)


def logsumexp(x: Tensor, dim: Dims, keepdim: bool = False) -> Tensor:
    """log(sum(exp(x))) over `dim`, shifted by the maximum so that nothing overflows; -inf over an empty axis."""
    axes = _axes(x, dim, "logsumexp")
    result = _logsumexp(x, axes=axes) if axes else clone(x)
    return reshape(result, _kept(x.shape, axes)) if keepdim else result
