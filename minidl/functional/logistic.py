"""Sigmoid, tanh, softplus and log-sigmoid, accurate over their whole range.

Each is written with e = exp(-|x|), which does not overflow, and with sigmoid(-x) instead of 1 - sigmoid(x), which loses
digits by cancellation. So values and first and second derivatives have small relative errors.
"""

from __future__ import annotations

import numpy as np

from ..autograd.primitive import primitive
from ..autograd.tensor import Tensor
from ..typing import Array, Operand
from .elementwise import quiet


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


def softplus(x: Tensor, beta: float = 1.0) -> Tensor:
    """log(1 + exp(beta x)) / beta. There is no `threshold` as in PyTorch, since this form does not overflow."""
    if beta <= 0:
        raise ValueError(f"softplus: beta must be above 0, not {beta}")
    return _softplus(x, beta=beta)


def logsigmoid(x: Tensor) -> Tensor:
    """log sigmoid(x) = -softplus(-x)."""
    return -_softplus(-x, beta=1)
