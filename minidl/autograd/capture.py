"""A training step recorded once as a CUDA graph and replayed, which replaces hundreds of kernel launches by one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from .. import backend
from ..backend import cuda
from .tensor import Tensor


def capture(step: Callable[..., Any], warmup: int = 2) -> Captured:
    """A function that runs `step` on the GPU as one CUDA graph; its arguments are GPU Tensors of the same shapes in each call.

    The first `warmup` calls run `step` without recording, the next one records it, and later ones copy their arguments to the
    memory of the recorded ones and launch the whole graph. Every call performs one step. Results are Tensors that
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

    Only work on the GPU is recorded; Python numbers keep the values of the recording. So gradients must be cleared inside the
    step, and SGD is the only optimiser that can step inside it (the step is recorded anew when its options change). Dropout,
    reading numbers from the GPU (`float(loss)`), NumPy arrays and matrix products by cuBLAS cannot be recorded; each raises an
    error with this reason. Raises RuntimeError without a GPU.
    """
    return Captured(step, warmup)


class Captured:
    """Result of `capture`; `recorded` is True if the next call is a replay."""

    def __init__(self, step: Callable[..., Any], warmup: int) -> None:
        self.cupy = cuda.require("capture")
        self.step, self.left = step, max(1, warmup)
        self.stream = self.cupy.cuda.Stream(non_blocking=True)
        self.pool = self.cupy.cuda.MemoryPool()  # memory of the graph's arrays, whose addresses must not be reused
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
            with contextlib.suppress(Exception):  # ending the failed recording raises a less specific error
                self.stream.end_capture()
            if isinstance(error, Exception):
                raise RuntimeError(f"capture: the step cannot be recorded: {error}") from error
            raise
        finally:
            cuda.recording = None
        self.graph = self.stream.end_capture()

    # -- called by the library during the recording ------------------------------------------------------------------------

    def gradient(self, leaf: Tensor, before: Tensor | None) -> None:
        """Check the new gradient of a leaf; `before` is its old one."""
        if before is not None and id(leaf) not in self.gradients:
            raise RuntimeError(
                "a gradient from before the step would be added each time; call zero_grad() inside the step"
            )
        self.gradients[id(leaf)] = leaf, leaf.grad

    def options(self, read: Callable[[], object]) -> None:
        """Record the step anew whenever the result of `read()` differs from the current one."""
        self.watched.append((read, read()))
