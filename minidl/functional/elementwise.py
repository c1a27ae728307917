"""Arithmetic, comparison and selection, element by element."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd.primitive import primitive
from ..autograd.tensor import Tensor, tensor
from ..backend import asarray, cuda, like
from ..typing import Array, Operand, TensorLike

quiet = np.errstate(all="ignore")  # inf and nan are valid results, as in PyTorch; detect_anomaly finds their origin


@primitive(broadcasts=True)
def add(a: Operand, b: Operand) -> Array:
    """a + b."""
    return a + b


add.rules(a=lambda g: g, b=lambda g: g)


@primitive(broadcasts=True)
def sub(a: Operand, b: Operand) -> Array:
    """a - b."""
    return a - b


sub.rules(a=lambda g: g, b=lambda g: -g)


@primitive(broadcasts=True)
def mul(a: Operand, b: Operand) -> Array:
    """a b."""
    return a * b


mul.rules(a=lambda g, b: g * b, b=lambda g, a: g * a)


@primitive(broadcasts=True, floating=True)
@quiet
def div(a: Operand, b: Operand) -> Array:
    """a / b."""
    return a / b


div.rules(a=lambda g, b: g / b, b=lambda g, a, b: -g * (a / b / b))  # b * b may overflow


@primitive
def neg(x: Operand) -> Array:
    """-x."""
    return np.negative(x)


neg.rules(x=lambda g: -g)


@primitive
def cast(x: Any, *, dtype: np.dtype, source: np.dtype) -> Array:
    """x in another dtype; `source` is the dtype of its gradient."""
    return x.astype(dtype)


cast.rules(x=lambda g, source, dtype: cast(g, dtype=source, source=dtype))


@primitive
def move(x: Any, *, device: str, source: str) -> Array:
    """x on another device; `source` is the device of its gradient."""
    return cuda.move(x, device)


move.rules(x=lambda g, source, device: move(g, device=source, source=device))


@primitive
def clone(x: Any) -> Array:
    """A copy of x; unlike `detach`, it is recorded on the tape."""
    return x.copy()


clone.rules(x=lambda g: g)


def where(condition: TensorLike | bool, input: Operand, other: Operand) -> Tensor:
    """`input` where `condition`, else `other`."""
    # an array is copied, since the tape does not notice writes to it
    condition = condition.data if isinstance(condition, Tensor) else asarray(condition).copy()
    if not isinstance(input, Tensor) and not isinstance(other, Tensor):
        input = tensor(input)
    beside = next((x.data for x in (input, other) if isinstance(x, Tensor)), condition)
    return _select(input, other, condition=like(condition.astype(bool, copy=False), beside))


@primitive(broadcasts=True)
def _select(a, b, *, condition):
    return np.where(condition, a, b)


_select.rules(
    a=lambda g, condition: _select(g, 0.0, condition=condition),
    b=lambda g, condition: _select(0.0, g, condition=condition),
)


@primitive(broadcasts=True)
def maximum(a: Operand, b: Operand) -> Array:
    """The larger of a and b; NaN if either is NaN. Where both are equal, each gets half of the gradient."""
    return np.maximum(a, b)


maximum.rules(
    a=lambda g, a, b: g * _share(a, b),
    b=lambda g, a, b: g * _share(b, a),
)


@primitive(broadcasts=True)
def minimum(a: Operand, b: Operand) -> Array:
    """The smaller of a and b; NaN if either is NaN. Where both are equal, each gets half of the gradient."""
    return np.minimum(a, b)


minimum.rules(
    a=lambda g, a, b: g * _share(b, a),
    b=lambda g, a, b: g * _share(a, b),
)


def _share(a, b):
    """1 where a > b, 1/2 where equal, else 0: a constant."""
    a, b = (x.data if isinstance(x, Tensor) else x for x in (a, b))
    return Tensor(np.where(np.equal(a, b), 0.5, np.greater(a, b)).astype(np.result_type(a, b)))


@primitive
def _clamp(x, *, min, max):
    return np.clip(x, min, max)


_clamp.rules(x=lambda g, x, min, max: _select(g, 0.0, condition=_inside(x.data, min, max)))


def clamp(x: Tensor, min: float | None = None, max: float | None = None) -> Tensor:
    """x limited to [min, max] (numbers). The gradient passes where min <= x <= max."""
    if min is None and max is None:
        raise ValueError("clamp: give min, max or both")
    min, max = _bound(min), _bound(max)
    if x.dtype.kind in "biu" and float in (type(min), type(max)):
        x = x.float()
    return _clamp(x, min=min, max=max)


def _bound(value):
    """A limit as a Python number, so that it does not change the dtype of x."""
    if isinstance(value, Tensor | np.ndarray | np.generic):
        if getattr(value, "requires_grad", False) or value.ndim:
            raise TypeError(
                f"clamp: limits must be numbers, not a tensor of shape {value.shape}; use maximum and minimum"
            )
        return value.item()
    return value


def _inside(x, low, high):
    return (x >= (-np.inf if low is None else low)) & (x <= (np.inf if high is None else high))


@primitive
def abs(x: Operand) -> Array:
    """|x|, with derivative sign(x), 0 at 0."""
    return np.abs(x)


abs.rules(x=lambda g, x: g * Tensor(np.sign(x.data)))


def eq(a: Operand, b: Operand) -> Tensor:
    """a == b, elementwise, as a boolean Tensor (comparisons have no gradient)."""
    return _compare(np.equal, a, b)


def ne(a: Operand, b: Operand) -> Tensor:
    """a != b, elementwise."""
    return _compare(np.not_equal, a, b)


def lt(a: Operand, b: Operand) -> Tensor:
    """a < b, elementwise."""
    return _compare(np.less, a, b)


def le(a: Operand, b: Operand) -> Tensor:
    """a <= b, elementwise."""
    return _compare(np.less_equal, a, b)


def gt(a: Operand, b: Operand) -> Tensor:
    """a > b, elementwise."""
    return _compare(np.greater, a, b)


def ge(a: Operand, b: Operand) -> Tensor:
    """a >= b, elementwise."""
    return _compare(np.greater_equal, a, b)


def _compare(ufunc, a, b):
    a, b = (x.data if isinstance(x, Tensor) else x for x in (a, b))
    return Tensor(asarray(ufunc(a, b)))
