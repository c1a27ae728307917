"""Cache lines, 64 bytes each: arrays that start with one, and prefetching.

A vector that crosses a line boundary costs two accesses, so arrays that vectors are read from start at one.
"""

import math

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, register_jitable

from ..runtime.jit import inlined
from .vector import address

LINE_BYTES = 64


@register_jitable
def aligned(size, dtype):
    """An uninitialised flat array that starts at a cache line; for kernels and for Python."""
    room = np.empty(size + LINE_BYTES // 4, dtype)
    line = LINE_BYTES // room.itemsize
    start = -(room.ctypes.data // room.itemsize) % line
    return room[start : start + size]


def empty(shape, dtype):
    """An uninitialised array of any shape that starts at a cache line."""
    return aligned(math.prod(shape), dtype).reshape(shape)


@intrinsic
def prefetch(typing, array, start):
    """Prefetches the cache line of array[start], which may lie outside the array: a hint, nothing is read."""

    def codegen(context, builder, signature, args):
        place, i = address(context, builder, array, *args), ir.IntType(32)
        of = ir.FunctionType(ir.VoidType(), [place.type, i, i, i])
        hint = cgutils.get_or_insert_function(builder.module, of, "llvm.prefetch.p0")
        builder.call(hint, [place, i(0), i(3), i(1)])  # for reading, into every cache level, data
        return context.get_dummy_value()

    return types.void(array, types.intp), codegen


@inlined
def prefetch_range(x, start, count):
    """Prefetches the cache lines of x[start : start + count], which may lie outside the array."""
    for a in range(start, start + count, LINE_BYTES // x.itemsize):
        prefetch(x, a)
