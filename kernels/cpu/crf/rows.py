"""Rows of channels as explicit vectors: out[i] += w * table[j] in a few instructions.

In a plain loop LLVM tests for overlapping arrays, and for short rows the test takes longer than the loop.

A row is padded to whole vectors of 2, 4 or 8 numbers, chosen by the number of channels (those of simd.vector have the length of
a register). Kernels take that length as `lane`, a tuple of zeros: the length of a tuple is part of its type, so it is known
when a kernel is compiled.
"""

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from ..simd.llvm import broadcast_ir


def lanes(C):
    """`lane` for C channels."""
    return (0,) * (2 if C <= 2 else 4 if C <= 4 else 8)


def padded(C):
    """C channels in whole vectors."""
    return -C // len(lanes(C)) * -len(lanes(C))


class Matrix:
    """A C-contiguous matrix inside an instruction: its vectors of `lane` numbers, and its single numbers."""

    def __init__(self, context, builder, kind, array, lane):
        matrix = context.make_array(kind)(context, builder, array)
        self.context, self.builder, self.kind, self.data = context, builder, kind.dtype, matrix.data
        self.rows, self.columns = (builder.extract_value(matrix.shape, k) for k in (0, 1))
        self.vector = ir.VectorType(context.get_data_type(kind.dtype), lane.count)
        self.align = kind.dtype.bitwidth // 8

    def _pointer(self, row, column):
        return self.builder.gep(self.data, [self.builder.add(self.builder.mul(row, self.columns), column)])

    def place(self, row, column):
        """Pointer to the vector that starts at (row, column)."""
        return self.builder.bitcast(self._pointer(row, column), self.vector.as_pointer())

    def load(self, row, column):
        return self.builder.load(self.place(row, column), align=self.align)

    def store(self, value, row, column):
        self.builder.store(value, self.place(row, column), align=self.align)

    def number(self, row, column):
        return self.builder.load(self._pointer(row, column))

    def broadcast(self, scalar, kind):
        """A number of the given type in all lanes."""
        scalar = self.context.cast(self.builder, scalar, kind, self.kind)
        return broadcast_ir(self.builder, self.vector, scalar)

    def widened(self, vector):
        """float32 lanes in this matrix's type."""
        return vector if vector.type == self.vector else self.builder.fpext(vector, self.vector)


def multiply_add(builder, a, b, c):
    """The instructions of a * b + c, which the processor may fuse into one."""
    return builder.fadd(builder.fmul(a, b, flags=["contract"]), c, flags=["contract"])


@intrinsic
def _add(typing, out, i, table, j, w, column, lane):
    """out[i, column:] += w * table[j, column:], one vector."""

    def generate(context, builder, signature, args):
        out, table = (Matrix(context, builder, signature.args[k], args[k], lane) for k in (0, 2))
        _, i, _, j, w, column, _ = args
        term = out.broadcast(w, signature.args[4])
        out.store(multiply_add(builder, term, table.load(j, column), out.load(i, column)), i, column)
        return context.get_dummy_value()

    return types.void(out, types.intp, table, types.intp, w, types.intp, lane), generate


@njit(inline="always")
def add_row(out, i, table, j, w, lane):
    """out[i] += w * table[j]: C-contiguous matrices of equal, padded width."""
    for column in range(0, out.shape[1], len(lane)):
        _add(out, i, table, j, w, column, lane)


def _row_operation(start, combine, finish):
    """f(score, i, lane) on one row: `combine` all its numbers, beginning with `start`, then `finish` every vector."""

    @intrinsic
    def operation(typing, score, i, lane):
        def generate(context, builder, signature, args):
            score, i, step = (
                Matrix(context, builder, signature.args[0], args[0], lane),
                args[1],
                args[1].type(lane.count),
            )
            columns = i.type(0), score.columns, step, i.type
            cell = cgutils.alloca_once_value(builder, score.vector([start] * lane.count))
            with cgutils.for_range_slice(builder, *columns) as (column, _):
                builder.store(combine(builder, builder.load(cell), score.load(i, column)), cell)
            all, n = builder.load(cell), lane.count
            while n > 1:  # fold the upper half onto the lower
                n //= 2
                halves = (ir.VectorType(ir.IntType(32), n)(list(range(k, k + n))) for k in (0, n))
                all = combine(builder, *(builder.shuffle_vector(all, all, half) for half in halves))
            all = score.broadcast(builder.extract_element(all, ir.IntType(32)(0)), score.kind)
            with cgutils.for_range_slice(builder, *columns) as (column, _):
                score.store(finish(builder, score.load(i, column), all), i, column)
            return context.get_dummy_value()

        return types.void(score, types.intp, lane), generate

    return operation


def _larger(builder, a, b):
    return builder.select(builder.fcmp_ordered(">", a, b), a, b)


def _times_inverse(builder, row, total):
    return builder.fmul(row, builder.fdiv(total.type([1.0] * total.type.count), total))


# score[i] -= its maximum, and score[i] /= its sum
subtract_maximum = _row_operation(float("-inf"), _larger, lambda builder, row, top: builder.fsub(row, top))
divide_by_sum = _row_operation(0.0, lambda builder, a, b: builder.fadd(a, b), _times_inverse)
