"""A training step recorded once into a CUDA graph and replayed: hundreds of launches become one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from .. import backend
from ..backend import cuda
from .tensor import Tensor


def capture(step: Callable[..., Any], warmup: int = 2) -> Captured:
    """A function that runs `step` on the GPU without Python: call it with GPU Tensors of the same shapes each time.

    The first `warmup` calls run `step` as it is, the next one records it, later ones copy their arguments to where the
    recorded ones were and launch the whole graph. Every call is one step, recorded or not. Results are Tensors that
    the next call overwrites.

    >>> def step(x, t):                                        # doctest: +SKIP
    ...     optimizer.zero_grad()
    ...     loss = F.cross_entropy(model(x), t)
    ...     loss.backward()
    ...     return loss
    >>> fast = minidl.capture(step)                            # doctest: +SKIP
    >>> for x, t in loader:                                    # doctest: +SKIP
    ...     loss = fast(Tensor(x), Tensor(t))
    ...     optimizer.step()

    Only the work of the GPU is recorded; numbers from Python keep their value. So gradients must be cleared inside the step,
    and an optimiser steps inside it only if it is SGD, whose options the recording holds (when they change, the step is
    recorded anew); dropout, numbers read from the GPU (`float(loss)`), arrays of NumPy's and matrix products of the GPU's
    own library cannot be recorded. Each is an error that says so. Needs a GPU: RuntimeError where there is none.
    """
    return Captured(step, warmup)


class Captured:
    """What `capture` returns; `recorded` says whether the next call is a replay."""

    def __init__(self, step: Callable[..., Any], warmup: int) -> None:
        self.cupy = cuda.require("capture")
        self.step, self.left = step, max(1, warmup)
        self.stream = self.cupy.cuda.Stream(non_blocking=True)
        self.pool = self.cupy.cuda.MemoryPool()  # the graph's arrays: nobody else may get their addresses
        self.inputs: Any = None
        self.graph: Any = None
        self.output: Any = None
        self.gradients, self.watched = {}, []

    @property
    def recorded(self) -> bool:
        """Whether the next call replays the recording."""
        return self.graph is not None

    def __call__(self, *tensors: Tensor) -> Any:
        self._place(tensors)
        if self.recorded and any(now() != then for now, then in self.watched):
            self.graph = None
        current = self.cupy.cuda.get_current_stream()
        self.stream.wait_event(current.record())
        with self.stream, self.cupy.cuda.using_allocator(self.pool.malloc):
            for mine, given in zip(self.inputs, tensors):
                mine.data[...] = given.data
            if self.left:
                self.left -= 1
                self.output = self.step(*self.inputs)
            else:
                if not self.recorded:
                    self._record()
                self.graph.launch(stream=self.stream)
                for leaf, gradient in self.gradients.values():
                    leaf.grad = gradient
        current.wait_event(self.stream.record())
        return self.output

    def _place(self, tensors):
        for k, t in enumerate(tensors):
            if not isinstance(t, Tensor) or t.device == "cpu":
                where = t.device if isinstance(t, Tensor) else type(t).__name__
                raise TypeError(f"capture: argument {k} must be a Tensor on the GPU, not {where}")
        came = [(t.shape, str(t.dtype)) for t in tensors]
        if self.inputs is None:
            self.inputs = [Tensor(backend.xp(t.data).empty_like(t.data)) for t in tensors]
        needed = [(t.shape, str(t.dtype)) for t in self.inputs]
        if came != needed:
            raise ValueError(f"capture: the arguments are {came}; the step was begun with {needed}")

    def _record(self):
        self.gradients, self.watched = {}, []
        self.stream.begin_capture()
        cuda.recording = self
        try:
            self.output = self.step(*self.inputs)
        except BaseException as error:
            with contextlib.suppress(Exception):  # the broken recording; its own error says less
                self.stream.end_capture()
            if isinstance(error, Exception):
                raise RuntimeError(f"capture: the step cannot be recorded: {error}") from error
            raise
        finally:
            cuda.recording = None
        self.graph = self.stream.end_capture()

    # -- what the library reports while it is recorded -------------------------------------------------------------------

    def gradient(self, leaf: Tensor, before: Tensor | None) -> None:
        """A leaf got a gradient; `before` is what it had."""
        if before is not None and id(leaf) not in self.gradients:
            raise RuntimeError(
                "a gradient from before the step would be added each time; call zero_grad() inside the step"
            )
        self.gradients[id(leaf)] = leaf, leaf.grad

    def options(self, read: Callable[[], object]) -> None:
        """Note that the recording depends on what `read()` returns now; when that changes, the step is recorded anew."""
        self.watched.append((read, read()))
