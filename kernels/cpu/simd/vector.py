"""A vector type for Numba: as many numbers as one register holds, with +, - and *.

LLVM turns a plain loop into vector instructions only if it can prove that no output overlaps an input. A transform that
reads six rows and writes six is beyond its proofs, so such code says itself what is a vector:

    v = load(x, i)                     # x[i : i + lanes] of a flat array
    store(y, j, v * v + fill(x, 2))
"""

import operator

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

from ..runtime.jit import inlined
from .micro_kernel import VECTOR_BYTES

MOST_COLUMNS = 8  # of transpose_columns


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
    """For `codegen`: where the vector that begins at array[start] lies."""
    pointer = builder.gep(context.make_array(array_type)(context, builder, array).data, [start])
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
def load_between(typing, array, start, lo, hi):
    """array[start + k] in the lanes lo <= k < hi and zero in the others, which are not read: they may lie outside the array."""

    def codegen(context, builder, signature, args):
        kind, pointer = context.get_value_type(signature.return_type), address(context, builder, array, *args[:2])
        index = ir.VectorType(args[1].type, kind.count)
        lanes = ir.Constant(index, list(range(kind.count)))
        lo, hi = (_splat(builder, index, bound) for bound in args[2:])
        mask = builder.and_(builder.icmp_signed(">=", lanes, lo), builder.icmp_signed("<", lanes, hi))
        of = ir.FunctionType(kind, [pointer.type, ir.IntType(32), mask.type, kind])
        name = f"llvm.masked.load.v{kind.count}f{array.dtype.bitwidth}.p0"
        read = cgutils.get_or_insert_function(builder.module, of, name)
        return builder.call(read, [pointer, ir.Constant(ir.IntType(32), 4), mask, ir.Constant(kind, None)])

    i = types.intp
    return Vector(array.dtype)(array, i, i, i), codegen


@intrinsic
def load_second(typing, array, start):
    """array[start : start + 2 lanes : 2]: two vectors read, every second number kept."""

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


def _splat(builder, vector, scalar):
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), None)
    return builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), zeros)


@intrinsic
def fill(typing, array, scalar):
    """A vector of the array's type with the same number in all lanes."""

    def codegen(context, builder, signature, args):
        scalar = context.cast(builder, args[1], signature.args[1], array.dtype)
        return _splat(builder, context.get_value_type(signature.return_type), scalar)

    return Vector(array.dtype)(array, scalar), codegen


def _arithmetic(operation, instruction):
    """Vector with vector, lane by lane; or vector with scalar, which is spread over the lanes."""

    @intrinsic
    def compute(typing, a, b):
        vector = a if isinstance(a, Vector) else b

        def codegen(context, builder, signature, args):
            values = []
            for kind, value in zip(signature.args, args):
                if not isinstance(kind, Vector):
                    scalar = context.cast(builder, value, kind, vector.dtype)
                    value = _splat(builder, context.get_value_type(vector), scalar)
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


def _transposing(parts):
    @intrinsic
    def transposed(typing, a, a0, a_pitch, b, b0, b_pitch):
        def codegen(context, builder, signature, args):
            a_type, _, _, b_type, _, _ = signature.args
            a, a0, a_pitch, b, b0, b_pitch = args
            lanes, part = Vector(a_type.dtype).lanes, 128 // a_type.dtype.bitwidth
            kind = ir.VectorType(context.get_value_type(a_type.dtype), lanes // parts(lanes))
            row = lambda start, pitch, i: builder.add(start, builder.mul(pitch, ir.Constant(pitch.type, i)))
            index = ir.VectorType(ir.IntType(32), lanes)
            mix = lambda pair, lanes_taken: builder.shuffle_vector(*pair, ir.Constant(index, lanes_taken))

            def read(i):
                place = address(context, builder, a_type, a, row(a0, a_pitch, i))
                return builder.load(builder.bitcast(place, kind.as_pointer()), align=4)

            rows, half = [read(i) for i in range(lanes)], lanes // 2
            if kind.count < lanes:
                rows = [mix(pair, list(range(lanes))) for pair in zip(rows, rows[half:])]
                half //= 2
            while half >= part:
                low = [j + (lanes - half if j & half else 0) for j in range(lanes)]
                for i in range(len(rows)):
                    if not i & half:
                        pair = rows[i], rows[i + half]
                        rows[i], rows[i + half] = mix(pair, low), mix(pair, [j + half for j in low])
                half //= 2
            low = [j // part * part + j % part // 2 + j % 2 * lanes for j in range(lanes)]
            for _ in range(part.bit_length() - 1):
                groups = [rows[i : i + part] for i in range(0, len(rows), part)]
                pairs = [pair for group in groups for pair in zip(group, group[part // 2 :])]
                rows = [mix(pair, [j + upper for j in low]) for pair in pairs for upper in (0, part // 2)]
            for i, value in enumerate(rows):
                builder.store(value, address(context, builder, b_type, b, row(b0, b_pitch, i)), align=4)
            return context.get_dummy_value()

        i = types.intp
        return types.void(a, i, i, b, i, i), codegen

    transposed.__doc__ = """b[j, i] = a[i, j] for a square of lanes x lanes; `transpose_columns`: the first columns_of(a) of it.

    First blocks of rows change places, down to parts of 128 bits, then numbers within the parts: only whole parts move fast
    across a register. For 8 x 8: 24 instructions, 3.5 ns.
    """
    return transposed


transpose = _transposing(lambda lanes: 1)
transpose_columns = _transposing(lambda lanes: max(1, lanes // MOST_COLUMNS))


@intrinsic
def columns_of(typing, array):
    """How many columns `transpose_columns` takes at once: all lanes, or 8."""

    def codegen(context, builder, signature, args):
        return ir.Constant(ir.IntType(64), min(Vector(array.dtype).lanes, MOST_COLUMNS))

    return types.intp(array), codegen


@intrinsic
def total(typing, vector, start):
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
        zero = fill(target, 0)
        for q in range(0, count - lanes, lanes):
            store(target, t + q, zero)
        store(target, t + count - lanes, zero)
