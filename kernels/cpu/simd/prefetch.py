"""Lines of the cache, 64 bytes each: the processor moves no less than one, and a vector that lies in two is read twice."""

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
    """An uninitialised flat array that starts with a line; for kernels and for Python."""
    room = np.empty(size + LINE_BYTES // 4, dtype)
    line = LINE_BYTES // room.itemsize
    start = -(room.ctypes.data // room.itemsize) % line
    return room[start : start + size]


def empty(shape, dtype):
    """An uninitialised array of any shape that starts with a line."""
    return aligned(math.prod(shape), dtype).reshape(shape)


@intrinsic
def prefetch(typing, array, start):
    """Asks for the line of array[start], which may lie outside the array: a hint, nothing is read."""

    def codegen(context, builder, signature, args):
        place, i = address(context, builder, array, *args), ir.IntType(32)
        of = ir.FunctionType(ir.VoidType(), [place.type, i, i, i])
        hint = cgutils.get_or_insert_function(builder.module, of, "llvm.prefetch.p0")
        builder.call(hint, [place, i(0), i(3), i(1)])  # to read, into every cache, data
        return context.get_dummy_value()

    return types.void(array, types.intp), codegen


@inlined
def ask(x, start, count):
    """Asks for the lines of x[start : start + count], which may lie outside the array."""
    for a in range(start, start + count, LINE_BYTES // x.itemsize):
        prefetch(x, a)
