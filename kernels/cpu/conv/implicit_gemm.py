"""Implicit GEMM: convolution as one matrix product whose right operand, im2col's matrix, is packed block by block.

    for image n, group, chunk of NC pixels of the result:         # cut evenly among the threads
        for block of KC steps (c,k,l) of the reduction:
            b[run][(c,k,l), q] = the pixel that tap (c,k,l) of result q sees      # pack: some rows of im2col's matrix
            for panel of MR rows o, run of NR pixels q:                           # macro-kernel
                y[n, o, q] += sum_(c,k,l) w[o,c,k,l] b[run][(c,k,l), q]           # micro-kernel

im2col's matrix never exists as a whole: a block of it is packed into the second-level cache, run by run, in the order in which
it is read, and multiplied by all rows o at once. For 1x1 kernels it is the image itself. Results need no transpose, as they do
in direct_channels.py: rows of results are stored where they belong.

With few pixels (a layer on 7x7), packing the weights does not amortise. Then they are read where they lie, once: `steps` says
where step (c,k,l) of the reduction lies in a row of w, which may as well be a column (conv_transpose2d). With more pixels,
columns are packed into panels. Panels and runs that would end beyond the last row or pixel begin earlier, and compute some
results twice.
"""

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numba import prange

from ...geometry import Geometry, remembered
from ..runtime.jit import inlined, inner, kernel
from ..runtime.threads import get_num_threads
from ..simd.micro_kernel import Operand, Scalars, micro_kernel_4x2, micro_kernel_6x2, panel_width, panels
from ..simd.prefetch import aligned, empty, prefetch_range
from ..simd.vector import Rows, clear_run, copy_run, lanes_of, load, store
from .gemm_upsample import insert_rows, store_shuffled
from .operands import Filters, Image, adjoint_filters, forward_filters, image, padded_bias, plane_start
from .packing import PREFETCH_DISTANCE, copy_row, pack_a
from .taps import adjoint_taps, one_row, window_taps

KC = 256  # steps of a block: with NR pixels each they fill half of the first-level cache
NC = 256  # pixels of a chunk: a block of them fills half of the second-level cache
MIN_PIXELS = 100  # of all images: with fewer, packing the weights does not amortise
MIN_ROWS = 6  # of a group: one panel


class Weights(NamedTuple):
    """A in a flat array, in panels or in place: then row o of group g begins at g group + o row, step k at steps[k]."""

    data: np.ndarray
    packed: bool
    group: int
    row: int
    steps: np.ndarray


class Windows(NamedTuple):
    """Which pixels a result sees: shifts (taps, 2), the stride, and whether it is the one at its own place."""

    shifts: np.ndarray
    step_rows: int
    step_cols: int
    in_place: bool


class Output(NamedTuple):
    """Results: `rows` for each group of height x width pixels. If shuffled, row (c, a, b) is the pixels (2 i + a, 2 j + b)."""

    data: np.ndarray
    rows: int
    height: int
    width: int
    shuffled: bool
    chunk: int  # pixels that are computed together


class Chunk(NamedTuple):
    """`count` pixels of group g of image n, from pixel `first` on."""

    n: int
    g: int
    first: int
    count: int


class Block(NamedTuple):
    """`count` steps of the reduction, from step `start` on; the first block starts from the bias, the last is stored."""

    start: int
    count: int
    first: bool
    last: bool


@inlined
def im2col_row(x, plane, windows, tap, width, chunk, out):
    """out[q] = the pixel of the plane under `tap` of result chunk.first + q, zero where there is none; a row has `width`."""
    at, i, j = 0, chunk.first // width, chunk.first % width
    while at < chunk.count:
        run, row = min(width - j, chunk.count - at), i * windows.step_rows + windows.shifts[tap, 0]
        if 0 <= row < x.height:
            start, first = plane + row * x.width, j * windows.step_cols + windows.shifts[tap, 1]
            if tap == 0:
                ahead = start + PREFETCH_DISTANCE * x.height * x.width + j * windows.step_cols
                prefetch_range(x.data, ahead, run * windows.step_cols)
            copy_row(x.data, start, x.width, out, at, run, windows.step_cols, first)
        else:
            clear_run(out, at, run)
        at, i, j = at + run, i + 1, 0


@inlined
def _distribute(line, start, count, b, at, pitch):
    """Every run of b gets its pixels of a row; a last run begins early."""
    lanes = lanes_of(b)
    columns = 2 * lanes
    if count < columns:
        copy_run(line, start, b, at, count)
    else:
        for q in range(0, count, columns):
            p = start + min(q, count - columns)
            store(b, at, load(line, p))
            store(b, at + lanes, load(line, p + lanes))
            at += pitch


@inner
def pack_pixels(x, windows, width, chunk, block, line, b):
    """b[run][k][q] for a block of steps and a chunk of pixels."""
    columns, taps = 2 * lanes_of(b), len(windows.shifts)
    for k in range(block.count):
        if windows.in_place:
            at = plane_start(x, chunk.n, chunk.g, block.start + k) + chunk.first
            prefetch_range(x.data, at + PREFETCH_DISTANCE * x.height * x.width, chunk.count)
            _distribute(x.data, at, chunk.count, b, k * columns, block.count * columns)
        else:
            plane = plane_start(x, chunk.n, chunk.g, (block.start + k) // taps)
            im2col_row(x, plane, windows, (block.start + k) % taps, width, chunk, line)
            _distribute(line, 0, chunk.count, b, k * columns, block.count * columns)


@inlined
def _multiply_runs(height, a, b, block, init, strip, c, count):
    """One panel and every run of a chunk: c = init + the sum, or c = strip + the sum after the first block."""
    columns = 2 * lanes_of(b)
    for q in range(0, count, columns):
        p = max(min(q, count - columns), 0)
        rows = Rows(b, q * block.count - block.start * columns, columns)
        out = Rows(c.data, c.start + (p if block.last else q), c.stride)
        before = Rows(strip.data, strip.start + q, strip.stride)
        if block.first and height == 6:
            micro_kernel_6x2(a, rows, out, init, block.start, block.count)
        elif block.first:
            micro_kernel_4x2(a, rows, out, init, block.start, block.count)
        elif height == 6:
            micro_kernel_6x2(a, rows, out, before, block.start, block.count)
        else:
            micro_kernel_4x2(a, rows, out, before, block.start, block.count)


@inner
def macro_kernel(weights, ramps, bias, b, strip, y, chunk, block):
    """The panels of one part of the rows against all runs of a chunk; the last block's results go to y.

    ramps are the steps of packed panels of 4 and of 6 rows; strip holds the accumulators; bias is (bias, groups, part, parts).
    """
    (init, groups, part, parts), (data, length) = bias, strip
    (tall, padded), pixels, K, o = panels(y.rows), y.height * y.width, weights.steps.size, 0
    direct = block.last and chunk.count >= 2 * lanes_of(b) and not y.shuffled
    while o < padded:
        height = 6 if o < tall else 4
        if o * parts // padded == part:
            row = min(o, y.rows - height)
            target = ((chunk.n * groups + chunk.g) * y.rows + row) * pixels + chunk.first
            if weights.packed:
                a = Operand(weights.data, (chunk.g * padded + o) * K, 1, ramps[0 if height == 4 else 1])
            else:
                a = Operand(weights.data, chunk.g * weights.group + row * weights.row, weights.row, weights.steps)
            start, kept = Scalars(init, chunk.g * y.rows + row, 1), Rows(data, o * length, length)
            c = Rows(y.data, target, pixels) if direct else kept
            _multiply_runs(height, a, b, block, start, kept, c, chunk.count)
            if block.last and y.shuffled:
                store_shuffled(kept, height, row, y, groups, chunk)
            elif block.last and not direct:
                for r in range(height):
                    copy_run(data, kept.start + r * length, y.data, target + r * pixels, chunk.count)
        o += height


@kernel
def _convolve(x: Image, weights: Weights, bias, windows: Windows, y: Output, T):
    columns, K, pixels, padded = 2 * lanes_of(x.data), weights.steps.size, y.height * y.width, panels(y.rows)[1]
    chunks, blocks = -(-pixels // y.chunk), max(1, -(-K // KC))
    tasks, length = x.batch * x.groups * chunks, -(-y.chunk // columns) * columns + columns  # not a power of two
    parts = 1 if tasks >= T else -(-T // max(tasks, 1))  # few chunks: the rows o are shared out as well
    ramps = np.arange(K) * 4, np.arange(K) * 6
    for t in prange(T):
        dtype = x.data.dtype
        b, strip, line = aligned(KC * length, dtype), aligned(padded * length, dtype), aligned(length, dtype)
        for task in range(t * tasks * parts // T, (t + 1) * tasks * parts // T):
            part, image, first = task % parts, task // parts // chunks, task // parts % chunks * y.chunk
            chunk = Chunk(image // x.groups, image % x.groups, first, min(y.chunk, pixels - first))
            for k in range(blocks):
                k0 = k * K // blocks
                block = Block(k0, (k + 1) * K // blocks - k0, k == 0, k == blocks - 1)
                pack_pixels(x, windows, y.width, chunk, block, line, b)
                macro_kernel(weights, ramps, (bias, x.groups, part, parts), b, (strip, length), y, chunk, block)


def _run(x, filters, taps, bias, groups, y, shuffled=False, kept=None):
    """Adds up taps of x (N, G C, h, w) into y (N, G M, H, W), or if shuffled (N, G M / 4, 2 H, 2 W)."""
    N, C, columns, T = x.shape[0], x.shape[1] // groups, panel_width(x.dtype), get_num_threads()
    if shuffled:
        M, out = 4 * y.shape[1] // groups, x.shape[2:]
    else:
        x, y = one_row(taps, x, y)
        M, out = y.shape[1] // groups, y.shape[2:]
    steps = np.add.outer(np.arange(C) * filters.channel_stride, taps.numbers).reshape(-1)
    pixels = math.prod(out)
    chunks = max(1, -(-pixels // NC))
    while N * groups * chunks % T and T < N * groups * chunks < 8 * T:
        chunks += 1
    data, packed = filters.data, N * pixels >= MIN_PIXELS and filters.row_stride < filters.channel_stride
    if packed:

        def pack():
            copy = np.empty((groups, panels(M)[1] * steps.size), x.dtype)
            pack_a(filters, steps, np.array([0, steps.size]), M, copy, T)
            return copy.reshape(-1)

        data = remembered(kept, "implicit_gemm", pack)
    windows = Windows(taps.shifts, *taps.step, taps.in_place and x.shape[2:] == out)
    chunk = max(1, -(-pixels // chunks))
    if N * groups % T == 0:
        chunk = -(-chunk // columns) * columns  # whole runs
    weights = Weights(data, packed, filters.group, filters.row_stride, steps)
    output = Output(y.reshape(-1), M, *out, shuffled, chunk)
    _convolve(image(x, groups), weights, padded_bias(bias, groups, M, M, x.dtype), windows, output, T)


def conv2d(x, w, bias, geometry, kept=None):
    """y[n,o,i,j] = b[o] + sum_ckl w[o,c,k,l] x[n, c, i s + k d - p, j s + l d - p]."""
    y = empty((x.shape[0], w.shape[0], *geometry.output_size(x.shape[2:])), x.dtype)
    _run(x, forward_filters(w, geometry.groups), window_taps(geometry), bias, geometry.groups, y, kept=kept)
    return y


def conv_transpose2d(y, w, bias, size, geometry):
    """x[n,c,h,v] = b[c] + sum_okl w[o,c,k,l] y[n, o, (h + p - k d) / s, (v + p - l d) / s] where that is whole.

    For stride 1; for 1x1 without padding; and for 2x2 of stride 2, which is a 1x1 to four times the channels.
    """
    x, filters = empty((y.shape[0], w.shape[1] * geometry.groups, *size), y.dtype), adjoint_filters(w, geometry.groups)
    if geometry.stride == (1, 1):
        _run(y, filters, adjoint_taps(geometry), bias, geometry.groups, x)
    elif geometry.kernel == (1, 1):
        near = conv_transpose2d(y, w, bias, y.shape[2:], replace(geometry, stride=(1, 1)))
        between = np.zeros(x.shape[1], x.dtype) if bias is None else bias
        insert_rows(near, between, geometry.stride, x, get_num_threads())
    else:
        filters = Filters(filters.data, filters.group, 1, w.shape[1] * 4, 1)  # rows (c, a, b), one tap
        bias = None if bias is None else np.repeat(bias, 4)
        _run(y, filters, window_taps(Geometry((1, 1))), bias, geometry.groups, x, shuffled=True)
    return x
