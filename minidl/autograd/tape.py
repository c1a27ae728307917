"""The nodes of the tape, the switches of recording, and writes in place.

Every node carries a creation number. The numbers of outputs are larger than those of their inputs, and the backward pass
(`engine`) follows this order. `primitive` records operations.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import threading
import weakref
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from ..backend import is_array
from ..typing import Array, Shape

if TYPE_CHECKING:
    from .primitive import Plan
    from .tensor import Tensor

_Function = TypeVar("_Function", bound=Callable[..., Any])


class _Mode(threading.local):
    recording = True
    walking = False  # inside a backward pass
    at_end: ClassVar[list[Callable[[], None]]] = []  # to be called when that pass ends


mode = _Mode()
observer: Any = None  # called for every operation and gradient, by detect_anomaly or the receptive-field analysis
clock = itertools.count(1)
hooked: weakref.WeakSet[Leaf] = (
    weakref.WeakSet()
)  # leaves that have or had a hook: they are visited as early as possible


class no_grad:
    """Context manager or decorator: operations inside are not recorded."""

    recording = False

    def __init__(self) -> None:
        self.before: list[bool] = []  # one entry for each open `with` block

    def __enter__(self) -> None:
        self.before.append(mode.recording)
        mode.recording = self.recording

    def __exit__(self, *error: object) -> None:
        mode.recording = self.before.pop()

    def __call__(self, function: _Function) -> _Function:
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            if inspect.isgeneratorfunction(function):
                return _Steps(function(*args, **kwargs), type(self))
            with type(self)():
                return function(*args, **kwargs)

        return cast(_Function, wrapper)


class _Steps(Generator):
    """A generator whose steps run inside the context manager `switch`, unlike the code that consumes it."""

    def __init__(self, generator, switch):
        self.generator, self.switch = generator, switch

    def send(self, value):
        with self.switch():
            return self.generator.send(value)

    def throw(self, *error):
        with self.switch():
            return self.generator.throw(*error)


class enable_grad(no_grad):
    """Context manager or decorator: operations inside are recorded, also within `no_grad`."""

    recording = True


def is_grad_enabled() -> bool:
    """Whether operations are being recorded in this thread."""
    return mode.recording


class Leaf:
    """The end of the tape at a tensor that requires a gradient and is not the result of an operation."""

    __slots__ = ("__weakref__", "hooks", "index", "tensor")

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = weakref.ref(tensor)
        self.hooks = None
        self.index = next(clock)


class Node:
    """One recorded operation."""

    __slots__ = ("edges", "hooks", "index", "plan", "saved", "shapes", "where")

    def __init__(
        self, plan: Plan, edges: Sequence[Node | Leaf], shapes: Sequence[Shape], saved: tuple[Any, ...] | None
    ) -> None:
        self.plan = plan  # the operation, the rules to call, and their arguments
        self.edges = edges  # the Node or Leaf of each argument that needs a gradient
        self.shapes = shapes  # of those arguments
        self.saved = saved  # the values that the rules need; None once freed
        self.hooks = None
        self.index = next(clock)

    @property
    def op(self) -> Callable[..., Any]:
        """The operation."""
        return self.plan.op


def at_end(function: Callable[[], None]) -> None:
    """For hooks: call `function()` when the current backward pass has visited all nodes, before it stores gradients."""
    mode.at_end.append(function)


# -- in-place writes ----------------------------------------------------------------------------------------------------


class _Writes:
    """Times of the last in-place writes: `times` by the id of the array, `last` over all arrays."""

    times: ClassVar[dict[int, int]] = {}
    last = 0


writes = _Writes()


def touch(array: Array) -> None:
    """Record an in-place write to `array`, so that a backward pass that needs the old values raises an error."""
    array = owner(array)
    if id(array) not in writes.times:
        weakref.finalize(array, writes.times.pop, id(array), None)
    writes.times[id(array)] = writes.last = next(clock)


def owner(array: Array) -> Array:
    """The array that owns the memory of a view."""
    while (base := array.base) is not None and is_array(base):
        array = base
    return array
