"""Max-pooling of 2x2 or 3x3 windows at stride 2 in vectors, and for 2x2 windows the gather and the scatter at its index.

Neighbours in a row lie in one register but have to be compared: even and odd columns are deinterleaved (interleave.py), which
permutes the windows, and only the two results, maximum and position, are permuted back. A plain loop is about half as fast:
LLVM permutes the inputs, counts positions in 64 bits and tests in every row whether arrays overlap. In the scatter every
window writes its four numbers, three of them 0: nothing is zeroed first, and memory is written in order.
"""

import numpy as np
from llvmlite import ir
from numba import prange, types
from numba.extending import intrinsic

from ..runtime.jit import inner, kernel
from ..runtime.threads import threads_for
from ..simd.interleave import deinterleave_lanes, index_vector
from ..simd.llvm import broadcast_ir
from ..simd.vector import VECTOR_BYTES, address, lanes_of
from .window import Sizes, sizes_of

_i32 = ir.IntType(32)


def _corners(builder, first, order):
    """first + 2 window: the positions of the windows' upper left numbers in the plane."""
    first = broadcast_ir(builder, ir.VectorType(_i32, len(order)), builder.trunc(first, _i32))
    return builder.add(first, index_vector(2 * window for window in order))


def _places(context, builder, array_type, array, start, lanes):
    """Address of array[start : start + lanes] of a flat array of int32, as a vector."""
    pointer = builder.gep(context.make_array(array_type)(context, builder, array).data, [start])
    return builder.bitcast(pointer, ir.VectorType(_i32, lanes).as_pointer())


def _largest_of(rows, columns):
    """The largest in a vector of windows of this size, as a function that kernels can call."""

    @intrinsic
    def largest(typing, x, upper, W, y, index, out, first):
        def codegen(context, builder, signature, args):
            x, upper, W, y, index, out, first = args
            x_type, y_type, index_type = (signature.args[k] for k in (0, 3, 4))
            even, order = deinterleave_lanes(x_type.dtype)
            lanes = len(order)
            kind = ir.VectorType(_i32, lanes)
            more = lambda start, n: builder.add(start, ir.Constant(start.type, n))

            def larger(a, b):
                better = builder.or_(builder.fcmp_ordered(">", b, a), builder.fcmp_unordered("uno", b, b))
                return builder.select(better, b, a), better

            def column(start, k):
                starts = more(start, k // 2), more(start, k // 2 + lanes)  # the third column: odd ones of one further
                pair = [builder.load(address(context, builder, x_type, x, s), align=4) for s in starts]
                return builder.shuffle_vector(*pair, index_vector(n + (k > 0) for n in even))

            def row(start):
                """(largest, minus the steps along the row to it): true, as a number, is -1."""
                value, right = larger(column(start, 0), column(start, 1))
                steps = builder.sext(right, kind)
                for k in range(2, columns):
                    value, right = larger(value, column(start, k))
                    steps = builder.select(right, index_vector([-k] * lanes), steps)
                return value, steps

            value, steps = row(upper)
            for r in range(1, rows):
                down = builder.mul(W, ir.Constant(W.type, r))
                below, along = row(builder.add(upper, down))
                value, lower = larger(value, below)
                along = builder.sub(along, broadcast_ir(builder, kind, builder.trunc(down, _i32)))
                steps = builder.select(lower, along, steps)
            place = builder.sub(_corners(builder, first, order), steps)
            in_order = index_vector(order.index(window) for window in range(lanes))
            value, place = (builder.shuffle_vector(v, v, in_order) for v in (value, place))
            builder.store(value, address(context, builder, y_type, y, out), align=4)
            builder.store(place, _places(context, builder, index_type, index, out, lanes), align=4)
            return context.get_dummy_value()

        i = types.intp
        return types.void(x, i, i, y, index, i, i), codegen

    largest.__doc__ = f"""y[out:], index[out:] = the largest in {rows}x{columns} windows of x, whose rows begin at upper + k W.

    Positions count from `first`, that of x[upper]; a tie keeps the first, NaN the last.
    """
    return largest


_largest_2x2, _largest_2x3, _largest_3x3 = (_largest_of(*size) for size in ((2, 2), (2, 3), (3, 3)))


@intrinsic
def _scatter(typing, y, index, at, x, upper, W, first):
    """x[upper:], x[upper + W:] = y[at:] where index[at:] says, elsewhere 0; True if every index lies in its window."""

    def codegen(context, builder, signature, args):
        y, index, at, x, upper, W, first = args
        y_type, index_type, x_type = (signature.args[k] for k in (0, 1, 3))
        part, (_, order) = 128 // y_type.dtype.bitwidth, deinterleave_lanes(y_type.dtype)
        lanes, W32 = len(order), builder.trunc(W, _i32)
        value = builder.load(address(context, builder, y_type, y, at), align=4)
        place = builder.load(_places(context, builder, index_type, index, at, lanes), align=4)
        value, place = (builder.shuffle_vector(v, v, index_vector(order)) for v in (value, place))
        steps, hits = builder.sub(place, _corners(builder, first, order)), []
        for start, step in ((upper, ir.Constant(_i32, 0)), (builder.add(upper, W), W32)):
            columns = []
            for along in (step, builder.add(step, ir.Constant(_i32, 1))):
                hits.append(builder.icmp_signed("==", steps, broadcast_ir(builder, steps.type, along)))
                columns.append(builder.select(hits[-1], value, ir.Constant(value.type, None)))
            for half in (0, part // 2):  # this half of each part, left and right by turns
                taken = (q + half + k // 2 + k % 2 * lanes for q in range(0, lanes, part) for k in range(part))
                begin = builder.add(start, ir.Constant(start.type, lanes if half else 0))
                mixed = builder.shuffle_vector(*columns, index_vector(taken))
                builder.store(mixed, address(context, builder, x_type, x, begin), align=4)
        inside = builder.or_(builder.or_(hits[0], hits[1]), builder.or_(hits[2], hits[3]))
        return builder.icmp_signed("==", builder.bitcast(inside, ir.IntType(lanes)), ir.Constant(ir.IntType(lanes), -1))

    i = types.intp
    return types.boolean(y, index, i, x, i, i, i), codegen


@intrinsic
def _gather(typing, x, upper, W, index, at, first, y):
    """y[at:] = x[upper:] or x[upper + W:] where index[at:] says; True if every index lies in its window."""

    def codegen(context, builder, signature, args):
        x, upper, W, index, at, first, y = args
        x_type, index_type, y_type = (signature.args[k] for k in (0, 3, 6))
        even, order = deinterleave_lanes(x_type.dtype)
        lanes, W32 = len(order), builder.trunc(W, _i32)
        place = builder.load(_places(context, builder, index_type, index, at, lanes), align=4)
        place = builder.shuffle_vector(place, place, index_vector(order))
        steps, inside, value = builder.sub(place, _corners(builder, first, order)), None, None
        for start, step in ((upper, ir.Constant(_i32, 0)), (builder.add(upper, W), W32)):
            starts = start, builder.add(start, ir.Constant(start.type, lanes))
            pair = [builder.load(address(context, builder, x_type, x, s), align=4) for s in starts]
            for odd in (0, 1):
                along = builder.add(step, ir.Constant(_i32, odd))
                hit = builder.icmp_signed("==", steps, broadcast_ir(builder, steps.type, along))
                column = builder.shuffle_vector(*pair, index_vector(k + odd for k in even))
                value = builder.select(hit, column, value) if value else column
                inside = builder.or_(inside, hit) if inside else hit
        in_order = index_vector(order.index(window) for window in range(lanes))
        value = builder.shuffle_vector(value, value, in_order)
        builder.store(value, address(context, builder, y_type, y, at), align=4)
        return builder.icmp_signed("==", builder.bitcast(inside, ir.IntType(lanes)), ir.Constant(ir.IntType(lanes), -1))

    i = types.intp
    return types.boolean(x, i, i, index, i, i, y), codegen


@kernel
def _largest_rows(T, x, y, index, sizes: Sizes):
    H, W, Ho, Wo = sizes
    R, lanes = y.size // Wo, lanes_of(x)
    for t in prange(T):
        for r in range(t * R // T, (t + 1) * R // T):
            p, i = r // Ho, r % Ho
            for k in range(0, Wo, lanes):
                j = min(k, Wo - lanes)  # the last vector overlaps the one before it
                _largest_2x2(x, (p * H + 2 * i) * W + 2 * j, W, y, index, r * Wo + j, 2 * (i * W + j))


@inner
def _largest_one(x, plane, rows, left, right, W):
    """(the largest, its position) of one window that extends beyond the end of a row."""
    first = rows[0] * W + left
    m, at = x[plane + first], first
    for h in range(rows[0], rows[1]):
        for w in range(left, right):
            v = x[plane + h * W + w]
            better = (v > m) | (v != v)
            m, at = v if better else m, h * W + w if better else at
    return m, at


@kernel
def _largest_overlapping(T, x, y, index, sizes: Sizes):
    H, W, Ho, Wo = sizes
    R, lanes = y.size // Wo, lanes_of(x)
    stop = Wo - W % 2  # windows from 1 on lie between the ends of a row
    for t in prange(T):
        for r in range(t * R // T, (t + 1) * R // T):
            plane, i = r // Ho * H * W, r % Ho
            rows = max(2 * i - 1, 0), min(2 * i + 2, H)
            for k in range(1, stop, lanes):
                j = min(k, stop - lanes)
                first = rows[0] * W + 2 * j - 1
                if rows[1] - rows[0] == 3:
                    _largest_3x3(x, plane + first, W, y, index, r * Wo + j, first)
                else:
                    _largest_2x3(x, plane + first, W, y, index, r * Wo + j, first)
            y[r * Wo], index[r * Wo] = _largest_one(x, plane, rows, 0, 2, W)
            if stop < Wo:
                y[r * Wo + stop], index[r * Wo + stop] = _largest_one(x, plane, rows, W - 2, W, W)


@kernel
def _gather_rows(T, x, index, y, sizes: Sizes, done):
    H, W, Ho, Wo = sizes
    R, lanes = y.size // Wo, lanes_of(x)
    for t in prange(T):
        inside = True
        for r in range(t * R // T, (t + 1) * R // T):
            p, i = r // Ho, r % Ho
            for k in range(0, Wo, lanes):
                j = min(k, Wo - lanes)
                first = 2 * (i * W + j)
                inside &= _gather(x, p * H * W + first, W, index, r * Wo + j, first, y)
        done[t] = inside


@kernel
def _scatter_planes(T, y, index, x, sizes: Sizes, done):
    H, W, Ho, Wo = sizes
    P, lanes = done.size, lanes_of(y)
    for t in prange(T):
        for p in range(t * P // T, (t + 1) * P // T):
            inside, i = True, 0
            while inside and i < Ho:
                at = (p * H + 2 * i) * W
                for k in range(0, Wo, lanes):
                    j = min(k, Wo - lanes)
                    inside &= _scatter(y, index, (p * Ho + i) * Wo + j, x, at + 2 * j, W, 2 * (i * W + j))
                if 2 * Wo < W:
                    x[at + W - 1], x[at + 2 * W - 1] = 0, 0
                i += 1
            for k in range((p * H + 2 * Ho) * W, (p * H + H) * W):
                x[k] = 0
            done[p] = inside


def halves(x_size, y):
    """Whether planes of x_size = (H, W) fall into the 2x2 windows of y, and a row of y fills a vector."""
    fills = y.dtype in (np.float32, np.float64) and y.shape[-1] * y.itemsize >= VECTOR_BYTES
    return fills and y.shape[-2:] == (x_size[0] // 2, x_size[1] // 2)


def overlapping(x_size, y):
    """Whether planes of x_size fall into the 3x3 windows of y, and those between the ends of a row fill a vector."""
    (H, W), (Ho, Wo) = x_size, y.shape[-2:]
    fills = y.dtype in (np.float32, np.float64) and (Wo - 1 - W % 2) * y.itemsize >= VECTOR_BYTES
    return fills and H > 1 and (Ho, Wo) == ((H + 1) // 2, (W + 1) // 2)


def largest_by_halves(x, y, index, overlap):
    """Writes y and index of max-pooling at stride 2, 2x2, or 3x3 with padding 1 where windows overlap."""
    pool = _largest_overlapping if overlap else _largest_rows
    pool(threads_for(x.size), x.reshape(-1), y.reshape(-1), index.reshape(-1), sizes_of(x, y))


def gather_by_halves(x, index, y):
    """y = x at index. False if an index lies outside its 2x2 window: y is then not valid."""
    T = threads_for(x.size)
    done = np.empty(T, np.bool_)
    _gather_rows(T, x.reshape(-1), index.reshape(-1), y.reshape(-1), sizes_of(x, y), done)
    return done.all()


def scatter_by_halves(y, index, x):
    """x = y at index, elsewhere 0. False if an index lies outside its 2x2 window: x is then not valid."""
    done = np.empty(y.shape[0] * y.shape[1], np.bool_)
    flat = (a.reshape(-1) for a in (y, index, x))
    _scatter_planes(threads_for(x.size), *flat, sizes_of(x, y), done)
    return done.all()
