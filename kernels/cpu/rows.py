"""Rows of channels as explicit vectors of LANES: out[i] += w * table[j] in a few instructions.

Left to itself LLVM guards such a loop against overlapping arrays, which cost five times the loop (measured at 24 channels).
"""

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 8  # 256 bits of float32; rows are padded to whole vectors


def padded(C):
    """C channels in whole vectors."""
    return -C // LANES * -LANES


def _place(context, builder, kind, array, row, column):
    """Pointer to the LANES elements of a C-contiguous matrix that start at (row, column)."""
    matrix = context.make_array(kind)(context, builder, array)
    start = builder.add(builder.mul(row, builder.extract_value(matrix.shape, 1)), column)
    vector = ir.VectorType(context.get_data_type(kind.dtype), LANES)
    return builder.bitcast(builder.gep(matrix.data, [start]), vector.as_pointer())


def _broadcast(builder, scalar, vector):
    undefined, zero = ir.Constant(vector, ir.Undefined), ir.IntType(32)(0)
    lanes = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(builder.insert_element(undefined, scalar, zero), undefined, lanes)


def _element(context, builder, kind, array, row, column):
    """The element (row, column) of a C-contiguous matrix."""
    matrix = context.make_array(kind)(context, builder, array)
    start = builder.add(builder.mul(row, builder.extract_value(matrix.shape, 1)), column)
    return builder.load(builder.gep(matrix.data, [start]))


@intrinsic
def _add(typing, out, i, table, j, w, column):
    """out[i, column:] += w * table[j, column:], LANES elements."""

    def generate(context, builder, signature, args):
        out, i, table, j, w, column = args
        target = _place(context, builder, signature.args[0], out, i, column)
        source = _place(context, builder, signature.args[2], table, j, column)
        align = signature.args[0].dtype.bitwidth // 8
        row = builder.load(source, align=align)
        term = builder.fmul(_broadcast(builder, w, row.type), row, flags=["contract"])
        builder.store(builder.fadd(builder.load(target, align=align), term, flags=["contract"]), target, align=align)
        return context.get_dummy_value()

    return types.void(out, types.intp, table, types.intp, out.dtype, types.intp), generate


@intrinsic
def _scatter(typing, out, vertex, weight, point, values, i, scale, column):
    """out[vertex[point, k], column:] += weight[point, k] * scale * values[i, column:] for every k, in the type of out."""

    def generate(context, builder, signature, args):
        out, vertex, weight, point, values, i, scale, column = args
        kinds = signature.args
        align, values_align = (kinds[k].dtype.bitwidth // 8 for k in (0, 4))
        row = builder.load(_place(context, builder, kinds[4], values, i, column), align=values_align)
        row = builder.fmul(_broadcast(builder, scale, row.type), row)
        wide = ir.VectorType(context.get_data_type(kinds[0].dtype), LANES)
        row = row if wide == row.type else builder.fpext(row, wide)
        corners = builder.extract_value(context.make_array(kinds[1])(context, builder, vertex).shape, 1)
        with cgutils.for_range(builder, corners) as loop:
            j = builder.sext(_element(context, builder, kinds[1], vertex, point, loop.index), loop.index.type)
            w = _element(context, builder, kinds[2], weight, point, loop.index)
            w = _broadcast(builder, context.cast(builder, w, kinds[2].dtype, kinds[0].dtype), wide)
            target = _place(context, builder, kinds[0], out, j, column)
            total = builder.fadd(
                builder.load(target, align=align), builder.fmul(w, row, flags=["contract"]), flags=["contract"]
            )
            builder.store(total, target, align=align)
        return context.get_dummy_value()

    n = types.intp
    return types.void(out, vertex, weight, n, values, n, values.dtype, n), generate


@intrinsic
def _gather(typing, out, i, table, vertex, weight, point, scale, column):
    """out[i, column:] += scale * sum_k weight[point, k] * table[vertex[point, k], column:]; the sum stays in a register."""

    def generate(context, builder, signature, args):
        out, i, table, vertex, weight, point, scale, column = args
        kinds = signature.args
        align = kinds[0].dtype.bitwidth // 8
        target = _place(context, builder, kinds[0], out, i, column)
        corners = builder.extract_value(context.make_array(kinds[3])(context, builder, vertex).shape, 1)
        total = cgutils.alloca_once_value(builder, ir.Constant(target.type.pointee, [0.0] * LANES))
        with cgutils.for_range(builder, corners) as loop:
            j = builder.sext(_element(context, builder, kinds[3], vertex, point, loop.index), loop.index.type)
            w = _element(context, builder, kinds[4], weight, point, loop.index)
            w = _broadcast(builder, context.cast(builder, w, kinds[4].dtype, kinds[0].dtype), target.type.pointee)
            row = builder.load(_place(context, builder, kinds[2], table, j, column), align=align)
            term = builder.fmul(w, row, flags=["contract"])
            builder.store(builder.fadd(builder.load(total), term, flags=["contract"]), total)
        term = builder.fmul(_broadcast(builder, scale, target.type.pointee), builder.load(total), flags=["contract"])
        builder.store(builder.fadd(builder.load(target, align=align), term, flags=["contract"]), target, align=align)
        return context.get_dummy_value()

    n = types.intp
    return types.void(out, n, table, vertex, weight, n, out.dtype, n), generate


@intrinsic
def _blur(typing, new, i, old, n1, n2, column):
    """new[i, column:] = old[i, column:] + (old[n1, column:] + old[n2, column:]) / 2, LANES elements."""

    def generate(context, builder, signature, args):
        new, i, old, n1, n2, column = args
        kind = signature.args[0]
        align = kind.dtype.bitwidth // 8
        target = _place(context, builder, kind, new, i, column)
        rows = [_place(context, builder, signature.args[2], old, r, column) for r in (i, n1, n2)]
        centre, left, right = (builder.load(row, align=align) for row in rows)
        half = ir.Constant(centre.type, [0.5] * LANES)
        both = builder.fmul(half, builder.fadd(left, right), flags=["contract"])
        builder.store(builder.fadd(centre, both, flags=["contract"]), target, align=align)
        return context.get_dummy_value()

    return types.void(new, types.intp, old, types.intp, types.intp, types.intp), generate


@njit(inline="always")
def add_row(out, i, table, j, w):
    """out[i] += w * table[j]: C-contiguous matrices of equal, padded width."""
    for column in range(0, out.shape[1], LANES):
        _add(out, i, table, j, w, column)


@njit(inline="always")
def gather_row(out, i, table, vertex, weight, point, scale):
    """out[i] += scale * sum_k weight[point, k] * table[vertex[point, k]]."""
    for column in range(0, out.shape[1], LANES):
        _gather(out, i, table, vertex, weight, point, scale, column)


@njit(inline="always")
def scatter_row(out, vertex, weight, point, values, i, scale):
    """out[vertex[point, k]] += weight[point, k] * scale * values[i] for every k; out may have the wider type."""
    for column in range(0, out.shape[1], LANES):
        _scatter(out, vertex, weight, point, values, i, scale, column)


@njit(inline="always")
def blur_row(new, i, old, n1, n2):
    """new[i] = old[i] + (old[n1] + old[n2]) / 2."""
    for column in range(0, new.shape[1], LANES):
        _blur(new, i, old, n1, n2, column)
