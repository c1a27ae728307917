"""Max-pooling by halves, 2x2 windows at stride 2, in vectors: the largest of four numbers, and the way back.

Neighbours in a row lie in one register but have to be compared. Shuffles that stay within parts of 128 bits are the fast
ones, so even and odd columns are taken apart part by part, which leaves the windows out of order:

    0 1 2 3 | 4 5 6 7    8 9 a b | c d e f    ->    even 0 2 8 a | 4 6 c e,  odd 1 3 9 b | 5 7 d f

Only the two results, maximum and position, are put in order. LLVM, given a plain loop, orders the four inputs, counts
positions in 64 bits and asks in every row whether arrays overlap: 0.70 ms for 128 planes of 128 x 128 on one Zen 3 core,
here 0.33 ms. On the way back every window writes its four numbers, three of them 0: nothing is zeroed first, and memory
is written in order: 0.69 ms with a scatter, here 0.33 ms.
"""

import numpy as np
from llvmlite import ir
from numba import prange, types
from numba.extending import intrinsic

from .microkernel import VECTOR_BYTES
from .team import kernel, team
from .vector import Vector, _address, _splat, lanes_of

_i32 = ir.IntType(32)


def _integers(numbers):
    numbers = list(numbers)
    return ir.Constant(ir.VectorType(_i32, len(numbers)), numbers)


def _apart(dtype):
    """(even columns of two registers, part by part; the windows in that order)."""
    lanes, part = Vector(dtype).lanes, 128 // dtype.bitwidth
    even = [start + k for q in range(0, lanes, part) for start in (q, q + lanes) for k in range(0, part, 2)]
    return even, [k // 2 for k in even]


def _corners(builder, first, order):
    """first + 2 window: the positions of the windows' upper left numbers in the plane."""
    first = _splat(builder, ir.VectorType(_i32, len(order)), builder.trunc(first, _i32))
    return builder.add(first, _integers(2 * window for window in order))


def _places(context, builder, array_type, array, start, lanes):
    """Address of array[start : start + lanes] of a flat array of int32, as a vector."""
    pointer = builder.gep(context.make_array(array_type)(context, builder, array).data, [start])
    return builder.bitcast(pointer, ir.VectorType(_i32, lanes).as_pointer())


@intrinsic
def _largest(typing, x, upper, W, y, index, out, first):
    """y[out:], index[out:] = the largest in windows of x[upper:], x[upper + W:]; a tie keeps the first, NaN the last."""

    def codegen(context, builder, signature, args):
        x, upper, W, y, index, out, first = args
        x_type, y_type, index_type = (signature.args[k] for k in (0, 3, 4))
        even, order = _apart(x_type.dtype)
        lanes = len(order)
        kind = ir.VectorType(_i32, lanes)

        def larger(a, b):
            better = builder.or_(builder.fcmp_ordered(">", b, a), builder.fcmp_unordered("uno", b, b))
            return builder.select(better, b, a), better

        def row(start):
            starts = start, builder.add(start, ir.Constant(start.type, lanes))
            pair = [builder.load(_address(context, builder, x_type, x, s), align=4) for s in starts]
            return larger(*[builder.shuffle_vector(*pair, _integers(k + odd for k in even)) for odd in (0, 1)])

        (a, a_right), (b, b_right) = row(upper), row(builder.add(upper, W))
        value, lower = larger(a, b)
        # true extends to -1, so steps are subtracted: 0 or -1 along the row, -W more down the column
        down = builder.sub(builder.sext(b_right, kind), _splat(builder, kind, builder.trunc(W, _i32)))
        steps = builder.select(lower, down, builder.sext(a_right, kind))
        place = builder.sub(_corners(builder, first, order), steps)
        in_order = _integers(order.index(window) for window in range(lanes))
        value, place = (builder.shuffle_vector(v, v, in_order) for v in (value, place))
        builder.store(value, _address(context, builder, y_type, y, out), align=4)
        builder.store(place, _places(context, builder, index_type, index, out, lanes), align=4)
        return context.get_dummy_value()

    i = types.intp
    return types.void(x, i, i, y, index, i, i), codegen


@intrinsic
def _spread(typing, y, index, at, x, upper, W, first):
    """x[upper:], x[upper + W:] = y[at:] where index[at:] says, elsewhere 0; True if every index lies in its window."""

    def codegen(context, builder, signature, args):
        y, index, at, x, upper, W, first = args
        y_type, index_type, x_type = (signature.args[k] for k in (0, 1, 3))
        part, (_, order) = 128 // y_type.dtype.bitwidth, _apart(y_type.dtype)
        lanes, W32 = len(order), builder.trunc(W, _i32)
        value = builder.load(_address(context, builder, y_type, y, at), align=4)
        place = builder.load(_places(context, builder, index_type, index, at, lanes), align=4)
        value, place = (builder.shuffle_vector(v, v, _integers(order)) for v in (value, place))
        steps, hits = builder.sub(place, _corners(builder, first, order)), []
        for start, step in ((upper, ir.Constant(_i32, 0)), (builder.add(upper, W), W32)):
            columns = []
            for along in (step, builder.add(step, ir.Constant(_i32, 1))):
                hits.append(builder.icmp_signed("==", steps, _splat(builder, steps.type, along)))
                columns.append(builder.select(hits[-1], value, ir.Constant(value.type, None)))
            for half in (0, part // 2):  # this half of each part, left and right by turns
                taken = (q + half + k // 2 + k % 2 * lanes for q in range(0, lanes, part) for k in range(part))
                begin = builder.add(start, ir.Constant(start.type, lanes if half else 0))
                mixed = builder.shuffle_vector(*columns, _integers(taken))
                builder.store(mixed, _address(context, builder, x_type, x, begin), align=4)
        inside = builder.or_(builder.or_(hits[0], hits[1]), builder.or_(hits[2], hits[3]))
        return builder.icmp_signed("==", builder.bitcast(inside, ir.IntType(lanes)), ir.Constant(ir.IntType(lanes), -1))

    i = types.intp
    return types.boolean(y, index, i, x, i, i, i), codegen


@kernel
def _largest_rows(T, x, y, index, H, W, Ho, Wo):
    R, lanes = y.size // Wo, lanes_of(x)
    for t in prange(T):
        for r in range(t * R // T, (t + 1) * R // T):
            p, i = r // Ho, r % Ho
            for k in range(0, Wo, lanes):
                j = min(k, Wo - lanes)  # the last vector overlaps the one before it
                _largest(x, (p * H + 2 * i) * W + 2 * j, W, y, index, r * Wo + j, 2 * (i * W + j))


@kernel
def _spread_planes(T, y, index, x, H, W, Ho, Wo, done):
    P, lanes = done.size, lanes_of(y)
    for t in prange(T):
        for p in range(t * P // T, (t + 1) * P // T):
            inside, i = True, 0
            while inside and i < Ho:
                at = (p * H + 2 * i) * W
                for k in range(0, Wo, lanes):
                    j = min(k, Wo - lanes)
                    inside &= _spread(y, index, (p * Ho + i) * Wo + j, x, at + 2 * j, W, 2 * (i * W + j))
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


def largest_by_halves(x, y, index):
    """Writes y and index of max-pooling, 2x2 at stride 2."""
    _largest_rows(team(x.size), x.reshape(-1), y.reshape(-1), index.reshape(-1), *x.shape[-2:], *y.shape[-2:])


def spread_by_halves(y, index, x):
    """x = y at index, elsewhere 0. False if an index lies outside its 2x2 window: x then holds nothing of use."""
    done = np.empty(y.shape[0] * y.shape[1], np.bool_)
    flat = (a.reshape(-1) for a in (y, index, x))
    _spread_planes(team(x.size), *flat, *x.shape[-2:], *y.shape[-2:], done)
    return done.all()
