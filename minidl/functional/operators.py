"""Operators and methods of Tensor that are functions of `functional`.

Importing this file attaches them, and `functional` imports it. Where a method and its function take the same arguments,
the method is the function object itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from ..autograd.tape import is_grad_enabled
from ..autograd.tensor import Tensor
from ..backend import cuda
from ..typing import Target
from . import activation, elementary, elementwise, indexing, join, logistic, reduce, shape
from .matmul import matmul

# -- functions, as operators and methods of the same arguments ------------------------------------------------------------

Tensor.__add__ = elementwise.add
Tensor.__radd__ = lambda self, other: elementwise.add(other, self)
Tensor.__sub__ = elementwise.sub
Tensor.__rsub__ = lambda self, other: elementwise.sub(other, self)
Tensor.__mul__ = elementwise.mul
Tensor.__rmul__ = lambda self, other: elementwise.mul(other, self)
Tensor.__truediv__ = elementwise.div
Tensor.__rtruediv__ = lambda self, other: elementwise.div(other, self)
Tensor.__pow__ = elementary.pow
Tensor.__rpow__ = lambda self, other: elementary.pow(other, self)
Tensor.__matmul__ = matmul
Tensor.__rmatmul__ = lambda self, other: matmul(other, self)
Tensor.__neg__ = elementwise.neg
Tensor.__abs__ = elementwise.abs
Tensor.__getitem__ = indexing.getitem
Tensor.__eq__ = elementwise.eq
Tensor.__ne__ = elementwise.ne
Tensor.__lt__ = elementwise.lt
Tensor.__le__ = elementwise.le
Tensor.__gt__ = elementwise.gt
Tensor.__ge__ = elementwise.ge

Tensor.abs = elementwise.abs
Tensor.exp = elementary.exp
Tensor.expm1 = elementary.expm1
Tensor.log = elementary.log
Tensor.log1p = elementary.log1p
Tensor.sqrt = elementary.sqrt
Tensor.pow = elementary.pow
Tensor.sin = elementary.sin
Tensor.cos = elementary.cos
Tensor.tanh = logistic.tanh
Tensor.sigmoid = logistic.sigmoid
Tensor.relu = activation.relu
Tensor.clamp = elementwise.clamp
Tensor.clone = elementwise.clone
Tensor.sum = reduce.sum
Tensor.mean = reduce.mean
Tensor.var = reduce.var
Tensor.max = reduce.max
Tensor.min = reduce.min
Tensor.amax = reduce.amax
Tensor.amin = reduce.amin
Tensor.logsumexp = logistic.logsumexp
Tensor.softmax = logistic.softmax
Tensor.log_softmax = logistic.log_softmax
Tensor.transpose = shape.transpose
Tensor.flatten = shape.flatten
Tensor.squeeze = shape.squeeze
Tensor.unsqueeze = shape.unsqueeze
Tensor.split = join.split
Tensor.chunk = join.chunk
Tensor.flip = indexing.flip
Tensor.roll = shape.roll
Tensor.gather = indexing.gather
Tensor.matmul = matmul


# -- in place: an error, or a write recorded by `tape.touch` for the backward pass ----------------------------------------


def _setitem(self, key, value):
    self._write(indexing.array_index(key), value)


_SIGNS = {"add": "+", "sub": "-", "mul": "*", "div": "/"}


def _in_place(operator):
    """`a += b` writes into a; if either is recorded it is `a = a + b`, and an error for a leaf that requires grad."""

    def update(self, other):
        recorded = self.requires_grad or (isinstance(other, Tensor) and other.requires_grad)
        if is_grad_enabled() and recorded and not (self.is_leaf and self.requires_grad):
            return operator(self, other)
        result = operator(self.detach(), other)
        if "biuf".index(result.dtype.kind.replace("u", "i")) > "biuf".index(self.dtype.kind.replace("u", "i")):
            raise RuntimeError(
                f"{operator.__name__}: a result of {result.dtype} cannot be written into a tensor of {self.dtype}; use "
                f"x = x {_SIGNS[operator.__name__]} y, which makes a new tensor"
            )
        return self._write(..., result)

    return update


Tensor.__setitem__ = _setitem
Tensor.__iadd__ = _in_place(elementwise.add)
Tensor.__isub__ = _in_place(elementwise.sub)
Tensor.__imul__ = _in_place(elementwise.mul)
Tensor.__itruediv__ = _in_place(elementwise.div)


# -- methods whose arguments differ from the function's ---------------------------------------------------------------


def to(self: Tensor, *target: Target) -> Tensor:
    """The same values in another dtype, on another device ("cpu", "cuda", "cuda:1"), or both: `to("cuda", np.float64)`.

    The gradient has the dtype and device of this tensor. Raises RuntimeError where there is no usable GPU.
    """
    x = self
    for one in target:
        if cuda.is_device(one):
            x = x if cuda.is_on(x.data, one) else elementwise.move(x, device=one, source=x.device)
        elif np.dtype(one).kind != "f" and x.requires_grad:
            x = Tensor(x.data.astype(np.dtype(one)))  # integers and booleans have no derivative
        elif np.dtype(one) != x.dtype:
            x = elementwise.cast(x, dtype=np.dtype(one), source=x.dtype)
    return x


def sum_to(self: Tensor, size: Sequence[int]) -> Tensor:
    """The adjoint of broadcasting: the sum over the axes that are missing or of size 1 in the shape `size`."""
    extra = self.ndim - len(size)
    dims = [*range(extra), *(extra + d for d, n in enumerate(size) if n == 1 != self.shape[extra + d])]
    return shape.reshape(reduce.sum(self, dims) if dims else self, size)


def _accepting_integers(function):
    """A method that takes the tuple of `function` as one tuple or as several integers."""

    def method(self, *values):
        return function(self, values[0] if len(values) == 1 and isinstance(values[0], Iterable) else values)

    method.__name__ = method.__qualname__ = function.__name__
    method.__doc__ = f"See `F.{function.__name__}`; its tuple may also be given as several integers."
    return method


Tensor.to = to
Tensor.sum_to = sum_to
Tensor.reshape = Tensor.view = _accepting_integers(shape.reshape)
Tensor.permute = _accepting_integers(shape.permute)
Tensor.expand = _accepting_integers(shape.expand)
Tensor.T = property(lambda self: shape.permute(self, tuple(range(self.ndim))[::-1]), doc="All axes reversed.")
Tensor.mT = property(lambda self: shape.transpose(self, -2, -1), doc="The last two axes swapped.")
