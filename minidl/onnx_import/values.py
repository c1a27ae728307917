"""Values of an ONNX graph: Tensors, and NumPy arrays for sizes, indices and constants.

Sizes are arrays of Python integers (dtype object): during a new export of the network they are traced integers (`Size`), which
must not be converted to plain numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import functional as F
from ..autograd.tensor import Tensor
from ..nn.module import Parameter

AGAIN = "this operator, in a network that is exported again,"
Value = Tensor | np.ndarray | None


class Node:
    """One operation of a graph: its operator, its name, its attributes as Python values, and the file's opset."""

    def __init__(self, op: str, name: str, attributes: dict[str, Any], opset: int) -> None:
        self.op, self.name, self.attributes, self.opset = op, name, attributes, opset

    def get(self, attribute: str, default: Any = None) -> Any:
        """The attribute's value, or the default of the operator's definition."""
        value = self.attributes.get(attribute, default)
        return value.decode() if isinstance(value, bytes) else value

    def refuse(self, what: str) -> NotImplementedError:
        """A NotImplementedError that names the node and `what` is not supported."""
        return NotImplementedError(
            f"load_onnx: node {self.name!r} ({self.op}, opset {self.opset}): {what} is not supported"
        )


Operator = Callable[..., Any]  # (node, *inputs) -> a value, or a tuple of values


def tensor(value: Any) -> Tensor:
    """A value as a Tensor."""
    return value if isinstance(value, Tensor) else Tensor(np.asarray(value))


def is_tensor(*values: Any) -> bool:
    """Whether any of the values is a Tensor: then the operation is differentiable, else NumPy computes a constant."""
    return any(isinstance(value, Tensor) for value in values)


def is_traced(*values: Any) -> bool:
    """Whether one of the values is recorded, because the network is exported again."""
    return any(isinstance(v, Tensor) and type(v) not in (Tensor, Parameter) for v in values)


def arrays(*values: Any) -> list[Any]:
    """The arrays of values, for what NumPy or CuPy computes without a derivative."""
    return [v.data if isinstance(v, Tensor) else np.asarray(v) for v in values]


def again(node: Node, result: Any, *inputs: Any, **changed: Any) -> Tensor:
    """`result` as a Tensor; while the network is exported again, the new graph gets the node as it stands in the file.

    changed: attributes that replace the node's, where they are those of a newer opset than the file's.
    """
    result = result if isinstance(result, Tensor) else Tensor(np.asarray(result) if np.isscalar(result) else result)
    traced: Any = next((v for v in inputs if is_traced(v)), None)
    if traced is None:
        return result
    sized = ["" if v is None else v for v in inputs]
    sized = [traced.graph.vector(integers(v)) if getattr(v, "dtype", None) == np.dtype(object) else v for v in sized]
    attributes = {name: value for name, value in node.attributes.items() if name != "outputs"} | changed
    if node.op == "AveragePool" and attributes.pop("dilations", (1, 1)) not in ((1, 1), [1, 1]):
        raise node.refuse("a dilated average (of opset 19), in a network that is exported again (as opset 18),")
    return type(traced)(result, traced.graph, traced.graph.node(node.op, *sized, **attributes))


def reissued(run: Operator) -> Operator:
    """The operator `run`, of which the node itself goes into the new graph while the network is exported again."""

    def operator(node, *inputs):
        if not is_traced(*inputs):
            return run(node, *inputs)
        if node.get("outputs", 1) > 1:
            raise node.refuse(AGAIN)
        return again(node, run(node, *(Tensor(v.data) if is_traced(v) else v for v in inputs)), *inputs)

    return operator


def fixed_sizes(node: Node, *values: Any) -> list[tuple[int, ...]]:
    """Vectors of sizes as integers; an error where they would be those of one image in a network that is exported again."""
    found = [integers(v) for v in values]
    if any(type(n) is not int for v in found for n in v):
        raise node.refuse(AGAIN)
    return found


def called(function: str | Operator) -> Operator:
    """The function of `minidl.functional` with this name, looked up when it is called: an exporter puts its own there."""
    return function if callable(function) else lambda *args: getattr(F, function)(*args)


def integers(value: Any) -> tuple[int, ...]:
    """A vector of sizes or indices as Python integers; traced integers are kept."""
    array = value.data if isinstance(value, Tensor) else np.asarray(value)
    return tuple(n if isinstance(n, int) else int(n) for n in array.reshape(-1).tolist())


def number(value: Any) -> float:
    """A constant of one element as a Python number."""
    return (value.data if isinstance(value, Tensor) else np.asarray(value)).item()


def sizes(values: Any) -> np.ndarray:
    """A vector of integers that may be traced."""
    array = np.empty(len(values), object)
    array[:] = list(values)
    return array
