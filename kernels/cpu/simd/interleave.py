"""Two vectors taken apart into their even and odd numbers, and woven together again.

Shuffles that stay within parts of 128 bits are the fast ones, so even and odd numbers are taken part by part, which leaves
them out of order. Sums may stay so until they are stored; a vector to be multiplied by them follows by `apart`:

    0 1 2 3 | 4 5 6 7    8 9 a b | c d e f    ->    evens 0 2 8 a | 4 6 c e,  odds 1 3 9 b | 5 7 d f
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ..runtime.jit import inlined
from .vector import Vector, address, lanes_of, load


def even_lanes(dtype):
    """(even numbers of two vectors, part by part; their places among all even numbers)."""
    lanes, part = Vector(dtype).lanes, 128 // dtype.bitwidth
    even = [start + k for q in range(0, lanes, part) for start in (q, q + lanes) for k in range(0, part, 2)]
    return even, [k // 2 for k in even]


def integers(numbers):
    """A constant vector of 32-bit numbers."""
    numbers = list(numbers)
    return ir.Constant(ir.VectorType(ir.IntType(32), len(numbers)), numbers)


def _mix(builder, a, b, lanes):
    return builder.shuffle_vector(a, b, integers(lanes))


def _of_one(lanes_taken):
    """An intrinsic: the numbers of a vector in another order."""

    @intrinsic
    def mixed(typing, a):
        def codegen(context, builder, signature, args):
            return _mix(builder, args[0], args[0], lanes_taken(even_lanes(a.dtype)[1]))

        return a(a), codegen

    return mixed


def _of_two(odd):
    """An intrinsic: every second number of two vectors, part by part."""

    @intrinsic
    def mixed(typing, a, b):
        def codegen(context, builder, signature, args):
            return _mix(builder, *args, [k + odd for k in even_lanes(a.dtype)[0]])

        return a(a, b), codegen

    return mixed


evens, odds = _of_two(0), _of_two(1)
apart = _of_one(lambda order: order)
in_order = _of_one(lambda order: [order.index(k) for k in range(len(order))])


@inlined
def load_apart(x, start):
    """x[start : start + 2 lanes : 2] and the numbers between them, both part by part."""
    a, b = load(x, start), load(x, start + lanes_of(x))
    return evens(a, b), odds(a, b)


@intrinsic
def store_pair(typing, array, start, even, odd):
    """array[start : start + 2 lanes : 2] = even, and odd between them."""

    def codegen(context, builder, signature, args):
        n, array_type = even.lanes, signature.args[0]
        for half in (0, 1):
            value = _mix(builder, args[2], args[3], [k // 2 + half * n // 2 + k % 2 * n for k in range(n)])
            at = builder.add(args[1], ir.Constant(args[1].type, half * n))
            builder.store(value, address(context, builder, array_type, args[0], at), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, even, odd), codegen
