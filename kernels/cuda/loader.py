"""Loads kernels from `.cu` files: compiled by NVRTC for CuPy arrays, by the host's compiler for NumPy arrays.

The loader reads a kernel's parameters from its text, checks every argument against them, and chooses the grid.
"""

import functools
import re
from pathlib import Path

import numpy as np

from . import signature

HERE = Path(__file__).parent
BLOCK = 256
_INCLUDE = re.compile(r'^#include "(\w+\.cuh)"$', re.M)


class Kernel:
    """A kernel of a `.cu` file ("conv/im2col.cu"), or of a CUDA C text; compiled at its first call, once per dtype.

    `kernel(*arguments, threads=n)` launches n threads in blocks of 256 (the text compares `thread_number()` with n);
    `kernel(*arguments, grid=(gx, gy, gz), block=(bx, by, bz), shared=bytes)` sets the launch. Arrays must be C-contiguous
    and of the parameter's type, all NumPy's or all CuPy's, or None for a null pointer; numbers must be NumPy scalars of
    exactly the parameter's type (`np.int32(n)`; see `i32`). For a struct of numbers, which the text defines, its members come
    as one tuple of Python numbers. T is the dtype of the arrays passed as T*.
    """

    def __init__(self, source, name, options=()):
        self.code, self.origin = read(source)
        self.name, self.options = name, tuple(options)
        table = signature.kernels(self.code, self.origin)
        if name not in table:
            raise ValueError(f"{self.origin}: there is no kernel {name!r}; it contains {', '.join(table)}")
        self.parameters = table[name]

    def __call__(self, *arguments, threads=None, grid=None, block=None, shared=0):
        real, arguments, arrays = self._check(arguments)
        if (threads is None) == (grid is None):
            raise TypeError(f"{self.name}: give either threads= or grid=")
        block = _three(block or BLOCK)
        if threads is not None:
            grid = -(-threads // (block[0] * block[1] * block[2]))
        grid = _three(grid)
        if 0 in grid:
            return  # nothing to do
        if block[0] * block[1] * block[2] > 1024 or grid[0] >= 2**31 or max(grid[1:]) > 65535:
            raise ValueError(f"{self.name}: no GPU runs blocks of {block} in a grid of {grid}")
        if all(isinstance(a, np.ndarray) for a in arrays):
            from .simulator import launch

            launch(self, real, arguments, grid, block, shared)
        else:
            function = _gpu_function(self.code, self.name, real, self.options)
            if shared > 48 * 1024:
                function.max_dynamic_shared_size_bytes = shared
            null = np.uintp(0)
            function(grid, block, tuple(null if a is None else a for a in arguments), shared_mem=shared)

    def _check(self, arguments):
        if len(arguments) != len(self.parameters):
            names = ", ".join(p.name for p in self.parameters)
            raise TypeError(f"{self.name}: {len(arguments)} arguments given; needed {len(self.parameters)}: {names}")
        arrays = [a for p, a in zip(self.parameters, arguments) if p.pointer and a is not None]
        chosen = {
            a.dtype
            for p, a in zip(self.parameters, arguments)
            if p.dtype is None and not p.members and hasattr(a, "dtype")
        }
        if len(chosen) > 1:
            raise TypeError(
                f"{self.name}: the arguments of type T have different dtypes: {', '.join(map(str, chosen))}"
            )
        real = chosen.pop() if chosen else np.dtype(np.float32)
        if real not in (np.float32, np.float64):
            raise TypeError(f"{self.name}: T is float32 or float64, not {real}")
        arguments = tuple(self._checked(p, value, real) for p, value in zip(self.parameters, arguments))
        if len({type(a) for a in arrays}) > 1:
            raise TypeError(f"{self.name}: arrays of NumPy and of CuPy in one call")
        return real, arguments, arrays

    def _checked(self, parameter, value, real):
        """The argument as passed to the kernel: the members of a struct become one structured element."""
        where, dtype = f"{self.name}: argument {parameter.name!r}", parameter.dtype or real
        if parameter.members:
            return parameter.packed(value, real)
        if not parameter.pointer:
            if not isinstance(value, np.generic) or value.dtype != dtype:
                raise TypeError(f"{where} must be np.{dtype}(...), not {value!r} of type {type(value).__name__}")
        elif value is not None:
            if not hasattr(value, "flags") or not hasattr(value, "shape"):
                raise TypeError(f"{where} must be an array of {dtype}, not {type(value).__name__}")
            if value.dtype != dtype:
                raise TypeError(f"{where} must be an array of {dtype}, not of {value.dtype}")
            if not value.flags.c_contiguous:
                raise ValueError(
                    f"{where} must be C-contiguous; its shape is {value.shape}, its strides {value.strides}"
                )
        return value


def i32(*values):
    """np.int32 of each value, for kernel arguments; an OverflowError says which array is too large for 32-bit indices."""
    return tuple(np.int32(v) for v in values)


def array_module(x):
    """The array's module, numpy or cupy."""
    if isinstance(x, np.ndarray):
        return np
    import cupy

    return cupy.get_array_module(x)


def contiguous(*arrays):
    """Each array C-contiguous, copied if it was not; None stays None; for one argument the result is not a list."""
    done = [a if a is None else array_module(a).ascontiguousarray(a).reshape(a.shape) for a in arrays]
    return done[0] if len(done) == 1 else done


def read(source):
    """(text, name for messages) of a file below this folder, a path, or CUDA C text; headers of this folder are inserted."""
    given = "\n" in str(source)
    code, origin = (source, "text.cu") if given else ((HERE / source).read_text("utf-8"), Path(source).name)
    return _INCLUDE.sub(lambda m: _written_in(code, m, origin), code), origin


def _written_in(code, include, origin):
    line, header = code.count("\n", 0, include.start()) + 2, next(HERE.rglob(include[1]))
    return f'#line 1 "{include[1]}"\n{header.read_text("utf-8")}#line {line} "{origin}"'


def _three(sizes):
    sizes = (sizes,) if isinstance(sizes, int) else tuple(int(n) for n in sizes)
    return sizes + (1,) * (3 - len(sizes))


@functools.cache
def _gpu_function(code, name, real, options):
    return _gpu_module(code, real, options).get_function(name)


@functools.cache
def _gpu_module(code, real, options):
    import cupy

    c_type = "double" if real == np.float64 else "float"
    return cupy.RawModule(code=code, options=("-std=c++17", f"-DREAL={c_type}", *options))
