"""Every second number of a row: the odd ones alone, and two rows into one."""

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from .vector import Vector, load
from .vector import _address as address


@intrinsic
def _store_pair(typing, array, start, even, odd):
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
        _store_pair(y, y0 + 2 * q, load(x, even + q), load(x, odd + q))
        q += lanes
    for j in range(2 * q, n):
        y[y0 + j] = x[odd + j // 2] if j % 2 else x[even + j // 2]
