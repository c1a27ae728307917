"""The weight gradient with output channels in the vectors: channels.py's register tile, its two tables changed over.

    for image n, group, tile of y:                                # cut evenly among the threads
        panel[pixel, o] = y[n, o, pixel]                          # turned round: rows of pixels to vectors of channels
        for chunk of input channels:
            copy the pixels that the tile's windows see, with their padding     (tiles.copy_tile; not for 1x1, see below)
            for panel of 16 channels o:
                for 6 taps (c, k, l):
                    w[(c,k,l), o] += sum over p of  copy[pixel(p) + tap(c,k,l)] panel[p, o]     (microkernel.add_channels)

The forward's six pixels are six taps here, its sum over taps a sum over pixels; no window is copied twice. Every thread adds to
a sum of its own, and the sums are added in a fixed order; where the weights are larger than a cache, the threads share out the
panels instead. A 1x1 kernel that sees every pixel at its own place reads x where it lies.
"""

import numpy as np
from numba import get_num_threads, prange

from ..runtime.jit import inner, kernel
from ..simd.micro_kernel import add_channels_1, add_channels_2, width
from ..simd.prefetch import empty
from ..simd.transpose import to_vectors
from ..simd.vector import clear_run, load, store
from .channel_tiles import dense_taps, one_row, place_tables, tile_shape
from .direct_channels import turn
from .tiles import copy_tile, layout

SHARED_BYTES = 8 * 1024 * 1024  # of weights; above, each thread computes panels of its own
CHUNK_BYTES = 128 * 1024  # of a copy
PIXELS = 640  # of a tile, at most: a register tile adds up so many before it is stored


@inner
def turn_rows(y, start, plane, channels, count, lanes, columns, out, at):
    """out[at + q columns + o] = y[start + o plane + q] for q < count, o < columns, zero from `channels` on."""
    for o in range(0, columns, lanes):
        to_vectors(y, start + o * plane, plane, channels - o, count, lanes, out, at + o, columns)


@kernel
def _accumulate(
    x, C, size, y, O, out_size, N, images, shifts, copy_step, tile, step, chunk, shares, in_place, panels, lanes, sums
):
    plane, pitch, rows, cols, spread = tile
    (H, W), columns, taps = out_size, 2 * lanes, shifts.size
    parts, G, P, depth = sums.shape
    down, across = -(-H // rows), -(-W // cols)
    tiles, seen = N * down * across, (rows - 1) * step[0] + 1 + spread
    for t in prange(parts * shares):
        part, first, last = t // shares, t % shares * P // shares, (t % shares + 1) * P // shares
        flat, z, copy = sums[part].reshape(-1), panels[t], np.empty(0 if in_place else chunk * plane, x.dtype)
        pixels, unused = np.empty(rows * cols + 5, np.int64), np.empty(rows * cols + 5, np.int64)
        place_tables(rows, cols, step, pitch, 0, pixels, unused)
        offsets, places = np.empty(chunk * taps + 5, np.int64), np.empty(chunk * taps + 5, np.int64)
        for g in range(G):
            for panel in range(first, last):
                clear_run(flat, (g * P + panel) * depth, depth)
            for task in range(part * tiles // parts, (part + 1) * tiles // parts):
                n, i0, j0 = task // (across * down), task // across % down * rows, task % across * cols
                wide = min(cols, W - j0)
                count = wide if in_place else min(rows, H - i0) * cols
                if wide < cols and not in_place:
                    clear_run(z, 0, z.size)
                for panel in range(first, last):
                    start = ((n * G + g) * O + panel * columns) * H * W + i0 * W + j0
                    for i in range(min(rows, H - i0) if cols < W else 1):
                        run = wide if cols < W else count
                        at = ((panel - first) * rows + i) * cols * columns
                        turn_rows(y, start + i * W, H * W, O - panel * columns, run, lanes, columns, z, at)
                for c0 in range(0, C, chunk):
                    some = min(chunk, C - c0)
                    image = ((n * G + g) * C + c0) * size[0] * size[1]
                    i, j = i0 * step[0], j0 * step[1]
                    if not in_place:
                        copy_tile(x, image, (some, size[0], size[1]), copy, images, plane, pitch, i, j, seen, copy_step)
                    a, a0 = (x, image + j) if in_place else (copy, 0)
                    for k in range(some * taps + 5):
                        q = min(k, some * taps - 1)
                        offsets[k], places[k] = q // taps * plane + shifts[q % taps], (c0 * taps + q) * columns
                    for panel in range(first, last):
                        z0, w0 = (panel - first) * rows * cols * columns, (g * P + panel) * depth
                        narrow = O - panel * columns <= lanes
                        for k in range(0, some * taps, 6):
                            if narrow:
                                add_channels_1(a, a0, offsets, k, pixels, 0, count, z, z0, z, 0, flat, w0, places)
                            else:
                                add_channels_2(a, a0, offsets, k, pixels, 0, count, z, z0, z, 0, flat, w0, places)


@kernel
def add_up(sums, w, O, K, lanes):
    """w[g, o, k] = the threads' sums of [g, panel, k, column], turned round."""
    parts, G, P, depth = sums.shape
    flat, columns, size = sums.reshape(-1), 2 * lanes, G * P * depth
    for task in prange(G * P):
        g, panel = task // P, task % P
        at = task * depth
        for part in range(1, parts):
            for q in range(at, at + K * columns, lanes):
                store(flat, q, load(flat, q) + load(flat, part * size + q))
        channels = min(columns, O - panel * columns)
        turn(flat, at, K, columns, channels, lanes, w, (g * O + panel * columns) * K, K)


def conv2d_weight(x, y, geometry):
    """w[o,c,k,l] = sum_nij y[n,o,i,j] x[n, c, i s + k d - p, j s + l d - p]."""
    G, columns, threads, (taps, step) = geometry.groups, width(x.dtype), get_num_threads(), dense_taps(geometry)
    N, C, O, K = x.shape[0], x.shape[1] // G, y.shape[1] // G, x.shape[1] // G * len(taps.table)
    (x, y), whole = one_row(taps, x, y), x
    in_place = x is not whole
    P = -(-O // columns)
    shares = threads if G * P * columns * K * x.itemsize > SHARED_BYTES and threads <= P else 1
    kept = columns * max(1, P // shares)
    rows, cols = tile_shape(1, taps.spread, step, kept, y.shape[2:], x.itemsize, N, threads // shares, PIXELS)
    shifts, plane, pitch = layout(taps, (rows - 1) * step[0] + 1, (cols - 1) * step[1] + 1, columns)
    chunk = min(C, max(1, CHUNK_BYTES // (plane * x.itemsize)))
    plane = x.shape[3] if in_place else plane
    panels = empty((threads, -(-P // shares) * columns * rows * cols), x.dtype)
    sums = empty((threads // shares, G, P, K * columns), x.dtype)
    tile = plane, pitch, rows, cols, taps.spread[0]
    flat = x.reshape(-1), C, x.shape[2:], y.reshape(-1), O, y.shape[2:], N, taps.images, shifts, taps.step
    _accumulate(*flat, tile, step, chunk, shares, in_place, panels, columns // 2, sums)
    w = np.empty((G * O, C, *geometry.kernel), x.dtype)
    add_up(sums, w.reshape(-1), O, K, columns // 2)
    return w
