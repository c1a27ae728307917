"""The GPU through CuPy: whether there is one, copies to it and back, and what to install where it is missing."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Iterator
from typing import Any, TypeGuard

import numpy as np

_INSTALL = 'pip install "minidl[cuda12]" or "minidl[cuda13]", as the driver\'s CUDA version is (nvidia-smi shows it)'


recording = None  # the step that is being recorded (capture.py), told of what a recording must know


def refuse(what: str) -> None:
    """While a step is recorded, a RuntimeError that says why `what` cannot be in it."""
    if recording is not None:
        raise RuntimeError(f"{what} while it is recorded; do that outside")


def why_not() -> str | None:
    """Why no GPU can be used, or None if one can."""
    try:
        import cupy
    except ImportError:
        return f"CuPy is not installed: {_INSTALL}"
    try:
        if cupy.cuda.is_available():
            return _cannot_compile(cupy)
    except Exception as error:  # a driver can fail in ways of its own
        return f"CuPy {cupy.__version__} reports {error}"
    return (
        f"CuPy {cupy.__version__} finds no NVIDIA GPU, or no driver for its CUDA version: see nvidia-smi, or {_INSTALL}"
    )


@functools.cache
def _cannot_compile(cupy):
    """None, or what CuPy lacks to compile a kernel and to multiply matrices; tried once, with one line of CUDA C."""
    try:
        cupy.RawModule(code='extern "C" __global__ void nothing() {}', backend="nvrtc").get_function("nothing")
        cupy.cuda.device.get_cublas_handle()
    except Exception as error:  # a library that is missing, or headers: CuPy has an exception for each
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        major = cupy.cuda.runtime.runtimeGetVersion() // 1000
        return f'CuPy {cupy.__version__} lacks a part of the CUDA toolkit ({said}): pip install "minidl[cuda{major}]"'
    return None


def make_current(device: str) -> None:
    """Let "cuda:1" be the GPU that this thread's kernels run on; nothing for "cpu" and "cuda"."""
    _, index = parse(device)
    if index is not None:
        require(f"device {device!r}").cuda.Device(index).use()


def is_available() -> bool:
    """Whether CuPy is installed and finds a GPU."""
    return why_not() is None


def require(what: str) -> Any:
    """The cupy module; where no GPU can be used, a RuntimeError that says why `what` is not possible."""
    reason = why_not()
    if reason is not None:
        raise RuntimeError(f"{what}: {reason}")
    import cupy

    return cupy


@functools.cache
def kernel(source: str, name: str | None = None, options: tuple[str, ...] = ()) -> Any:
    """A kernel of your own CUDA C text: called on NumPy arrays it runs on the simulator, on CuPy arrays on the GPU.

    `minidl.cuh` (T, thread_number, warp_sum, ...) is included for you; `name` is needed if the text holds several kernels.
    Lines in messages count from the first that is not empty. How texts are written and called is said at the top of
    `minidl.kernels.cuda`; the simulator needs a C++ compiler.

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
        raise ValueError(f"kernel: the text holds {', '.join(names)}; say which by name=")
    return loader.Kernel(text, name or names[0], options)


@contextlib.contextmanager
def watch() -> Iterator[None]:
    """Inside the `with` block the simulator checks every load and store of kernels on NumPy arrays.

    A KernelError names kernel, block, thread and line of an access outside of an array, a read before any write, or a race.
    About 15x slower; with the environment variable MINIDL_CUDASIM=address a whole program is watched.
    """
    from ..kernels.cuda.simulator import run

    run.watching.append(True)
    try:
        yield
    finally:
        run.watching.pop()


def synchronize() -> None:
    """Wait until the GPU has finished all its work; does nothing where CuPy was never used or found no GPU."""
    cupy = sys.modules.get("cupy")
    if cupy is not None and cupy.cuda.is_available():
        cupy.cuda.get_current_stream().synchronize()


def parse(device: str) -> tuple[str, int | None]:
    """(kind, index) of "cpu", "cuda" or "cuda:1"; index is None where the current GPU is meant. Else a ValueError."""
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
    """Whether the array already is on `device`; "cuda" is any GPU's memory for an array that is on one."""
    kind, index = parse(device)
    here = device_of(array)
    return here == "cpu" if kind == "cpu" else here != "cpu" if index is None else here == f"cuda:{index}"


def move(array: Any, device: str) -> Any:
    """The array on `device`; itself where it already is there."""
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
    """The array, or anything that NumPy can make one of, as a NumPy array: copied from the GPU, else itself."""
    return array.get() if hasattr(array, "__cuda_array_interface__") else np.asarray(array)


class Uploader:
    """Copies nested batches to the GPU on a stream of its own, through page-locked memory, while the GPU computes.

    `start(batch)` begins the copies and returns at once; `finish(ticket)` gives the arrays, ordered before what the
    current stream does next. Lists, tuples and dictionaries are searched; what is no NumPy array of numbers stays as it is.
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
            # Memory that Python has dropped comes back here while the GPU may still read it: what is now queued goes first.
            self.stream.wait_event(computing)
            moved = _walk(batch, functools.partial(self._copy, pinned))
            done = self.stream.record()
        return moved, done, pinned

    def finish(self, ticket: Any) -> Any:
        """The batch on the GPU, ready for whatever the current stream does next."""
        moved, done, pinned = ticket
        current = self.cupy.cuda.get_current_stream()
        current.wait_event(done)
        done.synchronize()  # the page-locked memory may go now; the copy began a batch ago
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
