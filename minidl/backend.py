"""Which column of the kernel table serves an array: its type decides, `use` overrides."""

import contextlib
import functools
import importlib
import sys
import warnings
from contextvars import ContextVar

import numpy as np

_override = ContextVar("column", default=None)
COLUMNS = ("reference", "cpu", "cudasim")


def kernels(x):
    """The module of kernels for the array `x`: CUDA C for CuPy arrays, for NumPy's Numba or the column that `use` names."""
    if isinstance(x, np.ndarray):
        return _load(_override.get() or "cpu")
    if xp(x) is np:
        raise TypeError(
            f"kernels: there is no column for arrays of type {type(x).__name__}; needed numpy.ndarray or cupy.ndarray"
        )
    return _load("cuda")


def xp(x):
    """The module that made the array `x`: cupy for CuPy arrays, numpy for everything else."""
    cupy = sys.modules.get("cupy")  # whoever has a CuPy array has loaded it
    return cupy if cupy is not None and isinstance(x, cupy.ndarray) else np


@contextlib.contextmanager
def use(column):
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
        warnings.warn(f"{error.name} is not installed: the slow NumPy reference kernels serve instead", stacklevel=3)
        return _load("reference")
