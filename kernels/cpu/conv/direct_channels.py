"""Convolution with output channels in the vectors: then shifts and strides of pixels cost nothing.

    for image n, group, tile of the result:                       # cut evenly among the threads
        for chunk of input channels:                              # all of them, or as many as allow a larger tile
            copy the pixels that the tile's windows see, with their padding     (tiles.copy_tile)
            for panel of 16 channels o, block of (c,k,l):         # about 160 steps: what they need stays in cache
                for 6 pixels p:
                    strip[p, o] += sum_(c,k,l) copy[pixel(p) + tap(c,k,l)] w[(c,k,l), o]     (microkernel.channel_tile)
        y[n, o, tile] = strip[tile, o]                            # turned round: vectors of channels to rows of pixels

tiled.py has pixels in the vectors, whose windows then have to be contiguous, and may start anywhere in a cache line. Here a
pixel is one number that is read and spread over a vector, wherever it lies: the six pixels and the taps are two tables of
places. The weights lie in the order in which they are read. A result of conv_transpose2d falls into s x s phases, each with its
share of taps; the pixels of neighbouring phases lie side by side in the strip, so that whole rows are written.

Measured on a Zen 3 core whose large products run at 90 GFLOP/s: the register tiles alone reach 91 to 99 for every kernel size
and stride; copies, turns and what is read from the third-level cache cost 3 % (5x5, 64 channels) to 30 % (1x1, 64 channels).
"""

import numpy as np
from numba import get_num_threads, prange

from ..runtime.jit import inner, kernel
from ..simd.micro_kernel import add_channels_1, add_channels_2, channel_tile_1, channel_tile_2, width
from ..simd.prefetch import empty
from ..simd.transpose import to_planes
from ..simd.vector import load, store
from .channel_tiles import dense_taps, one_row, place_tables, read_taps, tile_shape
from .tiles import adjoint_taps, copy_tile, layout

DEPTH = 160  # steps of a sum: the weights and pixels of so many stay in the first-level cache


@kernel
def pack(w, strides, numbers, starts, C, M, chunk, columns, out):
    """out[g][phase][panel][chunk, tap, c][column] = w[g, panel columns + column, c, numbers[tap]], zero beyond M."""
    G, F, P, T, lanes = out.shape[0], starts.size - 1, -(-M // columns), numbers.size, columns // 2
    whole = -(-T // lanes) * lanes
    for task in prange(G * P):
        g, panel, flat, taps = task // P, task % P, out.reshape(-1), np.empty(whole * columns, w.dtype)
        rows = min(columns, M - panel * columns)
        for c in range(C):
            source, c0 = g * strides[0] + panel * columns * strides[1] + c * strides[2], c // chunk * chunk
            read_taps(w, source, strides[1], T, rows, columns, taps)
            for f in range(F):
                n, some = starts[f + 1] - starts[f], min(chunk, C - c0)
                at = g * out.shape[1] + ((P * starts[f] + panel * n) * C + c0 * n + c - c0) * columns
                for t in range(n):
                    number = numbers[starts[f] + t] * columns
                    store(flat, at, load(taps, number))
                    store(flat, at + lanes, load(taps, number + lanes))
                    at += some * columns


@inner
def turn(strip, at, count, columns, channels, lanes, y, start, plane):
    """y[start + o plane + q] = strip[at + q columns + o] for q < count, o < channels."""
    for o in range(0, channels, lanes):
        to_planes(strip, at + o, columns, count, channels - o, lanes, y, start + o * plane, plane)


@inner
def _write(strip, base, rows, cols, columns, channels, lanes, y, start, H, W, corner, step):
    """Rows h, h + step, ... of y, from pixel v on, (h, v) = corner, from a strip of rows x cols: what of them lies in y."""
    h, v = corner
    if cols == W and step == 1:  # one run without gaps
        turn(strip, base, min(rows, H - h) * W, columns, channels, lanes, y, start + h * W, H * W)
    else:
        for i in range(rows):
            if h + i * step < H:
                at, n = start + (h + i * step) * W + v, min(cols, W - v)
                turn(strip, base + i * cols * columns, n, columns, channels, lanes, y, at, H * W)


@inner
def add_panel(copy, pixels, count, offsets, w, bias, strip, places, where, fresh, narrow, columns):
    """One panel of weights and every pixel of a tile, DEPTH steps of the sum after another; from the bias on if fresh."""
    k0, K, b, o, at = where
    blocks = max(1, (K + DEPTH // 2) // DEPTH)
    for block in range(blocks):
        first = block * K // blocks
        n, k, b0 = (block + 1) * K // blocks - first, k0 + first, b + first * columns
        for p in range(0, count, 6):
            if fresh and block == 0 and narrow:
                channel_tile_1(copy, 0, pixels, p, offsets, k, n, w, b0, bias, o, strip, at, places)
            elif fresh and block == 0:
                channel_tile_2(copy, 0, pixels, p, offsets, k, n, w, b0, bias, o, strip, at, places)
            elif narrow:
                add_channels_1(copy, 0, pixels, p, offsets, k, n, w, b0, bias, o, strip, at, places)
            else:
                add_channels_2(copy, 0, pixels, p, offsets, k, n, w, b0, bias, o, strip, at, places)


@kernel
def _convolve(
    x, C, size, b, bias, y, M, out_size, N, images, shifts, starts, copy_step, tile, step, up, chunk, strips, lanes
):
    plane, pitch, rows, cols, spread = tile
    (H, W), G = out_size, b.shape[0]
    F, columns = starts.size - 1, 2 * lanes
    P, wide = -(-M // columns), cols * up[1]
    down, across = -(-H // (up[0] * rows)), -(-W // wide)
    tasks, T = N * G * down * across, strips.shape[0]
    parts = 1 if tasks >= T else min(P, -(-T // max(tasks, 1)))  # few tiles: the panels are shared out as well
    length = rows * wide * columns
    held, seen = strips.shape[1] // length, (rows - 1) * step[0] + 1 + spread
    for t in prange(T):
        copy, strip = np.empty(chunk * plane, x.dtype), strips[t]
        pixels, places = np.empty(rows * cols + 5, np.int64), np.empty(rows * cols + 5, np.int64)
        place_tables(rows, cols, step, pitch, up[1] * columns, pixels, places)
        offsets = np.empty(shifts.size * chunk, np.int64)
        for task in range(t * tasks * parts // T, (t + 1) * tasks * parts // T):
            part, n, g = task % parts, task // parts // (across * down) // G, task // parts // (across * down) % G
            i0, j0 = task // parts // across % down * rows, task // parts % across * cols
            count = min(rows, -(-H // up[0]) - i0) * cols
            weights = b[g]
            for c0 in range(0, C, chunk):
                some = min(chunk, C - c0)
                image = ((n * G + g) * C + c0) * size[0] * size[1]
                i, j = i0 * step[0], j0 * step[1]
                copy_tile(x, image, (some, size[0], size[1]), copy, images, plane, pitch, i, j, seen, copy_step)
                for k in range(shifts.size * some):
                    offsets[k] = shifts[k // some] + k % some * plane
                for panel in range(part * P // parts, (part + 1) * P // parts):
                    narrow = M - panel * columns <= lanes
                    o = (g * P + panel) * columns
                    for f in range(F):
                        begin, end = starts[f], starts[f + 1]
                        K, k0 = (end - begin) * some, begin * some
                        b0 = ((P * begin + panel * (end - begin)) * C + c0 * (end - begin)) * columns
                        base = (panel * up[0] + f // up[1]) * length if held > 1 else 0
                        at = base + f % up[1] * columns
                        where = k0, K, b0, o, at
                        add_panel(
                            copy, pixels, count, offsets, weights, bias, strip, places, where, c0 == 0, narrow, columns
                        )
                        if c0 + some == C and f % up[1] == up[1] - 1:
                            target = ((n * G + g) * M + panel * columns) * H * W
                            left = min(columns, M - panel * columns)
                            corner = i0 * up[0] + f // up[1], j0 * up[1]
                            _write(strip, base, rows, wide, columns, left, lanes, y, target, H, W, corner, up[0])


def _run(x, w, strides, bias, groups, taps, step, y, up):
    """Adds up taps of x (N, G C, h, w) into y (N, G M, H, W), `up` apart; w[g, row, c, tap] lies at `strides`."""
    if up == (1, 1):
        x, y = one_row(taps, x, y)
    N, C, M = x.shape[0], x.shape[1] // groups, y.shape[1] // groups
    columns, threads = width(x.dtype), get_num_threads()
    P, size = -(-M // columns), (-(-y.shape[2] // up[0]), -(-y.shape[3] // up[1]))
    choices = []
    for chunk in {C, -(-C // -(-C * taps.most // DEPTH))}:  # copy all channels, or keep all sums
        kept = columns * up[1] * (P * up[0] if chunk < C else 1)  # sums for each pixel, until they are complete
        shape = tile_shape(chunk, taps.spread, step, kept, size, x.itemsize, N * groups, threads)
        choices.append((shape[0] * shape[1], chunk, kept, shape))
    _, chunk, kept, (rows, cols) = max(choices)  # large tiles: the weights are read once for each
    seen = (rows - 1) * step[0] + 1, (cols - 1) * step[1] + 1
    shifts, plane, pitch = layout(taps, *seen, columns)
    b = empty((groups, P * columns * C * len(taps.table)), x.dtype)
    pack(w.reshape(-1), strides, taps.numbers, taps.starts, C, M, chunk, columns, b)
    padded = np.zeros((groups, P * columns), x.dtype)
    if bias is not None:
        padded[:, :M] = bias.reshape(groups, M)
    tile = plane, pitch, rows, cols, taps.spread[0]
    strips = empty((threads, rows * cols * kept), x.dtype)
    flat = x.reshape(-1), C, x.shape[2:], b, padded.reshape(-1), y.reshape(-1), M, y.shape[2:], N
    _convolve(*flat, taps.images, shifts, taps.starts, taps.step, tile, step, up, chunk, strips, columns // 2)


def conv2d(x, w, bias, geometry):
    """y[n,o,i,j] = b[o] + sum_ckl w[o,c,k,l] x[n, c, i s + k d - p, j s + l d - p]."""
    O, C, kh, kw = w.shape
    y = empty((x.shape[0], O, *geometry.output_size(x.shape[2:])), x.dtype)
    strides = O // geometry.groups * C * kh * kw, C * kh * kw, kh * kw
    _run(x, w, strides, bias, geometry.groups, *dense_taps(geometry), y, (1, 1))
    return y


def conv_transpose2d(y, w, bias, size, geometry):
    """x[n,c,h,v] = b[c] + sum_okl w[o,c,k,l] y[n, o, (h + p - k d) / s, (v + p - l d) / s] where that is whole: a gather."""
    O, C, kh, kw = w.shape
    x = empty((y.shape[0], C * geometry.groups, *size), y.dtype)
    strides = O // geometry.groups * C * kh * kw, kh * kw, C * kh * kw
    _run(y, w, strides, bias, geometry.groups, adjoint_taps(geometry), (1, 1), x, geometry.stride)
    return x
