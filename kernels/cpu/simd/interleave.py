"""Deinterleaving two vectors into their even and odd elements, and interleaving them again.

Shuffles within 128-bit parts of a register are the fast ones, so even and odd elements are taken part by part, which leaves
them in a permuted order ("evens order"). Sums may keep that order until they are stored, when `restore_order` undoes it; a
vector to be multiplied by them is brought into it by `permute_to_evens_order`:

    0 1 2 3 | 4 5 6 7    8 9 a b | c d e f    ->    evens 0 2 8 a | 4 6 c e,  odds 1 3 9 b | 5 7 d f
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ..runtime.jit import inlined
from .vector import Vector, address, lanes_of, load


def deinterleave_lanes(dtype):
    """(lanes of the even elements of two vectors in evens order, their positions among all even elements)."""
    lanes, part = Vector(dtype).lanes, 128 // dtype.bitwidth
    even = [start + k for q in range(0, lanes, part) for start in (q, q + lanes) for k in range(0, part, 2)]
    return even, [k // 2 for k in even]


def index_vector(numbers):
    """A constant vector of 32-bit integers."""
    numbers = list(numbers)
    return ir.Constant(ir.VectorType(ir.IntType(32), len(numbers)), numbers)


def _permutation(permute):
    """An intrinsic that permutes the lanes of one vector."""

    @intrinsic
    def permuted(typing, a):
        def codegen(context, builder, signature, args):
            return builder.shuffle_vector(args[0], args[0], index_vector(permute(deinterleave_lanes(a.dtype)[1])))

        return a(a), codegen

    return permuted


def _every_second(odd):
    """An intrinsic that takes every second element of two vectors, in evens order."""

    @intrinsic
    def taken(typing, a, b):
        def codegen(context, builder, signature, args):
            return builder.shuffle_vector(*args, index_vector(k + odd for k in deinterleave_lanes(a.dtype)[0]))

        return a(a, b), codegen

    return taken


evens, odds = _every_second(0), _every_second(1)
permute_to_evens_order = _permutation(lambda order: order)
restore_order = _permutation(lambda order: [order.index(k) for k in range(len(order))])


@inlined
def load_deinterleaved(x, start):
    """x[start : start + 2 lanes : 2] and the elements between them, both in evens order."""
    a, b = load(x, start), load(x, start + lanes_of(x))
    return evens(a, b), odds(a, b)


@intrinsic
def store_interleaved(typing, array, start, even, odd):
    """array[start : start + 2 lanes : 2] = even, and odd between them; both in natural order."""

    def codegen(context, builder, signature, args):
        n, array_type = even.lanes, signature.args[0]
        for half in (0, 1):
            lanes = index_vector(k // 2 + half * n // 2 + k % 2 * n for k in range(n))
            value = builder.shuffle_vector(args[2], args[3], lanes)
            at = builder.add(args[1], ir.Constant(args[1].type, half * n))
            builder.store(value, address(context, builder, array_type, args[0], at), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, even, odd), codegen
