"""What the permutohedral lattice does with rows of channels: scatter a point's to its corners, gather, blur, collect."""

from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from .rows import Matrix, multiply_add


def _corners(builder, vertex, weight, point, body):
    """body(row, weight) for every corner of a point: straight code for 3 and 6 corners, those of positions and of colours."""

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


@intrinsic
def _scatter(typing, out, vertex, weight, point, values, i, scale, column, lane):
    """out[vertex[point, k], column:] += weight[point, k] * scale * values[i, column:] for every k, in the type of out."""

    def generate(context, builder, signature, args):
        kinds = signature.args
        out, vertex, weight, values = (Matrix(context, builder, kinds[k], args[k], lane) for k in (0, 1, 2, 4))
        point, i, scale, column = (args[k] for k in (3, 5, 6, 7))
        row = out.widened(builder.fmul(values.spread(scale, kinds[6]), values.load(i, column)))

        def add(j, w):
            out.store(multiply_add(builder, out.spread(w, weight.kind), row, out.load(j, column)), j, column)

        _corners(builder, vertex, weight, point, add)
        return context.get_dummy_value()

    n = types.intp
    return types.void(out, vertex, weight, n, values, n, scale, n, lane), generate


@intrinsic
def _gather(typing, out, i, table, vertex, weight, point, scale, column, lane):
    """out[i, column:] += scale * sum_k weight[point, k] * table[vertex[point, k], column:]; the sum stays in a register."""

    def generate(context, builder, signature, args):
        kinds = signature.args
        out, table, vertex, weight = (Matrix(context, builder, kinds[k], args[k], lane) for k in (0, 2, 3, 4))
        i, point, scale, column = (args[k] for k in (1, 5, 6, 7))
        total = cgutils.alloca_once_value(builder, out.vector([0.0] * lane.count))

        def add(j, w):
            w = out.spread(w, weight.kind)
            builder.store(multiply_add(builder, w, table.load(j, column), builder.load(total)), total)

        _corners(builder, vertex, weight, point, add)
        scale = out.spread(scale, kinds[6])
        out.store(multiply_add(builder, scale, builder.load(total), out.load(i, column)), i, column)
        return context.get_dummy_value()

    n = types.intp
    return types.void(out, n, table, vertex, weight, n, scale, n, lane), generate


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
    """table[m, column:] = factor[0, column:] * sum_b sums[m + b (M + 1), column:], one vector, summed in the type of sums."""

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
    """table[m] = factor * sum_b sums[b, m], with factor (1, W) and the bands of sums in one matrix (bands (M + 1), W)."""
    for column in range(0, table.shape[1], len(lane)):
        _collect(table, m, sums, factor, column, lane)


@njit(inline="always")
def gather_row(out, i, table, vertex, weight, point, scale, lane):
    """out[i] += scale * sum_k weight[point, k] * table[vertex[point, k]]."""
    for column in range(0, out.shape[1], len(lane)):
        _gather(out, i, table, vertex, weight, point, scale, column, lane)


@njit(inline="always")
def scatter_row(out, vertex, weight, point, values, i, scale, lane):
    """out[vertex[point, k]] += weight[point, k] * scale * values[i] for every k; out may have the wider type."""
    for column in range(0, out.shape[1], len(lane)):
        _scatter(out, vertex, weight, point, values, i, scale, column, lane)


@njit(inline="always")
def blur_row(new, i, old, n1, n2, lane):
    """new[i] = old[i] + (old[n1] + old[n2]) / 2."""
    for column in range(0, new.shape[1], len(lane)):
        _blur(new, i, old, n1, n2, column, lane)
