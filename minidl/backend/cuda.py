"""The GPU through CuPy: availability, copies to it and back, and messages about missing packages."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Iterator
from typing import Any, TypeGuard

import numpy as np

_INSTALL = 'pip install "minidl[cuda12]" or "minidl[cuda13]", as the driver\'s CUDA version is (nvidia-smi shows it)'


recording = None  # the step that `capture` is recording, or None


def refuse(what: str) -> None:
    """Raise RuntimeError, with the reason `what`, while a step is recorded."""
    if recording is not None:
        raise RuntimeError(f"{what} while it is recorded; do that outside")


def why_not() -> str | None:
    """The reason why no GPU can be used, or None."""
    try:
        import cupy
    except ImportError:
        return f"CuPy is not installed: {_INSTALL}"
    try:
        if cupy.cuda.is_available():
            return _cannot_compile(cupy)
    except Exception as error:  # a driver may raise errors of any type
        return f"CuPy {cupy.__version__} reports {error}"
    return (
        f"CuPy {cupy.__version__} finds no NVIDIA GPU, or no driver for its CUDA version: see nvidia-smi, or {_INSTALL}"
    )


@functools.cache
def _cannot_compile(cupy):
    """What CuPy lacks to compile a kernel and to multiply matrices, or None; tried once, with one line of CUDA C."""
    try:
        cupy.RawModule(code='extern "C" __global__ void nothing() {}', backend="nvrtc").get_function("nothing")
        cupy.cuda.device.get_cublas_handle()
    except Exception as error:  # CuPy has a different exception for each missing library or header
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        major = cupy.cuda.runtime.runtimeGetVersion() // 1000
        return f'CuPy {cupy.__version__} lacks a part of the CUDA toolkit ({said}): pip install "minidl[cuda{major}]"'
    return None


def make_current(device: str) -> None:
    """Make "cuda:1" the GPU of this thread's kernels; no effect for "cpu" and "cuda"."""
    _, index = parse(device)
    if index is not None:
        require(f"device {device!r}").cuda.Device(index).use()


def is_available() -> bool:
    """Whether CuPy is installed and finds a GPU."""
    return why_not() is None


def require(what: str) -> Any:
    """The cupy module; raises RuntimeError, naming `what` and the reason, where no GPU can be used."""
    reason = why_not()
    if reason is not None:
        raise RuntimeError(f"{what}: {reason}")
    import cupy

    return cupy


@functools.cache
def kernel(source: str, name: str | None = None, options: tuple[str, ...] = ()) -> Any:
    """A kernel from CUDA C source text: called on NumPy arrays it runs on the simulator, on CuPy arrays on the GPU.

    `minidl.cuh` (T, thread_number, warp_sum, ...) is included; `name` is needed if the text contains several kernels.
    Line numbers in messages count from the first nonempty line. `minidl.kernels.cuda` describes the form of the text and of
    the call; the simulator needs a C++ compiler.

    >>> double = kernel('''
    ... extern "C" __global__ void twice(const T *x, T *y, int n) {
    ...     const int i = thread_number();
    ...     if (i < n) y[i] = 2 * x[i];
    ... }
    ... ''')
    >>> x, y = np.arange(3.0), np.empty(3)
    >>> double(x, y, np.int32(3), threads=3)
    >>> y
    array([0., 2., 4.])
    """
    from ..kernels.cuda import loader, signature

    text = f'#include "minidl.cuh"\n#line 1 "text.cu"\n{source.lstrip(chr(10))}'
    names = list(signature.kernels(text, "text.cu"))
    if name is None and len(names) > 1:
        raise ValueError(f"kernel: the text contains {', '.join(names)}; choose one by name=")
    return loader.Kernel(text, name or names[0], options)


@contextlib.contextmanager
def watch() -> Iterator[None]:
    """Inside the `with` block the simulator checks every load and store of kernels on NumPy arrays.

    A KernelError names kernel, block, thread and line of an access outside its array, a read before any write, or a race.
    Kernels are about 15x slower; the environment variable MINIDL_CUDASIM=address enables the checks for a whole program.
    """
    from ..kernels.cuda.simulator import run

    run.watching.append(True)
    try:
        yield
    finally:
        run.watching.pop()


def synchronize() -> None:
    """Wait until the GPU has finished all its work; no effect where CuPy is not in use or finds no GPU."""
    cupy = sys.modules.get("cupy")
    if cupy is not None and cupy.cuda.is_available():
        cupy.cuda.get_current_stream().synchronize()


def parse(device: str) -> tuple[str, int | None]:
    """(kind, index) of "cpu", "cuda" or "cuda:1"; index is None for the current GPU. ValueError for other names."""
    kind, colon, index = str(device).partition(":")
    if kind not in ("cpu", "cuda") or (colon and (kind == "cpu" or not index.isdigit())):
        raise ValueError(f'device must be "cpu", "cuda" or "cuda:1", not {device!r}')
    return kind, int(index) if colon else None


def is_device(value: Any) -> TypeGuard[str]:
    """Whether `value` names a device rather than a dtype."""
    return isinstance(value, str) and value.partition(":")[0] in ("cpu", "cuda")


def device_of(array: Any) -> str:
    """ "cpu" for NumPy arrays, "cuda:0" and so on for CuPy's."""
    return "cpu" if isinstance(array, np.ndarray | np.generic) else f"cuda:{array.device.id}"


def is_on(array: Any, device: str) -> bool:
    """Whether the array is on `device`; an array on any GPU is on "cuda"."""
    kind, index = parse(device)
    here = device_of(array)
    return here == "cpu" if kind == "cpu" else here != "cpu" if index is None else here == f"cuda:{index}"


def move(array: Any, device: str) -> Any:
    """The array on `device`; the array itself if it is there already."""
    if is_on(array, device):
        return array
    kind, index = parse(device)
    if kind == "cpu":
        return to_host(array)
    cupy = require(f"to({device!r})")
    count = cupy.cuda.runtime.getDeviceCount()
    if index is not None and index >= count:
        raise RuntimeError(f"to({device!r}): GPUs are numbered from 0, and there are {count}")
    with cupy.cuda.Device(index):
        return cupy.asarray(array)


def to_host(array: Any) -> np.ndarray:
    """`array` (array-like) as a NumPy array: copied from the GPU, else not copied."""
    return array.get() if hasattr(array, "__cuda_array_interface__") else np.asarray(array)


class Uploader:
    """Copies nested batches to the GPU on a stream of its own, through page-locked memory, while the GPU computes.

    `start(batch)` begins the copies and returns at once; `finish(ticket)` returns the arrays, ordered before later work
    of the current stream. Lists, tuples and dictionaries are searched; values other than numeric NumPy arrays are kept.
    """

    def __init__(self, device: str = "cuda") -> None:
        self.cupy = require(f"DataLoader on {device!r}")
        _, index = parse(device)
        self.device = self.cupy.cuda.Device(index)
        with self.device:
            self.stream = self.cupy.cuda.Stream(non_blocking=True)

    def start(self, batch: Any) -> Any:
        """Begin to copy a batch; returns what `finish` needs."""
        pinned = []
        with self.device:
            computing = self.cupy.cuda.get_current_stream().record()
        with self.device, self.stream:
            # CuPy may reuse freed memory here while the GPU still reads it: wait for the work queued so far.
            self.stream.wait_event(computing)
            moved = _walk(batch, functools.partial(self._copy, pinned))
            done = self.stream.record()
        return moved, done, pinned

    def finish(self, ticket: Any) -> Any:
        """The batch on the GPU, ready for later work of the current stream."""
        moved, done, pinned = ticket
        current = self.cupy.cuda.get_current_stream()
        current.wait_event(done)
        done.synchronize()  # afterwards the page-locked memory may be freed
        pinned.clear()
        return moved

    def _copy(self, pinned, array):
        source = np.ascontiguousarray(array)
        if not source.nbytes:
            return self.cupy.asarray(source)
        memory = self.cupy.cuda.alloc_pinned_memory(source.nbytes)
        staging = np.frombuffer(memory, source.dtype, source.size).reshape(source.shape)
        staging[...] = source
        pinned.append((memory, staging))
        target = self.cupy.empty(source.shape, source.dtype)
        target.set(staging, stream=self.stream)
        return target


def _walk(value, change):
    if isinstance(value, dict):
        return {key: _walk(part, change) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(_walk(part, change) for part in value)
    return change(value) if isinstance(value, np.ndarray) and value.dtype.kind in "biuf" else value
