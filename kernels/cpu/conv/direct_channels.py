"""Direct convolution with output channels in the vectors: shifts and strides of pixels cost nothing.

    for image n, group, tile of the result:                       # cut evenly among the threads
        for chunk of input channels:                              # all of them, or as many as allow a larger tile
            pack the pixels that the tile's windows see, with their padding     (packing.copy_tile)
            for panel of NR channels o, block of KC steps (c,k,l):              (macro_kernel)
                for MR pixels p:
                    strip[p, o] += sum_(c,k,l) copy[pixel(p) + tap(c,k,l)] w[(c,k,l), o]     (micro-kernel)
        y[n, o, tile] = strip[tile, o]                            # transposed: NCHWc to NCHW

Where pixels fill the vectors (direct_pixels.py), windows have to be contiguous and may start anywhere in a cache line. Here a
pixel is one number that is broadcast, wherever it lies: pixels and taps are two tables of offsets. A result of
conv_transpose2d falls into s x s phases, each with its share of taps; the pixels of neighbouring phases lie side by side in the
strip, so that whole rows are written.
"""

from typing import NamedTuple

import numpy as np
from numba import prange

from ...geometry import remembered
from ..runtime.jit import inner, kernel
from ..runtime.threads import get_num_threads
from ..simd.micro_kernel import MR, Operand, micro_kernel_6x1, micro_kernel_6x2, panel_width
from ..simd.prefetch import empty
from ..simd.table import from_entry
from ..simd.transpose import nchwc_to_nchw, transpose_rows
from ..simd.vector import Rows, lanes_of, load, store
from .operands import Filters, Image, adjoint_filters, forward_filters, image, padded_bias, plane_start
from .taps import adjoint_taps, one_row
from .tiles import Tile, balanced, channel_tile, copy_tile, dense_taps, layout, place_tables

KC = 160  # steps of a reduction: the weights and pixels of so many stay in the first-level cache


class Reduction(NamedTuple):
    """The taps of every phase, and how pixels and channels are cut."""

    shifts: np.ndarray  # (taps,): offsets in the copy
    starts: np.ndarray  # taps of phase f are shifts[starts[f] : starts[f + 1]]
    chunk: int  # channels copied at once
    step_rows: int  # between windows, in the copy
    step_cols: int
    up_rows: int  # phases, and distance in the result of the pixels of a phase
    up_cols: int


@kernel
def pack_b(filters: Filters, numbers, starts, sizes, out, T):
    """out[g][phase][panel][chunk, tap, c][column] = w[g, panel columns + column, c, numbers[tap]], zero beyond the last row.

    sizes are (rows, channels, channels of a chunk); taps starts[f] on are phase f's.
    """
    (M, C, chunk), lanes = sizes, lanes_of(filters.data)
    G, F, columns = out.shape[0], starts.size - 1, 2 * lanes
    P, whole = -(-M // columns), -(-filters.taps // lanes) * lanes
    for t in prange(T):
        flat, taps = out.reshape(-1), np.empty(whole * columns, filters.data.dtype)
        for task in range(t * G * P // T, (t + 1) * G * P // T):
            g, panel = task // P, task % P
            for c in range(C):
                source = g * filters.group + panel * columns * filters.row_stride + c * filters.channel_stride
                transpose_rows(
                    Rows(filters.data, source, filters.row_stride), filters.taps, M - panel * columns, columns, taps
                )
                c0 = c // chunk * chunk
                for f in range(F):
                    n, some = starts[f + 1] - starts[f], min(chunk, C - c0)
                    at = g * out.shape[1] + ((P * starts[f] + panel * n) * C + c0 * n + c - c0) * columns
                    for k in range(starts[f], starts[f + 1]):
                        store(flat, at, load(taps, numbers[k] * columns))
                        store(flat, at + lanes, load(taps, numbers[k] * columns + lanes))
                        at += some * columns


@inner
def store_panel(strip, start, count, channels, target):
    """target[o, q] = strip[q, o] for q < count pixels and the channels o of a panel."""
    lanes = lanes_of(strip)
    for o in range(0, min(channels, 2 * lanes), lanes):
        to = Rows(target.data, target.start + o * target.stride, target.stride)
        nchwc_to_nchw(Rows(strip, start + o, 2 * lanes), to, channels - o, count)


@inner
def _store_tile(strip, start, size, channels, y, target, corner, step):
    """Rows h, h + step, ... of y, from pixel v on, (h, v) = corner, from a strip of `size`: what of them lies in y."""
    (rows, cols), (h, v), (H, W), columns = size, corner, (y.height, y.width), 2 * lanes_of(strip)
    if cols == W and step == 1:  # one run without gaps
        store_panel(strip, start, min(rows, H - h) * W, channels, Rows(y.data, target + h * W, H * W))
    else:
        for i in range(rows):
            if h + i * step < H:
                to = Rows(y.data, target + (h + i * step) * W + v, H * W)
                store_panel(strip, start + i * cols * columns, min(cols, W - v), channels, to)


@inner
def macro_kernel(a, b, c, bias, span, channels, fresh):
    """c[p, o] += sum_k a[p, k] b[k, o] for one panel of channels and all pixels p, a block of KC steps after another.

    a is (data, start, pixels, offsets): number k of pixel p lies at start + pixels[p] + offsets[k]; span is (first k, count of
    k, first p, last p). If fresh, the sum starts from the bias of the panel. Panels of few channels use half of their width.
    """
    data, start, pixels, offsets = a
    first, K, p0, p1 = span
    narrow = channels <= lanes_of(data)
    blocks = max(1, (K + KC // 2) // KC)
    for block in range(blocks):
        k = first + block * K // blocks
        n = first + (block + 1) * K // blocks - k
        for p in range(p0, p1, MR):
            rows, out = (
                Operand(data, start, from_entry(pixels, p), offsets),
                Rows(c.data, c.start, from_entry(c.stride, p)),
            )
            if fresh and block == 0 and narrow:
                micro_kernel_6x1(rows, b, out, bias, k, n)
            elif fresh and block == 0:
                micro_kernel_6x2(rows, b, out, bias, k, n)
            elif narrow:
                micro_kernel_6x1(rows, b, out, out, k, n)
            else:
                micro_kernel_6x2(rows, b, out, out, k, n)


@kernel
def _convolve(x: Image, weights, bias, y: Image, tile: Tile, reduction: Reduction, strips):
    H, W, C, M, G = y.height, y.width, x.channels, y.channels, x.groups
    shifts, starts, chunk = reduction.shifts, reduction.starts, reduction.chunk
    step = reduction.step_rows, reduction.step_cols
    up = reduction.up_rows, reduction.up_cols
    rows, cols, columns = tile.rows, tile.cols, 2 * lanes_of(x.data)
    P, wide = -(-M // columns), cols * up[1]
    down, across = -(-H // (up[0] * rows)), -(-W // wide)
    tasks, T = x.batch * G * down * across, strips.shape[0]
    parts = 1 if tasks >= T else min(P, -(-T // max(tasks, 1)))  # few tiles: the panels are shared out as well
    length = rows * wide * columns
    kept = strips.shape[1] // length  # strips of one panel, or of all panels and rows of phases
    for t in prange(T):
        copy, strip = np.empty(chunk * tile.plane, x.data.dtype), strips[t]
        pixels, places = np.empty(rows * cols + MR, np.int64), np.empty(rows * cols + MR, np.int64)
        place_tables(tile, step, up[1] * columns, pixels, places)
        offsets = np.empty(shifts.size * chunk, np.int64)
        for task in range(t * tasks * parts // T, (t + 1) * tasks * parts // T):
            part, n, g = task % parts, task // parts // (across * down) // G, task // parts // (across * down) % G
            i0, j0 = task // parts // across % down * rows, task // parts % across * cols
            count = min(rows, -(-H // up[0]) - i0) * cols
            for c0 in range(0, C, chunk):
                some = min(chunk, C - c0)
                copy_tile(x, plane_start(x, n, g, c0), some, tile, copy, i0 * step[0], j0 * step[1])
                for k in range(shifts.size * some):
                    offsets[k] = shifts[k // some] + k % some * tile.plane
                for panel in range(part * P // parts, (part + 1) * P // parts):
                    channels = M - panel * columns
                    for f in range(starts.size - 1):
                        taps = starts[f + 1] - starts[f]
                        b0 = (P * starts[f] + panel * taps) * C + c0 * taps - starts[f] * some  # of step k = 0
                        base = (panel * up[0] + f // up[1]) * length if kept > 1 else 0
                        macro_kernel(
                            (copy, 0, pixels, offsets),
                            Rows(weights, g * weights.size // G + b0 * columns, columns),
                            Rows(strip, base + f % up[1] * columns, places),
                            Rows(bias, (g * P + panel) * columns, 0),
                            (starts[f] * some, taps * some, 0, count),
                            channels,
                            c0 == 0,
                        )
                        if c0 + some == C and f % up[1] == up[1] - 1:
                            target, corner = (
                                plane_start(y, n, g, panel * columns),
                                (i0 * up[0] + f // up[1], j0 * up[1]),
                            )
                            _store_tile(strip, base, (rows, wide), channels, y, target, corner, up[0])


def _run(x, filters, bias, windows, y, up, groups, kept=None):
    """Adds up the taps of windows = (taps, step) of x (N, G C, h, w) into y (N, G M, H, W); a phase's pixels are `up` apart."""
    (taps, step), columns, threads = windows, panel_width(y.dtype), get_num_threads()
    if up == (1, 1):
        x, y = one_row(taps, x, y)
    C, M = x.shape[1] // groups, y.shape[1] // groups
    P, size = -(-M // columns), (-(-y.shape[2] // up[0]), -(-y.shape[3] // up[1]))
    choices = []
    for chunk in {C, -(-C // -(-C * taps.most // KC))}:  # copy all channels, or keep all accumulators
        numbers = (
            columns * up[1] * (P * up[0] if chunk < C else 1)
        )  # accumulators for each pixel, until they are complete
        shape = channel_tile(chunk * x.itemsize, taps.halo, step, numbers * x.itemsize, size, size[0] * size[1])
        choices.append((shape[0] * shape[1], chunk, numbers, shape))
    _, chunk, numbers, (rows, cols) = max(choices)  # large tiles: the weights are read once for each
    rows = balanced(rows, size[0], len(x) * groups * -(-size[1] // cols), threads)
    shifts, tile = layout(taps, (rows, cols), step, columns)

    def pack():
        b = empty((groups, P * columns * C * len(taps.table)), x.dtype)
        pack_b(filters, taps.numbers, taps.starts, (M, C, chunk), b, threads)
        return b.reshape(-1)

    b = remembered(kept, ("direct_channels", chunk), pack)
    strips = empty((threads, rows * cols * numbers), x.dtype)
    bias = padded_bias(bias, groups, M, P * columns, x.dtype)
    reduction = Reduction(shifts, taps.starts, chunk, *step, *up)
    _convolve(image(x, groups), b, bias, image(y, groups), tile, reduction, strips)


def conv2d(x, w, bias, geometry, kept=None):
    """y[n,o,i,j] = b[o] + sum_ckl w[o,c,k,l] x[n, c, i s + k d - p, j s + l d - p]."""
    y = empty((x.shape[0], w.shape[0], *geometry.output_size(x.shape[2:])), x.dtype)
    filters = forward_filters(w, geometry.groups)
    _run(x, filters, bias, dense_taps(geometry), y, (1, 1), geometry.groups, kept)
    return y


def conv_transpose2d(y, w, bias, size, geometry):
    """x[n,c,h,v] = b[c] + sum_okl w[o,c,k,l] y[n, o, (h + p - k d) / s, (v + p - l d) / s] where that is whole: a gather."""
    x = empty((y.shape[0], w.shape[1] * geometry.groups, *size), y.dtype)
    filters = adjoint_filters(w, geometry.groups)
    _run(y, filters, bias, (adjoint_taps(geometry), (1, 1)), x, geometry.stride, geometry.groups)
    return x
