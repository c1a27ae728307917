"""Activation functions. At a kink the derivative is PyTorch's: relu'(0) = 0, relu6'(0) = relu6'(6) = 0."""

from __future__ import annotations

import math

import numpy as np

from ..autograd.primitive import primitive
from ..autograd.tensor import Tensor
from ..backend import kernels
from ..typing import Array
from .elementwise import erf, where


@primitive
def rectify(x: Array, *, ceiling: float) -> Array:
    """min(max(x, 0), ceiling)."""
    if x.dtype.kind == "f":
        return kernels(x).relu(x, ceiling)
    return np.clip(x, 0, None if ceiling == math.inf else ceiling)


@primitive
def cut(g: Array, y: Array, *, ceiling: float) -> Array:
    """g where 0 < y < ceiling, else 0: linear in g, so its own adjoint."""
    return kernels(g).relu_backward(g, y, ceiling)


rectify.rules(x=lambda g, out, ceiling: cut(g, out, ceiling=ceiling))
cut.rules(g=lambda g, y, ceiling: cut(g, y, ceiling=ceiling), y=None)


def relu(x: Tensor) -> Tensor:
    """max(x, 0)."""
    return rectify(x, ceiling=math.inf)


def relu6(x: Tensor) -> Tensor:
    """min(max(x, 0), 6) (Howard et al. 2017)."""
    return rectify(x, ceiling=6)


@primitive(floating=True)
def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), computed as (1 + tanh(x / 2)) / 2, which does not overflow."""
    return 0.5 * (1 + np.tanh(0.5 * x))


sigmoid.rules(x=lambda g, out: g * out * (1 - out))


@primitive(floating=True)
def tanh(x: Array) -> Array:
    """Hyperbolic tangent."""
    return np.tanh(x)


tanh.rules(x=lambda g, out: g * (1 - out * out))


@primitive
def _elu(x, *, alpha):
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def elu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """x where x > 0, else alpha (exp(x) - 1) (Clevert et al. 2016)."""
    return _elu(x, alpha=alpha)


_elu.rules(x=lambda g, x, out, alpha: where(x > 0, g, g * (out + alpha)))


def leaky_relu(x: Tensor, negative_slope: float = 0.01) -> Tensor:
    """x where x > 0, else negative_slope x."""
    return where(x > 0, x, negative_slope * x)


def prelu(x: Tensor, weight: Tensor) -> Tensor:
    """x where x > 0, else weight x, with one learned weight for all channels (axis 1) or one each (He et al. 2015)."""
    if weight.ndim != 1 or weight.shape[0] not in (1, x.shape[1] if x.ndim > 1 else 1):
        raise ValueError(f"prelu: weight has shape {weight.shape}; needed (1,) or ({x.shape[1] if x.ndim > 1 else 1},)")
    if weight.shape[0] > 1:
        weight = weight.reshape(1, -1, *[1] * (x.ndim - 2))
    return where(x > 0, x, weight * x)


def gelu(x: Tensor, approximate: str = "none") -> Tensor:
    """x Phi(x), Phi the normal distribution function; approximate="tanh" as in Hendrycks and Gimpel 2016, section 2."""
    if approximate == "none":
        return 0.5 * x * (1 + erf(x / math.sqrt(2)))
    if approximate == "tanh":
        return 0.5 * x * (1 + tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))
    raise ValueError(f'gelu: approximate must be "none" or "tanh", not {approximate!r}')


def hardswish(x: Tensor) -> Tensor:
    """x relu6(x + 3) / 6 (Howard et al. 2019, section 5.2)."""
    return where(x <= -3, 0.0, where(x >= 3, x, x * (x + 3) / 6))
