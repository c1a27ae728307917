"""One run of a network as a list of steps on arrays, without the network.

The tape's observer sees every operation with its arguments and results. Arrays are numbered in the order in which they come
up; an array that no step computes and that is no input is a constant: a parameter, or something that the network made itself.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...autograd import tape
from ...autograd.tape import no_grad
from ...autograd.tensor import Tensor
from ...backend import asarray, is_array


class NotRecordable(Exception):
    """What a network does that a list of steps cannot repeat."""


@dataclass
class Step:
    """values[outputs] = run(*values[inputs], **metadata); values[dead] are not needed afterwards."""

    name: str
    run: Callable[..., Any]
    inputs: list[int]
    outputs: list[int]
    metadata: dict[str, Any] = field(default_factory=dict)
    op: Callable[..., Any] | None = None  # the recorded operation; None after fusing
    dead: list[int] = field(default_factory=list)


class Recording:
    """The steps of one run; `values` are all arrays in order, of which the first `inputs` came from outside."""

    def __init__(self, inputs: Sequence[Tensor]) -> None:
        self.inputs, self.steps = len(inputs), []
        self.values: list[Any] = []
        self.computed: set[int] = set(range(len(inputs)))
        self._number: dict[int, int] = {}
        for tensor in inputs:
            self.number(tensor.data)

    def number(self, value: Any) -> int:
        """The number of an array (the same object, the same number) or of a number."""
        key = id(value)
        if key not in self._number or not is_array(value):
            self._number[key] = len(self.values)
            self.values.append(value)  # keeps it alive, so that its id stays its own
        return self._number[key]

    def has_computed(self, array: Any) -> bool:
        """Whether an array is an input, or a step gives it."""
        k = self._number.get(id(array))
        return k in self.computed and self.values[k] is array

    def forward(self, op: Any, args: Sequence[Any], metadata: dict[str, Any], *results: Tensor) -> None:
        """The tape's observer: one operation has run."""
        inputs = [self.number(a.data if isinstance(a, Tensor) else a) for a in args]
        outputs = []
        for result in results:
            self._number.pop(id(result.data), None)
            outputs.append(self.number(result.data))
        self.computed.update(outputs)
        self.steps.append(Step(op.__name__, op.__wrapped__, inputs, outputs, dict(metadata), op))

    def backward(self, node: Any, k: int, g: Any) -> None:
        """Nothing: only forward passes are recorded."""


_ARRAY = vars(Tensor)["data"]
_PACKAGE = Path(__file__).parents[2]
_OWN = tuple(
    str(_PACKAGE / folder) + os.sep for folder in ("autograd", "backend", "functional")
)  # read, and are compared
_READS = ("item", "numpy", "tolist", "__array__", "__bool__", "__float__", "__int__", "__index__")


@contextlib.contextmanager
def _no_reads(recording: Recording) -> Iterator[None]:
    """Within this block, a network that looks at the values of a Tensor is refused: it may decide something by them.

    `data` of what was computed may be read by operations; what they make of it is compared between two runs.
    """

    def refuse(self, *args, **kwargs):
        raise NotRecordable("it reads values of a Tensor into Python")

    def data(self):
        array = _ARRAY.__get__(self)
        if recording.has_computed(array) and not sys._getframe(1).f_code.co_filename.startswith((*_OWN, __file__)):
            refuse(self)
        return array

    originals = {name: getattr(Tensor, name) for name in _READS}
    try:
        for name in _READS:
            setattr(Tensor, name, refuse)
        setattr(Tensor, "data", property(data, _ARRAY.__set__))  # noqa: B010
        yield
    finally:
        setattr(Tensor, "data", _ARRAY)  # noqa: B010
        for name, method in originals.items():
            setattr(Tensor, name, method)


def record(model: Callable[..., Any], inputs: Sequence[Tensor]) -> tuple[Recording, Any]:
    """One run of `model(*inputs)`: what it computed, and what it returned."""
    recording, written = Recording(inputs), tape.writes.last
    tape.observer = recording
    try:
        with no_grad(), _no_reads(recording):
            output = model(*inputs)
    finally:
        tape.observer = None
    if tape.writes.last != written:
        raise NotRecordable("it writes into a Tensor in place")
    return recording, output


def same(a: Any, b: Any) -> bool:
    """Whether two arrays, numbers, or nested lists, tuples and dicts of them are equal; NaN equals NaN."""
    if is_array(a) and is_array(b):
        return a.dtype == b.dtype and a.shape == b.shape and asarray(a).tobytes() == asarray(b).tobytes()
    if isinstance(a, list | tuple) and type(a) is type(b):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict) and type(a) is type(b):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    return bool(a is b or a == b)


def check_repeatable(first: Recording, second: Recording) -> None:
    """NotRecordable unless two runs on different inputs took the same steps with the same constants."""
    a, b = ([(s.op, s.inputs, s.outputs) for s in r.steps] for r in (first, second))
    if a != b:
        raise NotRecordable("what it computes depends on the values of its input")
    constants = [k for k in range(len(first.values)) if k not in first.computed]
    equal = all(same(x.metadata, y.metadata) for x, y in zip(first.steps, second.steps))
    if not equal or not all(same(first.values[k], second.values[k]) for k in constants):
        raise NotRecordable("it computes something from its input outside of minidl.functional")


def another_input(x: Tensor) -> Tensor:
    """An input of the same shape with other values: the pixels in reverse order, and where they are real, negated."""
    reverse = x.data[(slice(None, None, -1),) * x.data.ndim].copy()
    return Tensor(-reverse if np.dtype(x.dtype).kind == "f" else reverse)
