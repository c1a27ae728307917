"""The micro-kernel: the innermost loop of every matrix product here, written as vector instructions.

A register tile is a block of C whose sums stay in registers while the loop runs over the reduction:

    for k in range(first, first + count):                # one column of A, one row of B: a rank-1 update
        for r in range(MR):                              # unrolled
            C[r, 0:NR] += broadcast(A[r, k]) * B[k, 0:NR]

A processor multiplies and adds two vectors in each cycle, but only if both operands are already in registers. MR x NR = 6 x 2
vectors of accumulators take 12 of the 16 registers of AVX2; one step loads 2 vectors and 6 scalars and does 12 multiply-adds
with them. Plain Python loops do not say which numbers have to stay in registers, so this file writes the instructions itself:
Numba calls `codegen` once, at compile time, and `builder` appends to the program.

The loops around it follow BLIS (Van Zee & van de Geijn, "BLIS: a framework for rapidly instantiating BLAS functionality",
2015): the macro-kernel runs the micro-kernel over MC x NC results, on operands packed for a reduction of at most KC.
"""

from typing import NamedTuple

import numpy as np
from numba import types
from numba.extending import intrinsic

from ..runtime.jit import njit
from .llvm import Fields, broadcast_ir, integer, loop, multiply_add_ir
from .vector import VECTOR_BYTES, Vector

NR_VECTORS = 2  # vectors in a row of a register tile
MR = 6  # rows of a register tile; 4 where 6 would overhang: every even number from 4 on is a sum of these


def panel_width(dtype):
    """NR: numbers in a row of a register tile, two vectors."""
    return NR_VECTORS * VECTOR_BYTES // dtype.itemsize


@njit(cache=True, forceinline=True)
def panels(M):  # Python calls it, too
    """(rows in panels of 6, rows in all panels): M rounded up to 6 + ... + 6 + 4 + ... + 4."""
    even = max(4, M + M % 2)
    fours = (-even % 6) // 2
    return even - 4 * fours, even


class Operand(NamedTuple):
    """A: element (r, k) lies at data[start + rows(r) + steps(k)]; rows and steps are each a stride or a table."""

    data: np.ndarray
    start: int
    rows: int
    steps: int


class Scalars(NamedTuple):
    """One number for each row of C: data[start + r stride]."""

    data: np.ndarray
    start: int
    stride: int


def _micro_kernel(height, columns):
    """The micro-kernel of `height` rows and `columns` vectors, as a function that Numba's functions can call."""

    @intrinsic
    def micro_kernel(typing, a, b, c, init, first, count):
        def codegen(context, builder, signature, args):
            dtype = signature.args[2].types[0].dtype
            vector, lanes = context.get_value_type(Vector(dtype)), Vector(dtype).lanes
            a, b, c = (Fields(context, builder, signature.args[k], args[k]) for k in range(3))
            places = lambda row: [builder.gep(row, [integer(j * lanes)]) for j in range(columns)]
            load = lambda p: builder.load(builder.bitcast(p, vector.as_pointer()), align=4)
            store = lambda value, p: builder.store(value, builder.bitcast(p, vector.as_pointer()), align=4)
            a_rows = [a.row(r) for r in range(height)]

            def step(k, sums):
                b_row = [load(p) for p in places(builder.gep(b.base, [b.offset(2, k)]))]
                at = a.offset(3, k)
                factors = [broadcast_ir(builder, vector, builder.load(builder.gep(row, [at]))) for row in a_rows]
                return [
                    multiply_add_ir(builder, factors[j // columns], b_row[j % columns], s) for j, s in enumerate(sums)
                ]

            kind = signature.args[3]
            if isinstance(kind, types.Number):
                sums = [broadcast_ir(builder, vector, context.cast(builder, args[3], kind, dtype))] * height * columns
            elif kind.instance_class is Scalars:
                init = Fields(context, builder, kind, args[3])
                sums = [broadcast_ir(builder, vector, builder.load(init.row(r))) for r in range(height)]
                sums = [s for s in sums for _ in range(columns)]
            else:
                init = Fields(context, builder, kind, args[3])
                sums = [load(p) for r in range(height) for p in places(init.row(r))]
            out = [p for r in range(height) for p in places(c.row(r))]
            for place, value in zip(out, loop(builder, args[4], args[5], sums, step)):
                store(value, place)
            return context.get_dummy_value()

        return types.void(a, b, c, init, types.intp, types.intp), codegen

    micro_kernel.__doc__ = f"""C[r, j] = init[r, j] + sum_k A[r, k] B[k, j]: {height} rows r, {columns} vectors of columns j.

    The reduction runs over first <= k < first + count. a is an Operand; b and c are Rows; init is a number, Scalars (one
    for each row of C) or Rows, which may be c.
    """
    return micro_kernel


micro_kernel_6x2, micro_kernel_4x2, micro_kernel_6x1 = (_micro_kernel(*shape) for shape in ((6, 2), (4, 2), (6, 1)))
