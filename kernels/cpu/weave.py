"""Every second number of a row: the odd ones alone, even and odd ones apart, and two rows into one.

Shuffles that stay within parts of 128 bits are the fast ones, so `load_apart` works part by part, which leaves its numbers
out of order; a sum or a maximum of them is put `in_order` once, before it is stored:

    0 1 2 3 | 4 5 6 7    8 9 a b | c d e f    ->    even 0 2 8 a | 4 6 c e,  odd 1 3 9 b | 5 7 d f
"""

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from .vector import Vector, load
from .vector import _address as address


def integers(numbers):
    """A constant vector of 32-bit numbers."""
    numbers = list(numbers)
    return ir.Constant(ir.VectorType(ir.IntType(32), len(numbers)), numbers)


def apart(dtype):
    """(even numbers of two registers, part by part; their places if they were in order)."""
    lanes, part = Vector(dtype).lanes, 128 // dtype.bitwidth
    even = [start + k for q in range(0, lanes, part) for start in (q, q + lanes) for k in range(0, part, 2)]
    return even, [k // 2 for k in even]


@intrinsic
def load_apart(typing, array, start):
    """array[start : start + 2 lanes : 2] and the numbers between them, both out of order."""

    def codegen(context, builder, signature, args):
        array_type, (even, _) = signature.args[0], apart(array.dtype)
        starts = args[1], builder.add(args[1], ir.Constant(args[1].type, len(even)))
        pair = [builder.load(address(context, builder, array_type, args[0], at), align=4) for at in starts]
        sides = [builder.shuffle_vector(*pair, integers(k + odd for k in even)) for odd in (0, 1)]
        return context.make_tuple(builder, signature.return_type, sides)

    return types.UniTuple(Vector(array.dtype), 2)(array, types.intp), codegen


@intrinsic
def in_order(typing, vector):
    """What came of a `load_apart`, in the order of memory."""

    def codegen(context, builder, signature, args):
        _, order = apart(vector.dtype)
        return builder.shuffle_vector(args[0], args[0], integers(order.index(k) for k in range(len(order))))

    return vector(vector), codegen


@intrinsic
def store_pair(typing, array, start, even, odd):
    """array[start : start + 2 lanes : 2] = even, and odd between them."""

    def codegen(context, builder, signature, args):
        n, array_type = even.lanes, signature.args[0]
        for half in (0, 1):
            mix = [k // 2 + half * n // 2 + k % 2 * n for k in range(n)]
            value = builder.shuffle_vector(args[2], args[3], ir.Constant(ir.VectorType(ir.IntType(32), n), mix))
            at = builder.add(args[1], ir.Constant(args[1].type, half * n))
            builder.store(value, address(context, builder, array_type, args[0], at), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, even, odd), codegen


@intrinsic
def load_other(typing, array, start):
    """array[start + 1 : start + 2 lanes : 2]: the numbers that `load_second` leaves out."""

    def codegen(context, builder, signature, args):
        n, array_type = Vector(array.dtype).lanes, signature.args[0]
        starts = args[1], builder.add(args[1], ir.Constant(args[1].type, n))
        pair = [builder.load(address(context, builder, array_type, args[0], at), align=4) for at in starts]
        odd = ir.Constant(ir.VectorType(ir.IntType(32), n), list(range(1, 2 * n, 2)))
        return builder.shuffle_vector(*pair, odd)

    return Vector(array.dtype)(array, types.intp), codegen


@njit(cache=True, forceinline=True)
def weave(x, even, odd, n, y, y0, lanes):
    """y[y0 + 2 q] = x[even + q], y[y0 + 2 q + 1] = x[odd + q] for the n numbers of a row."""
    q = 0
    while 2 * (q + lanes) <= n:
        store_pair(y, y0 + 2 * q, load(x, even + q), load(x, odd + q))
        q += lanes
    for j in range(2 * q, n):
        y[y0 + j] = x[odd + j // 2] if j % 2 else x[even + j // 2]
