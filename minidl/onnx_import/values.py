"""Values of an ONNX graph: Tensors, and NumPy arrays for sizes, indices and constants.

Sizes are arrays of Python integers (dtype object): during a new export of the network they are traced integers (`Size`), which
must not be converted to plain numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..autograd.tensor import Tensor

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
