"""Pieces of LLVM code from which the functions of vector.py and micro_kernel.py are put together, for their `codegen`."""

from llvmlite import ir
from numba import types
from numba.core import cgutils


def integer(value):
    """A 64-bit constant."""
    return ir.Constant(ir.IntType(64), value)


def element_pointer(context, builder, array_type, array, start):
    """For `codegen`: a pointer to array[start]; the array is flat."""
    return builder.gep(context.make_array(array_type)(context, builder, array).data, [start])


def broadcast_ir(builder, vector, scalar):
    """For `codegen`: the scalar in all lanes of LLVM's type `vector`."""
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), None)
    return builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), zeros)


def multiply_add_ir(builder, a, b, c):
    """For `codegen`: a * b + c, one fused instruction where the processor has it."""
    suffix = f"v{c.type.count}f{32 if isinstance(c.type.element, ir.FloatType) else 64}"
    signature = ir.FunctionType(c.type, [c.type] * 3)
    fmuladd = cgutils.get_or_insert_function(builder.module, signature, f"llvm.fmuladd.{suffix}")
    return builder.call(fmuladd, [a, b, c])


class Fields:
    """For `codegen`: the fields of a named tuple, and where its elements lie."""

    def __init__(self, context, builder, kind, value):
        self.context, self.builder, self.kinds = context, builder, kind.types
        self.values = [builder.extract_value(value, k) for k in range(len(kind.types))]
        for k, t in enumerate(kind.types):
            if isinstance(t, types.Integer):
                self.values[k] = context.cast(builder, self.values[k], t, types.intp)
        self.base = element_pointer(context, builder, kind.types[0], self.values[0], self.values[1])

    def offset(self, field, index):
        """`index` times a stride, or a table's entry."""
        kind, value = self.kinds[field], self.values[field]
        if isinstance(kind, types.Array):
            return self.builder.load(element_pointer(self.context, self.builder, kind, value, index))
        return self.builder.mul(index, value)

    def row(self, r):
        """A pointer to row r."""
        return self.builder.gep(self.base, [self.offset(2, integer(r))])


def loop(builder, first, count, sums, body):
    """`for k in range(first, first + count): sums = body(k, sums)`, with the sums in registers; returns the last sums."""
    before, loop, after = builder.block, builder.append_basic_block("loop"), builder.append_basic_block("after")
    stop = builder.add(first, count)
    builder.cbranch(builder.icmp_signed(">", count, integer(0)), loop, after)
    builder.position_at_end(loop)
    k = builder.phi(first.type)
    inside = [builder.phi(s.type) for s in sums]
    results = body(k, inside)
    following = builder.add(k, integer(1))
    builder.cbranch(builder.icmp_signed("<", following, stop), loop, after)
    k.add_incoming(first, before)
    k.add_incoming(following, loop)
    builder.position_at_end(after)
    last = [builder.phi(s.type) for s in sums]
    for start, phi, result, out in zip(sums, inside, results, last):
        phi.add_incoming(start, before)
        phi.add_incoming(result, loop)
        out.add_incoming(start, before)
        out.add_incoming(result, loop)
    return last
