"""Tracing: a network runs on a tensor that records every function applied to it.

While `recording` is active, a function of `minidl.functional` with a Traced argument also calls
`graph.record(name, out, **arguments)`, which adds the call to the graph and returns its Traced result. Sizes of a Traced
tensor are integers that record arithmetic on them, so that the graph is correct for other image sizes.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .. import functional as F
from ..autograd import tape
from ..autograd.tensor import Tensor
from ..typing import Shape

if TYPE_CHECKING:
    from .graph import Graph


class Size(int):
    """An integer whose value at run time is the graph's value `name`; arithmetic with integers is recorded too."""

    graph: Graph
    name: str

    def __new__(cls, value: int, graph: Graph, name: str) -> Size:
        size = super().__new__(cls, value)
        size.graph, size.name = graph, name
        return size

    def _binary(self, value, op, left, right):
        return Size(value, self.graph, self.graph.node(op, self.graph.scalar(left), self.graph.scalar(right)))

    def __add__(self, other: int) -> Size:
        return self._binary(int(self) + int(other), "Add", self, other)

    __radd__ = __add__

    def __sub__(self, other: int) -> Size:
        return self._binary(int(self) - int(other), "Sub", self, other)

    def __rsub__(self, other: int) -> Size:
        return self._binary(int(other) - int(self), "Sub", other, self)

    def __mul__(self, other: int) -> Size:
        return self._binary(int(self) * int(other), "Mul", self, other)

    __rmul__ = __mul__

    def __neg__(self) -> Size:
        return self._binary(-int(self), "Mul", self, -1)

    def __mod__(self, other: int) -> Size:
        return self._binary(int(self) % int(other), "Mod", self, other)

    def __floordiv__(self, other: int) -> Size:
        if int(self) < 0:
            raise ValueError(f"export: {int(self)} // {int(other)} of a negative size has no ONNX form")
        return self._binary(int(self) // int(other), "Div", self, other)


class Traced(Tensor):
    """A Tensor that is the value `name` of a graph; its channels are fixed, its other sizes may differ at run time."""

    __slots__ = ("graph", "name")

    def __init__(self, tensor: Tensor, graph: Graph, name: str) -> None:
        super().__init__(tensor.data)
        self.graph, self.name = graph, name

    @property
    def shape(self) -> Shape:
        return tuple(
            n if axis == 1 else Size(n, self.graph, self.graph.size_of(self.name, axis))
            for axis, n in enumerate(self.data.shape)
        )


_OPERATORS = {
    "__add__": "add",
    "__sub__": "sub",
    "__mul__": "mul",
    "__truediv__": "div",
    "__getitem__": "getitem",
    "__neg__": "neg",
    "__pow__": "pow",
    "__matmul__": "matmul",
}
_OPERATORS |= {"__radd__": "add", "__rmul__": "mul"}  # both commute
_OPERATORS |= {f"__{name}__": name for name in ("eq", "ne", "lt", "le", "gt", "ge")}
_REFLECTED = {"__rsub__": "sub", "__rtruediv__": "div"}


def _wrap(name, function):
    """`function` with recording, when one of its arguments or sizes is traced."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        flat = [v for a in (*args, *kwargs.values()) for v in (a if isinstance(a, list | tuple) else (a,))]
        graph = next((v.graph for v in flat if isinstance(v, Traced | Size)), None)
        if graph is None:
            return function(*args, **kwargs)
        out = function(*map(_plain, args), **{k: _plain(v) for k, v in kwargs.items()})
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return graph.record(name, out, bound.arguments)

    return wrapper


def _plain(value):
    if isinstance(value, Traced):
        return Tensor(value.data)
    if isinstance(value, Size):
        return int(value)
    if isinstance(value, list | tuple):
        return type(value)(map(_plain, value))
    return value


class _Unrecorded:
    """Raises NotImplementedError for an unrecorded operation on a Traced tensor, whose result would become a constant."""

    def forward(self, op, args, metadata, result):
        if any(isinstance(a, Traced) for a in args):
            raise NotImplementedError(
                f"export: {op.__name__} is not reached through minidl.functional and cannot be recorded"
            )

    def backward(self, node, k, g):
        """Nothing: gradients are not exported."""


@contextlib.contextmanager
def recording() -> Iterator[None]:
    """Within this block, functions of traced tensors are recorded."""
    originals = {name: f for name, f in vars(F).items() if inspect.isfunction(f)}
    wrapped = {name: _wrap(name, f) for name, f in originals.items()}
    for method, name in _OPERATORS.items():
        setattr(Traced, method, wrapped[name])
    for method, name in _REFLECTED.items():
        setattr(Traced, method, lambda b, a, function=wrapped[name]: function(a, b))
    before, tape.observer = tape.observer, _Unrecorded()
    try:
        vars(F).update(wrapped)
        yield
    finally:
        tape.observer = before
        vars(F).update(originals)
        for method in _OPERATORS | _REFLECTED:
            delattr(Traced, method)
