"""Transposes: squares of one vector's length, and the layout transforms that are made of them.

NCHW holds the pixels of one channel side by side, NCHWc the channels of one pixel. `nchw_to_nchwc` and `nchwc_to_nchw` convert
between them for one vector of channels, inside kernels; `channels_last` and `channels_first` convert whole matrices.
"""

import numpy as np
from llvmlite import ir
from numba import prange, types
from numba.extending import intrinsic

from ..runtime.jit import inlined, inner, kernel
from ..runtime.threads import get_num_threads
from .vector import Rows, Vector, address, lanes_of

MAX_COLUMNS = 8  # of transpose_part
PIXEL_BLOCK = 128  # pixels transposed before the next few channels: they stay in the first-level cache


def _transposing(parts):
    @intrinsic
    def transposed(typing, a, b):
        def codegen(context, builder, signature, args):
            a_type, b_type = (operand.types[0] for operand in signature.args)
            (a, a0, a_pitch), (b, b0, b_pitch) = ([builder.extract_value(arg, k) for k in range(3)] for arg in args)
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

        return types.void(a, b), codegen

    transposed.__doc__ = """b[j, i] = a[i, j] for a square of lanes x lanes; `transpose_part`: some of its columns.

    First blocks of rows are exchanged, down to parts of 128 bits, then elements within the parts: only whole parts move fast
    across a register. An 8 x 8 square takes 24 shuffles.
    """
    return transposed


transpose = _transposing(lambda lanes: 1)
transpose_part = _transposing(lambda lanes: max(1, lanes // MAX_COLUMNS))


@intrinsic
def transpose_width(typing, array):
    """How many columns `transpose_part` transposes: all lanes, or 8."""

    def codegen(context, builder, signature, args):
        return ir.Constant(ir.IntType(64), min(Vector(array.dtype).lanes, MAX_COLUMNS))

    return types.intp(array), codegen


@inlined
def nchw_to_nchwc(source, target, channels, pixels):
    """target[q, c] = source[c, q] for q < pixels and the lanes c of one vector; zero for c >= channels."""
    x, start, plane = source
    out, at, pitch = target
    lanes = lanes_of(x)
    if channels >= lanes and pixels >= lanes:
        for q in range(0, pixels - lanes, lanes):
            transpose(Rows(x, start + q, plane), Rows(out, at + q * pitch, pitch))
        q = pixels - lanes  # the last square overlaps the one before it
        transpose(Rows(x, start + q, plane), Rows(out, at + q * pitch, pitch))
    else:
        for c in range(lanes):
            for q in range(pixels):
                out[at + q * pitch + c] = x[start + c * plane + q] if c < channels else 0


@inlined
def nchwc_to_nchw(source, target, channels, pixels):
    """target[c, q] = source[q, c] for q < pixels and the lanes c < channels of one vector.

    Planes are often a power of two apart, so that the same pixel of each falls into one cache set, which holds 8 to 12 lines
    (an associativity conflict): no more than 8 planes are written at a time.
    """
    x, start, pitch = source
    out, at, plane = target
    lanes = lanes_of(x)
    if channels >= lanes and pixels >= lanes:
        for first in range(0, pixels, PIXEL_BLOCK):
            stop = min(first + PIXEL_BLOCK, pixels)
            for c in range(0, lanes, transpose_width(x)):
                for q in range(first, stop - lanes, lanes):
                    transpose_part(Rows(x, start + q * pitch + c, pitch), Rows(out, at + c * plane + q, plane))
                q = stop - lanes
                transpose_part(Rows(x, start + q * pitch + c, pitch), Rows(out, at + c * plane + q, plane))
    else:
        for c in range(min(lanes, channels)):
            for q in range(pixels):
                out[at + c * plane + q] = x[start + q * pitch + c]


@inner
def _transpose_columns(a, b, start, stop):
    """b[j, i] = a[i, j] for the columns start <= j < stop of a and all its rows; the last squares overlap."""
    (C, N), W, source, target = a.shape, b.shape[1], a.reshape(-1), b.reshape(-1)
    lanes = lanes_of(source)
    if lanes > C or stop - start < lanes:
        for j in range(start, stop):
            for i in range(C):
                b[j, i] = a[i, j]
        return
    for j in range(start, stop, lanes):
        j = min(j, stop - lanes)
        for i in range(0, C, lanes):
            i = min(i, C - lanes)
            transpose(Rows(source, i * N + j, N), Rows(target, j * W + i, W))


@kernel
def _channels_last(values, fill, rows, T):
    C, N = values.shape
    for t in prange(T):
        start, stop = t * N // T, (t + 1) * N // T
        if rows.shape[1] > C:
            for i in range(start, stop):
                for c in range(C, rows.shape[1]):
                    rows[i, c] = fill
        _transpose_columns(values, rows, start, stop)


def channels_last(values, fill, width):
    """(C, N) -> (N, width); the columns from C on hold `fill`."""
    rows = np.empty((values.shape[1], width), values.dtype)
    _channels_last(values, fill, rows, get_num_threads())
    return rows


@kernel
def _channels_first(rows, values, T):
    (C, N), W = values.shape, rows.shape[1]
    source, target = rows.reshape(-1), values.reshape(-1)
    lanes = lanes_of(source)
    for t in prange(T):
        start, stop = t * N // T, (t + 1) * N // T
        if lanes > C or stop - start < lanes:
            for c in range(C):
                for i in range(start, stop):
                    values[c, i] = rows[i, c]
        else:
            for i in range(start, stop, lanes):
                i = min(i, stop - lanes)
                for c in range(0, C, lanes):
                    c = min(c, C - lanes)
                    transpose(Rows(source, i * W + c, W), Rows(target, c * N + i, N))


def channels_first(rows, C):
    """(N, W) -> (C, N): the first C columns."""
    values = np.empty((C, len(rows)), rows.dtype)
    _channels_first(rows, values, get_num_threads())
    return values


@inlined
def transpose_rows(source, count, rows, columns, out):
    """out[k columns + j] = element k of row j of `source`, k < count; zero for j >= rows. `columns` are two vectors."""
    x, pitch, lanes = source.data, source.stride, columns // 2
    if rows >= columns and source.start + (columns - 1) * pitch + -(-count // lanes) * lanes <= x.size:
        for k in range(0, count, lanes):
            transpose(Rows(x, source.start + k, pitch), Rows(out, k * columns, columns))
            transpose(Rows(x, source.start + lanes * pitch + k, pitch), Rows(out, k * columns + lanes, columns))
    else:
        for k in range(count):
            for j in range(columns):
                out[k * columns + j] = x[source.start + j * pitch + k] if j < rows else 0
