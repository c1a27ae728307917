"""An ONNX graph under construction: named values, nodes, and constant arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from ..autograd.tensor import Tensor
from .emit import EMIT
from .trace import Size, Traced


class Graph:
    """Nodes in the order of execution. `names` is {id of a parameter or buffer: (name, Tensor)}; these become initialisers."""

    def __init__(self, names: Mapping[int, tuple[str, Tensor]]) -> None:
        self.names, self.nodes, self.arrays, self.sizes, self.count = names, [], {}, {}, 0

    def node(self, op: str, *inputs: Any, outputs: int = 1, **attributes: Any) -> Any:
        """Add a node; returns the name of its result, or the names of several."""
        from onnx import helper

        self.count += 1
        made = [f"{op.lower()}{self.count}" + (f"_{k}" if k else "") for k in range(outputs)]
        attributes = {k: v for k, v in attributes.items() if v is not None}
        self.nodes.append(helper.make_node(op, [self.value(v) for v in inputs], made, **attributes))
        return made[0] if outputs == 1 else made

    def value(self, v: Any) -> str:
        """The name of a value: a name, a traced tensor, a parameter, or a constant."""
        if isinstance(v, str):
            return v
        if isinstance(v, Traced | Size):
            return v.name
        if isinstance(v, Tensor):
            name = self.names.get(id(v), (f"constant{id(v)}",))[0]
            self.arrays[name] = v.data
            return name
        array = np.asarray(v)
        name = f"{array.dtype}_{'x'.join(map(str, array.shape))}_{array.tobytes().hex()[:64]}"
        if name in self.arrays and not np.array_equal(self.arrays[name], array):
            name = f"{name}_{len(self.arrays)}"
        self.arrays[name] = array
        return name

    def scalar(self, n: Any) -> str:
        """The name of an int64 vector of one element."""
        return n.name if isinstance(n, Size) else self.value(np.array([n], np.int64))

    def vector(self, sizes: Sequence[Any]) -> str:
        """The name of an int64 vector of integers, some of which may be known at run time only."""
        if not any(isinstance(n, Size) for n in sizes):
            return self.value(np.array([int(n) for n in sizes], np.int64))
        return self.node("Concat", *[self.scalar(n) for n in sizes], axis=0)

    def size_of(self, name: str, axis: int) -> str:
        """The name of the size of value `name` along `axis`, as a vector of one element."""
        if (name, axis) not in self.sizes:
            self.sizes[name, axis] = self.node("Shape", name, start=axis, end=axis + 1)
        return self.sizes[name, axis]

    def record(self, function: str, out: Any, arguments: Mapping[str, Any]) -> Any:
        """Add the nodes of `out = F.function(**arguments)`; returns `out` as a Traced tensor."""
        if function not in EMIT:
            raise NotImplementedError(
                f"export: F.{function} has no ONNX form here; known are {', '.join(sorted(EMIT))}"
            )
        made = EMIT[function](self, out, SimpleNamespace(**arguments))
        if isinstance(made, Traced):  # the function returns its argument
            return made
        if isinstance(out, tuple):
            return tuple(Traced(o, self, name) for o, name in zip(out, made))
        return Traced(out, self, made)
