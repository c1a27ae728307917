"""Finds the first NaN or infinity: the operation that returned it, and the line of the program that called the operation."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import tape

if TYPE_CHECKING:
    from .tape import Node
    from .tensor import Tensor

_HERE = str(Path(__file__).parents[1])


class AnomalyError(FloatingPointError):
    """An operation or a derivative returned a NaN or an infinity."""


class detect_anomaly:
    """Context manager: stop with an AnomalyError at the first operation whose result, or whose gradient, is not finite.

    The message names the operation and the line of the program that called it in the forward pass. Every result is read once
    more and the line of every call is stored, so operations take about twice as long.
    """

    def __enter__(self) -> detect_anomaly:
        self.before = tape.observer
        tape.observer = self
        return self

    def __exit__(self, *error: object) -> None:
        tape.observer = self.before

    def forward(self, op: Callable[..., Any], args: Sequence[Any], metadata: Mapping[str, Any], result: Tensor) -> None:
        """Check the result of `op` and store its line; in a backward pass `backward` checks the whole rule instead."""
        if result.node is not None:
            result.node.where = caller()
        if not tape.mode.walking and not _finite(result.data):
            raise AnomalyError(f"{op.__name__} returned {_what(result.data)}, called at {caller()}")

    def backward(self, node: Node, k: int, g: Tensor) -> None:
        """Check the derivative of `node` in argument `k`."""
        if not _finite(g.data):
            where = getattr(node, "where", "a line outside of detect_anomaly")
            raise AnomalyError(
                f"the derivative of {node.op.__name__} in argument {k} is {_what(g.data)}; it was called at {where}"
            )


def _finite(array):
    return array.dtype.kind != "f" or bool(np.isfinite(array).all())


def _what(array):
    kind = "NaN" if np.isnan(array).any() else "infinite"
    return f"{kind} at {int((~np.isfinite(array)).sum())} of {array.size} elements of shape {array.shape}"


def caller() -> str:
    """The innermost line outside of this package."""
    for frame, line in traceback.walk_stack(None):
        if not frame.f_code.co_filename.startswith(_HERE):
            return f"{frame.f_code.co_filename}:{line} in {frame.f_code.co_name}"
    return "an unknown line"
