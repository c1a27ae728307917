"""The choice of the column of kernels for an array: by the type of the array, or by `use`."""

from __future__ import annotations

import contextlib
import functools
import importlib
import sys
import warnings
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import numpy as np

from ..typing import DTypeLike
from .cuda import refuse, to_host

_override: ContextVar[str | None] = ContextVar("column", default=None)
COLUMNS = ("reference", "cpu", "cudasim")


def kernels(x: Any) -> Any:
    """The module of kernels for the array `x`: CUDA C for CuPy arrays, for NumPy arrays Numba or the column chosen by `use`."""
    if isinstance(x, np.ndarray):
        if x.dtype.char in "eg" or not x.dtype.isnative:
            raise TypeError(f"kernels: dtype is {x.dtype}; needed float32 or float64 in native byte order")
        return _load(_override.get() or "cpu")
    if xp(x) is np:
        raise TypeError(f"kernels: array is a {type(x).__name__}; needed numpy.ndarray or cupy.ndarray")
    return _load("cuda")


def xp(x: Any) -> Any:
    """The array module of `x`: cupy for CuPy arrays, numpy for everything else."""
    cupy = sys.modules.get("cupy")  # loaded wherever a CuPy array exists
    return cupy if cupy is not None and isinstance(x, cupy.ndarray) else np


def is_array(x: Any) -> bool:
    """Whether `x` is an array of NumPy's or CuPy's."""
    return isinstance(x, np.ndarray) or xp(x) is not np


def asarray(x: Any, dtype: DTypeLike | None = None) -> Any:
    """np.asarray for everything but CuPy arrays, which stay on their GPU."""
    return np.asarray(x, dtype) if xp(x) is np else x if dtype is None else x.astype(dtype, copy=False)


def like(x: Any, array: Any, dtype: DTypeLike | None = None) -> Any:
    """`x` (array-like) as an array on the device of `array`."""
    x, module = asarray(x, dtype), xp(array)
    if xp(x) is module:
        return x
    refuse("the step copies an array between NumPy's memory and the GPU's")
    return to_host(x) if module is np else module.asarray(x)


@contextlib.contextmanager
def use(column: str) -> Iterator[None]:
    """Run every kernel on NumPy arrays inside the `with` block in `column`.

    "reference" is NumPy, "cpu" Numba, "cudasim" the CUDA C of the GPU column compiled for the CPU (needs g++ or clang++).
    """
    if column not in COLUMNS:
        raise ValueError(f"backend.use: column must be one of {COLUMNS}, not {column!r}")
    token = _override.set(column)
    try:
        yield
    finally:
        _override.reset(token)


@functools.cache
def _load(column):
    try:
        return importlib.import_module(f"minidl.kernels.{'cuda' if column == 'cudasim' else column}")
    except ModuleNotFoundError as error:
        if column != "cpu" or error.name not in ("numba", "llvmlite", "scipy"):
            raise
        warnings.warn(f"{error.name} is not installed: the slow NumPy reference kernels are used instead", stacklevel=3)
        return _load("reference")
