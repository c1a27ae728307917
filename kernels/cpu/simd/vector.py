"""A vector type for Numba: as many numbers as one register holds, with +, - and *.

LLVM turns a plain loop into vector instructions only if it can prove that no output overlaps an input. A transform that
reads six rows and writes six is beyond its proofs, so such code says itself what is a vector:

    v = load(x, i)                     # x[i : i + lanes] of a flat array
    store(y, j, v * v + broadcast(x, 2))
"""

import operator
from typing import NamedTuple

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

from ..runtime.jit import inlined
from .llvm import broadcast_ir, element_pointer

_features = llvmlite.binding.get_host_cpu_features()
VECTOR_BYTES = 64 if _features.get("avx512f") else 32 if _features.get("avx") else 16


class Rows(NamedTuple):
    """Rows in a flat array: row r starts at data[start + r stride], or at data[start + stride[r]] where stride is a table."""

    data: np.ndarray
    start: int
    stride: int


class Vector(types.Type):
    """Numba's type of a vector of `dtype`."""

    def __init__(self, dtype):
        self.dtype = dtype
        self.lanes = VECTOR_BYTES * 8 // dtype.bitwidth
        super().__init__(name=f"Vector({dtype}, {self.lanes})")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, vector):
        element = ir.FloatType() if vector.dtype.bitwidth == 32 else ir.DoubleType()
        super().__init__(manager, vector, ir.VectorType(element, vector.lanes))


def address(context, builder, array_type, array, start):
    """For `codegen`: a pointer to the vector that begins at array[start]."""
    pointer = element_pointer(context, builder, array_type, array, start)
    return builder.bitcast(pointer, context.get_value_type(Vector(array_type.dtype)).as_pointer())


@intrinsic
def lanes_of(typing, array):
    """How many of the array's elements a vector holds."""

    def codegen(context, builder, signature, args):
        return ir.Constant(ir.IntType(64), Vector(array.dtype).lanes)

    return types.intp(array), codegen


@intrinsic
def load(typing, array, start):
    """array[start : start + lanes] of a flat array."""

    def codegen(context, builder, signature, args):
        return builder.load(address(context, builder, signature.args[0], *args), align=4)

    return Vector(array.dtype)(array, types.intp), codegen


@intrinsic
def masked_load(typing, array, start, lo, hi):
    """array[start + k] in the lanes lo <= k < hi and zero in the others, which are not read and may lie outside the array."""

    def codegen(context, builder, signature, args):
        kind, pointer = context.get_value_type(signature.return_type), address(context, builder, array, *args[:2])
        index = ir.VectorType(args[1].type, kind.count)
        lanes = ir.Constant(index, list(range(kind.count)))
        lo, hi = (broadcast_ir(builder, index, bound) for bound in args[2:])
        mask = builder.and_(builder.icmp_signed(">=", lanes, lo), builder.icmp_signed("<", lanes, hi))
        of = ir.FunctionType(kind, [pointer.type, ir.IntType(32), mask.type, kind])
        name = f"llvm.masked.load.v{kind.count}f{array.dtype.bitwidth}.p0"
        read = cgutils.get_or_insert_function(builder.module, of, name)
        return builder.call(read, [pointer, ir.Constant(ir.IntType(32), 4), mask, ir.Constant(kind, None)])

    i = types.intp
    return Vector(array.dtype)(array, i, i, i), codegen


@intrinsic
def load_stride2(typing, array, start):
    """array[start : start + 2 lanes : 2]: loads two vectors and keeps every second number."""

    def codegen(context, builder, signature, args):
        kind, lanes = context.get_value_type(signature.return_type), signature.return_type.lanes
        following = builder.add(args[1], ir.Constant(args[1].type, lanes))
        at = lambda start: address(context, builder, signature.args[0], args[0], start)
        pair = [builder.load(at(start), align=4) for start in (args[1], following)]
        even = ir.Constant(ir.VectorType(ir.IntType(32), kind.count), list(range(0, 2 * lanes, 2)))
        return builder.shuffle_vector(*pair, even)

    return Vector(array.dtype)(array, types.intp), codegen


@intrinsic
def store(typing, array, start, value):
    """array[start : start + lanes] = value."""

    def codegen(context, builder, signature, args):
        builder.store(args[2], address(context, builder, signature.args[0], *args[:2]), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, value), codegen


@intrinsic
def broadcast(typing, array, scalar):
    """A vector of the array's type with the same number in all lanes."""

    def codegen(context, builder, signature, args):
        scalar = context.cast(builder, args[1], signature.args[1], array.dtype)
        return broadcast_ir(builder, context.get_value_type(signature.return_type), scalar)

    return Vector(array.dtype)(array, scalar), codegen


def _arithmetic(operation, instruction):
    """Vector with vector, lane by lane; or vector with scalar, which is broadcast."""

    @intrinsic
    def compute(typing, a, b):
        vector = a if isinstance(a, Vector) else b

        def codegen(context, builder, signature, args):
            values = []
            for kind, value in zip(signature.args, args):
                if not isinstance(kind, Vector):
                    scalar = context.cast(builder, value, kind, vector.dtype)
                    value = broadcast_ir(builder, context.get_value_type(vector), scalar)
                values.append(value)
            return getattr(builder, instruction)(*values, flags=("contract",))  # may fuse into multiply-add

        return vector(a, b), codegen

    @overload(operation)
    def typed(a, b):
        if isinstance(a, Vector) or isinstance(b, Vector):
            return lambda a, b: compute(a, b)


_arithmetic(operator.add, "fadd")
_arithmetic(operator.sub, "fsub")
_arithmetic(operator.mul, "fmul")


@intrinsic
def reduce_add(typing, vector, start):
    """start + the sum of a vector's lanes, added in pairs."""

    def codegen(context, builder, signature, args):
        kind = context.get_value_type(vector)
        name = f"llvm.vector.reduce.fadd.v{vector.lanes}f{vector.dtype.bitwidth}"
        reduce = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(kind.element, [kind.element, kind]), name
        )
        return builder.call(reduce, [args[1], args[0]], fastmath=("reassoc",))

    return vector.dtype(vector, vector.dtype), codegen


@inlined
def copy_run(source, s, target, t, count):
    """target[t : t + count] = source[s : s + count] of flat arrays; the last vector overlaps the one before it."""
    lanes = lanes_of(target)
    if count < lanes:
        for q in range(count):
            target[t + q] = source[s + q]
    else:
        for q in range(0, count - lanes, lanes):
            store(target, t + q, load(source, s + q))
        store(target, t + count - lanes, load(source, s + count - lanes))


@inlined
def clear_run(target, t, count):
    """target[t : t + count] = 0 of a flat array."""
    lanes = lanes_of(target)
    if count < lanes:
        for q in range(count):
            target[t + q] = 0
    else:
        zero = broadcast(target, 0)
        for q in range(0, count - lanes, lanes):
            store(target, t + q, zero)
        store(target, t + count - lanes, zero)
