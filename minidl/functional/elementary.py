"""Powers, exponentials, logarithms and trigonometric functions, element by element, with derivatives of every order."""

from __future__ import annotations

import importlib
import math
from typing import Any

import numpy as np

from ..autograd.primitive import primitive
from ..autograd.tensor import Tensor
from ..backend import is_array, xp
from ..typing import Array, Operand
from .elementwise import quiet, where


@primitive(broadcasts=True)
@quiet
def pow(a: Operand, b: Operand) -> Array:
    """a to the power b. The derivative in `a` is 0 where b = 0; that in `b`, out log a, is 0 where a = 0 and b >= 0."""
    return np.power(a, b)


def _power_slope(a, b):
    """b a^(b - 1), and 0 where a = b = 0, where the power is constant in a."""
    b = Tensor(b) if is_array(b) else b
    if not isinstance(b, Tensor):
        return b * a ** (b - 1) if b else Tensor(np.zeros_like(a.data))
    constant = (a.data == 0) & (b.data == 0) if isinstance(a, Tensor) else (a == 0) & (b.data == 0)
    return b * a ** (where(constant, 1.0, b) - 1)


def _exponent_slope(out, a, b):
    """out log a, and 0 where a = 0 and b >= 0; the logarithm is taken of 1 there, so that no derivative contains 0 / 0."""
    base, exponent = (x.data if isinstance(x, Tensor) else x for x in (a, b))
    constant = (base == 0) & (exponent >= 0)
    if not isinstance(a, Tensor):
        return out * log(Tensor(np.where(constant, 1.0, a).astype(out.dtype)))
    return out * log(where(constant, 1.0, a))


pow.rules(a=lambda g, a, b: g * _power_slope(a, b), b=lambda g, out, a, b: g * _exponent_slope(out, a, b))


@primitive(floating=True)
@quiet
def exp(x: Operand) -> Array:
    """e to the x."""
    return np.exp(x)


exp.rules(x=lambda g, out: g * out)


@primitive(floating=True)
@quiet
def expm1(x: Operand) -> Array:
    """e to the x, minus 1, accurate where x is near 0."""
    return np.expm1(x)


expm1.rules(x=lambda g, x: g * exp(x))


@primitive(floating=True)
@quiet
def log(x: Operand) -> Array:
    """Natural logarithm."""
    return np.log(x)


log.rules(x=lambda g, x: g / x)


@primitive(floating=True)
@quiet
def log1p(x: Operand) -> Array:
    """Natural logarithm of 1 + x, accurate where x is near 0."""
    return np.log1p(x)


log1p.rules(x=lambda g, x: g / (1 + x))


@primitive(floating=True)
@quiet
def sqrt(x: Operand) -> Array:
    """Square root."""
    return np.sqrt(x)


sqrt.rules(x=lambda g, out: g / (2 * out))


@primitive(floating=True)
@quiet
def sin(x: Operand) -> Array:
    """Sine (radians)."""
    return np.sin(x)


sin.rules(x=lambda g, x: g * cos(x))


@primitive(floating=True)
@quiet
def cos(x: Operand) -> Array:
    """Cosine (radians)."""
    return np.cos(x)


cos.rules(x=lambda g, x: -g * sin(x))


@primitive(floating=True)
def erf(x: Operand) -> Array:
    """The error function, 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x."""
    return special(x).erf(x)


erf.rules(x=lambda g, x: g * (2 / math.sqrt(math.pi)) * exp(-x * x))


def special(x: Any) -> Any:
    """The module of special functions for the array `x`: SciPy's or CuPy's."""
    return importlib.import_module("scipy.special" if xp(x) is np else "cupyx.scipy.special")
