"""Activation functions. At a kink the derivative is PyTorch's: relu'(0) = 0, relu6'(0) = relu6'(6) = 0."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..autograd.primitive import primitive
from ..autograd.tensor import Tensor
from ..backend import kernels
from ..typing import Array, Operand
from .elementary import exp, special
from .elementwise import clamp, quiet, where
from .logistic import sigmoid


@primitive
def rectify(x: Any, *, ceiling: float) -> Array:
    """min(max(x, 0), ceiling)."""
    if x.dtype.kind == "f":
        return kernels(x).relu(x, ceiling).reshape(x.shape)
    return np.clip(x, 0, None if ceiling == math.inf else ceiling)


@primitive
def cut(g: Any, y: Any, *, ceiling: float) -> Array:
    """g where 0 < y < ceiling, else 0; linear in g and self-adjoint."""
    return kernels(g).relu_backward(g, y, ceiling).reshape(g.shape)


rectify.rules(x=lambda g, out, ceiling: cut(g, out, ceiling=ceiling))
cut.rules(g=lambda g, y, ceiling: cut(g, y, ceiling=ceiling), y=None)


def relu(x: Tensor) -> Tensor:
    """max(x, 0)."""
    return rectify(x, ceiling=math.inf)


def relu6(x: Tensor) -> Tensor:
    """min(max(x, 0), 6) (Howard et al. 2017)."""
    return rectify(x, ceiling=6)


@primitive(floating=True)
@quiet
def _elu(x, *, alpha):
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def elu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """x where x > 0, else alpha (exp(x) - 1) (Clevert et al. 2016)."""
    return _elu(x, alpha=alpha)


_elu.rules(x=lambda g, x, alpha: where(x > 0, g, g * alpha * exp(where(x >= 0, 0.0, x))))


def leaky_relu(x: Tensor, negative_slope: float = 0.01) -> Tensor:
    """x where x > 0, else negative_slope x."""
    return where(x > 0, x, negative_slope * x)


def prelu(x: Tensor, weight: Tensor) -> Tensor:
    """x where x > 0, else weight x, with one learned weight for all channels (axis 1) or one per channel (He et al. 2015)."""
    if weight.ndim != 1 or weight.shape[0] not in (1, x.shape[1] if x.ndim > 1 else 1):
        raise ValueError(f"prelu: weight has shape {weight.shape}; needed (1,) or ({x.shape[1] if x.ndim > 1 else 1},)")
    if weight.shape[0] > 1:
        weight = weight.reshape(1, -1, *[1] * (x.ndim - 2))
    return where(
        x > 0, x, weight * where(x > 0, 0.0, x)
    )  # x is 0 here where x > 0, since infinity times a weight of 0 is NaN


# -- GELU. Beyond FAR the normal density is 0 in float64 too; x is limited because x^2 overflows for large x ---------------

FAR = 40.0


@primitive(floating=True)
@quiet
def _gelu(x):
    return np.where(x < -FAR, -0.0, x * special(x).ndtr(x)).astype(x.dtype, copy=False)


@primitive(floating=True)
@quiet
def _gelu_slope(x):
    """Phi(x) + x phi(x)."""
    near = np.clip(x, -FAR, FAR)
    return special(x).ndtr(x) + near * (np.exp(-0.5 * near * near) / math.sqrt(2 * math.pi))


def _gelu_curvature(x):
    """phi(x) (2 - x^2)."""
    near = clamp(x, -FAR, FAR)
    square = near * near
    return exp(-0.5 * square) * (2 - square) * (1 / math.sqrt(2 * math.pi))


_gelu.rules(x=lambda g, x: g * _gelu_slope(x))
_gelu_slope.rules(x=lambda g, x: g * _gelu_curvature(x))


def _gelu_tanh(x):
    """x (1 + tanh(u)) / 2 = x sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3)."""
    near = clamp(x, -FAR, FAR)
    curve = near * sigmoid(2 * math.sqrt(2 / math.pi) * (near + 0.044715 * near * near * near))
    return where(x > FAR, x, curve)


def gelu(x: Tensor, approximate: str = "none") -> Tensor:
    """x Phi(x), Phi the normal distribution function; approximate="tanh" as in Hendrycks and Gimpel 2016, section 2."""
    if approximate == "none":
        return _gelu(x)
    if approximate == "tanh":
        return _gelu_tanh(x)
    raise ValueError(f'gelu: approximate must be "none" or "tanh", not {approximate!r}')


@primitive(floating=True)
@quiet
def hardswish(x: Operand) -> Array:
    """x relu6(x + 3) / 6 (Howard et al. 2019, section 5.2)."""
    low = np.clip(x, -3, 3)
    return np.where(x >= 3, x, low * (low + 3) / 6)


@primitive
def _hardswish_slope(x):
    inner = np.where(x < 3, x / 3 + x.dtype.type(0.5), x.dtype.type(1))
    return np.where(x <= -3, x.dtype.type(0), inner)


hardswish.rules(x=lambda g, x: g * _hardswish_slope(x))
_hardswish_slope.rules(x=lambda g, x: g * Tensor(((x.data > -3) & (x.data < 3)) / x.dtype.type(3)))
