"""Which column of the kernel table serves an array: its type decides, `use` overrides."""

import contextlib
import functools
import importlib
import warnings
from contextvars import ContextVar

import numpy as np

_override = ContextVar("column", default=None)
COLUMNS = ("reference", "cpu")


def kernels(x):
    """The module of kernels for the array `x`: Numba's for NumPy arrays, or the column that `use` names."""
    if not isinstance(x, np.ndarray):
        raise TypeError(f"kernels: there is no column for arrays of type {type(x).__name__}; needed numpy.ndarray")
    return _load(_override.get() or "cpu")


@contextlib.contextmanager
def use(column):
    """Run every kernel inside the `with` block in `column`: "reference" (NumPy) or "cpu" (Numba)."""
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
        return importlib.import_module(f"minidl.kernels.{column}")
    except ModuleNotFoundError as error:
        if column != "cpu" or error.name not in ("numba", "llvmlite", "scipy"):
            raise
        warnings.warn(f"{error.name} is not installed: the slow NumPy reference kernels serve instead", stacklevel=3)
        return _load("reference")
