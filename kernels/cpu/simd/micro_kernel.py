"""The two innermost loops of every product here, written as vector instructions: a tile of sums in registers.

A processor multiplies and adds two vectors in each cycle, but only if both operands are already in registers. A tile of
6 x 2 vectors of sums takes 12 of the 16 registers of AVX2; one step of its loop loads 2 vectors and 6 scalars and does
12 multiply-adds with them. Plain Python loops do not say which numbers have to stay in registers, so these two functions
write the instructions themselves: Numba calls `codegen` once, at compile time, and `builder` appends to the program.

Measured on a Zen 3 core with a peak near 100 GFLOP/s: 80 to 97 GFLOP/s for `outer_tile` on operands that lie in the
second-level cache; OpenBLAS reaches 45 to 65 on products as small as these, because it first copies its operands.
On a Zen 5 core, with vectors of AVX-512: 250 to 263 GFLOP/s where b begins with a line of the cache (lines.aligned), else 200.
"""

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_features = llvmlite.binding.get_host_cpu_features()
VECTOR_BYTES = 64 if _features.get("avx512f") else 32 if _features.get("avx") else 16
COLUMNS = 2  # vectors in a row of an outer tile
HEIGHTS = (6, 4)  # rows of an outer tile: every even height from 4 on is a sum of these
CHANNEL_ROWS = 6  # rows of a channel tile


def width(dtype):
    """Pixels in a row of an outer tile: two vectors."""
    return COLUMNS * VECTOR_BYTES // dtype.itemsize


class _Vectors:
    """Vector instructions for one element type, by the name they have in a processor's manual."""

    def __init__(self, context, builder, dtype):
        self.builder, self.lanes = builder, VECTOR_BYTES * 8 // dtype.bitwidth
        self.scalar = context.get_value_type(dtype)
        self.vector = ir.VectorType(self.scalar, self.lanes)
        suffix = f"v{self.lanes}f{dtype.bitwidth}"
        signature = ir.FunctionType(self.vector, [self.vector] * 3)
        self.fmuladd = cgutils.get_or_insert_function(builder.module, signature, f"llvm.fmuladd.{suffix}")
        signature = ir.FunctionType(self.scalar, [self.scalar, self.vector])
        self.fadd = cgutils.get_or_insert_function(builder.module, signature, f"llvm.vector.reduce.fadd.{suffix}")

    def load(self, pointer):
        return self.builder.load(self.builder.bitcast(pointer, self.vector.as_pointer()), align=4)

    def store(self, value, pointer):
        self.builder.store(value, self.builder.bitcast(pointer, self.vector.as_pointer()), align=4)

    def broadcast(self, value):
        undefined, lane = ir.Constant(self.vector, ir.Undefined), ir.IntType(32)
        first = self.builder.insert_element(undefined, value, ir.Constant(lane, 0))
        return self.builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(lane, self.lanes), None))

    def multiply_add(self, a, b, c):
        return self.builder.call(self.fmuladd, [a, b, c])

    def sum(self, value):
        return self.builder.call(self.fadd, [ir.Constant(self.scalar, 0), value], fastmath=("reassoc",))


def _pointer(context, builder, array_type, array, start):
    """Address of array[start]; the array is flat."""
    return builder.gep(context.make_array(array_type)(context, builder, array).data, [start])


def _int(value):
    return ir.Constant(ir.IntType(64), value)


def _loop(builder, stop, step, sums, body):
    """`for i in range(0, stop, step): sums = body(i, sums)`, with the sums in registers; returns the last sums."""
    before, loop, after = builder.block, builder.append_basic_block("loop"), builder.append_basic_block("after")
    builder.cbranch(builder.icmp_signed(">", stop, _int(0)), loop, after)
    builder.position_at_end(loop)
    i = builder.phi(stop.type)
    inside = [builder.phi(s.type) for s in sums]
    results = body(i, inside)
    following = builder.add(i, _int(step))
    builder.cbranch(builder.icmp_signed("<", following, stop), loop, after)
    i.add_incoming(_int(0), before)
    i.add_incoming(following, loop)
    builder.position_at_end(after)
    last = [builder.phi(s.type) for s in sums]
    for start, phi, result, out in zip(sums, inside, results, last):
        phi.add_incoming(start, before)
        phi.add_incoming(result, loop)
        out.add_incoming(start, before)
        out.add_incoming(result, loop)
    return last


def outer_tile_of(height, accumulate=False):
    """The register tile of `height` rows, as a function that Numba's functions can call; its own docstring says how."""

    @intrinsic
    def outer_tile(typing, a, a0, a_pitch, steps, s0, b, b0, offsets, k0, K, init, i0, i_pitch, c, c0, pitch):
        def codegen(context, builder, signature, args):
            at = lambda j: _pointer(context, builder, signature.args[j], args[j], args[j + 1])
            a, steps, b, offsets, init, c = (at(j) for j in (0, 3, 5, 7, 10, 13))
            a_pitch, K, i_pitch, pitch = args[2], args[9], args[12], args[15]
            v = _Vectors(context, builder, signature.args[0].dtype)
            rows = lambda start, pitch: [builder.gep(start, [builder.mul(pitch, _int(r))]) for r in range(height)]
            vectors = lambda rows: [builder.gep(row, [_int(j * v.lanes)]) for row in rows for j in range(COLUMNS)]
            a_rows, i_rows = rows(a, a_pitch), rows(init, i_pitch)

            def step(k, sums):  # one column of a times one row of b
                row = builder.gep(b, [builder.load(builder.gep(offsets, [k]))])
                b_row = [v.load(builder.gep(row, [_int(j * v.lanes)])) for j in range(COLUMNS)]
                at = builder.load(builder.gep(steps, [k]))
                new = []
                for r in range(height):
                    factor = v.broadcast(builder.load(builder.gep(a_rows[r], [at])))
                    new += [v.multiply_add(factor, b_row[j], sums[r * COLUMNS + j]) for j in range(COLUMNS)]
                return new

            if accumulate:
                sums = [v.load(place) for place in vectors(i_rows)]
            else:
                sums = [s for s in (v.broadcast(builder.load(row)) for row in i_rows) for _ in range(COLUMNS)]
            for place, value in zip(vectors(rows(c, pitch)), _loop(builder, K, 1, sums, step)):
                v.store(value, place)
            return context.get_dummy_value()

        i = types.intp
        return types.void(a, i, i, steps, i, b, i, offsets, i, i, init, i, i, c, i, i), codegen

    outer_tile.__doc__ = f"""c[r, j] = init[r] + sum_k a[k, r] b[offsets[k] + j] for {height} rows r, two vectors of columns j.

    Every array is flat and starts at the index that follows it, `offsets` at k0; a[k, r] lies at steps[k] + r a_pitch,
    c[r, j] at r pitch + j. `add_` in place of `outer_`: init is a matrix as c is, and may be c.
    """
    return outer_tile


outer_tile_6, outer_tile_4 = (outer_tile_of(height) for height in HEIGHTS)
add_tile_6, add_tile_4 = (outer_tile_of(height, accumulate=True) for height in HEIGHTS)


def _channel_tile(columns, accumulate):
    @intrinsic
    def channel_tile(typing, a, a0, rows, r0, steps, k0, K, b, b0, init, i0, c, c0, places):
        def codegen(context, builder, signature, args):
            at = lambda j: _pointer(context, builder, signature.args[j], args[j], args[j + 1])
            a, rows, steps, b, init, c = at(0), at(2), at(4), at(7), at(9), at(11)
            places = _pointer(context, builder, signature.args[13], args[13], args[3])
            v = _Vectors(context, builder, signature.args[0].dtype)
            shifted = lambda base, table, r: builder.gep(base, [builder.load(builder.gep(table, [_int(r)]))])
            vectors = lambda base: [builder.gep(base, [_int(j * v.lanes)]) for j in range(columns)]
            a_rows = [shifted(a, rows, r) for r in range(CHANNEL_ROWS)]
            out = [place for r in range(CHANNEL_ROWS) for place in vectors(shifted(c, places, r))]

            def step(k, sums):
                at = builder.load(builder.gep(steps, [k]))
                b_row = [v.load(p) for p in vectors(builder.gep(b, [builder.mul(k, _int(COLUMNS * v.lanes))]))]
                pixels = [v.broadcast(builder.load(builder.gep(row, [at]))) for row in a_rows]
                return [v.multiply_add(pixels[j // columns], b_row[j % columns], s) for j, s in enumerate(sums)]

            start = [v.load(p) for p in (out if accumulate else vectors(init) * CHANNEL_ROWS)]
            for place, value in zip(out, _loop(builder, args[6], 1, start, step)):
                v.store(value, place)
            return context.get_dummy_value()

        i = types.intp
        return types.void(a, i, rows, i, steps, i, i, b, i, init, i, c, i, places), codegen

    channel_tile.__doc__ = f"""c[places[r] + j] = init[j] + sum_k a[rows[r] + steps[k]] b[k, j]: 6 rows, {columns} vectors of j.

    Every array is flat and starts at the index that follows it, `places` at r0 like `rows`; a row of b is two vectors.
    `add_` in place of `channel_`: the sum starts from c, and init is not read.
    """
    return channel_tile


channel_tile_2, channel_tile_1 = (_channel_tile(columns, accumulate=False) for columns in (2, 1))
add_channels_2, add_channels_1 = (_channel_tile(columns, accumulate=True) for columns in (2, 1))
