"""Operations of the permutohedral lattice on rows of channels: scatter to a point's corners, gather, blur, sum of parts."""

from typing import NamedTuple

import numpy as np
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from .rows import Matrix, multiply_add


class Corners(NamedTuple):
    """The vertices around every point (N, d + 1), and its barycentric weights."""

    vertex: np.ndarray
    weight: np.ndarray


def _corners(builder, vertex, weight, point, body):
    """body(row, weight) for every corner of a point: unrolled for 3 and 6 corners, those of positions and of colours."""

    def corner(k):
        body(builder.sext(vertex.number(point, k), k.type), weight.number(point, k))

    count, usual = vertex.columns, (3, 6)
    for n in usual:
        with builder.if_then(builder.icmp_signed("==", count, count.type(n))):
            for k in range(n):
                corner(count.type(k))
    other = builder.and_(*(builder.icmp_signed("!=", count, count.type(n)) for n in usual))
    with builder.if_then(other), cgutils.for_range(builder, count) as loop:
        corner(loop.index)


def _columns(builder, matrix, lane, body):
    """body(column) for the first column of every vector of the matrix's rows."""
    index = matrix.columns.type
    with cgutils.for_range_slice(builder, index(0), matrix.columns, index(lane.count), index) as (column, _):
        body(column)


def _tables(context, builder, kind, corners, lane):
    """The matrices vertex and weight of a `Corners`."""
    arrays = ((kind.types[k], builder.extract_value(corners, k)) for k in (0, 1))
    return (Matrix(context, builder, array_kind, array, lane) for array_kind, array in arrays)


@intrinsic
def scatter_row(typing, out, corners, point, values, i, scale, lane):
    """out[vertex[point, k]] += weight[point, k] * scale * values[i] for every k, in the type of out, which may be wider."""

    def generate(context, builder, signature, args):
        kinds = signature.args
        out, values = (Matrix(context, builder, kinds[k], args[k], lane) for k in (0, 3))
        vertex, weight = _tables(context, builder, kinds[1], args[1], lane)
        point, i, scale = args[2], args[4], args[5]

        def body(column):
            row = out.widened(builder.fmul(values.broadcast(scale, kinds[5]), values.load(i, column)))

            def add(j, w):
                out.store(multiply_add(builder, out.broadcast(w, weight.kind), row, out.load(j, column)), j, column)

            _corners(builder, vertex, weight, point, add)

        _columns(builder, out, lane, body)
        return context.get_dummy_value()

    n = types.intp
    return types.void(out, corners, n, values, n, scale, lane), generate


@intrinsic
def gather_row(typing, out, i, table, corners, point, scale, lane):
    """out[i] += scale * sum_k weight[point, k] * table[vertex[point, k]]; the sum stays in a register."""

    def generate(context, builder, signature, args):
        kinds = signature.args
        out, table = (Matrix(context, builder, kinds[k], args[k], lane) for k in (0, 2))
        vertex, weight = _tables(context, builder, kinds[3], args[3], lane)
        i, point, scale = args[1], args[4], args[5]
        total = cgutils.alloca_once(builder, out.vector)

        def body(column):
            builder.store(out.vector([0.0] * lane.count), total)

            def add(j, w):
                w = out.broadcast(w, weight.kind)
                builder.store(multiply_add(builder, w, table.load(j, column), builder.load(total)), total)

            _corners(builder, vertex, weight, point, add)
            factor = out.broadcast(scale, kinds[5])
            out.store(multiply_add(builder, factor, builder.load(total), out.load(i, column)), i, column)

        _columns(builder, out, lane, body)
        return context.get_dummy_value()

    n = types.intp
    return types.void(out, n, table, corners, n, scale, lane), generate


@intrinsic
def _blur(typing, new, i, old, n1, n2, column, lane):
    """new[i, column:] = old[i, column:] + (old[n1, column:] + old[n2, column:]) / 2, one vector."""

    def generate(context, builder, signature, args):
        new, old = (Matrix(context, builder, signature.args[k], args[k], lane) for k in (0, 2))
        _, i, _, n1, n2, column, _ = args
        both = builder.fadd(old.load(n1, column), old.load(n2, column))
        new.store(multiply_add(builder, new.vector([0.5] * lane.count), both, old.load(i, column)), i, column)
        return context.get_dummy_value()

    n = types.intp
    return types.void(new, n, old, n, n, n, lane), generate


@intrinsic
def _collect(typing, table, m, sums, factor, column, lane):
    """table[m, column:] = factor[0, column:] * sum_p sums[m + p (M + 1), column:], one vector, summed in the type of sums."""

    def generate(context, builder, signature, args):
        table, sums, factor = (Matrix(context, builder, signature.args[k], args[k], lane) for k in (0, 2, 3))
        _, m, _, _, column, _ = args
        total = cgutils.alloca_once_value(builder, sums.vector([0.0] * lane.count))
        with cgutils.for_range_slice(builder, m, sums.rows, table.rows, m.type) as (row, _):
            builder.store(builder.fadd(builder.load(total), sums.load(row, column)), total)
        total = builder.load(total)
        total = total if sums.vector == table.vector else builder.fptrunc(total, table.vector)
        table.store(builder.fmul(factor.load(m.type(0), column), total), m, column)
        return context.get_dummy_value()

    n = types.intp
    return types.void(table, n, sums, factor, n, lane), generate


@njit(inline="always")
def collect_row(table, m, sums, factor, lane):
    """table[m] = factor * sum_p sums[p, m], with factor (1, W) and the parts of sums in one matrix (parts (M + 1), W)."""
    for column in range(0, table.shape[1], len(lane)):
        _collect(table, m, sums, factor, column, lane)


@njit(inline="always")
def blur_row(new, i, old, n1, n2, lane):
    """new[i] = old[i] + (old[n1] + old[n2]) / 2."""
    for column in range(0, new.shape[1], len(lane)):
        _blur(new, i, old, n1, n2, column, lane)
