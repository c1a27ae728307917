"""The weight gradient of dilated convolutions: each tap sums over the pixels from which it sees the image, and no others.

    for group, image n:                                           # the panels of 16 channels o are shared out among the threads
        panel[pixel, o] = y[n, o, pixel]                          # turned round; pixels in the order below
        for chunk of input channels:
            copy the channels                                     # as they are: there is no padding
            for panel, tile of rows, tap (k,l), 6 channels c:
                for run of the tile's pixels from which the tap sees the image:
                    w[(c,k,l), o] += sum over p of  copy[c, pixel(p) + tap(k,l)] panel[p, o]      (microkernel.add_channels)

Tiles are cut into zones of columns where the same taps see the image (zones.zones). Pixels lie zone after zone, row after row:
so a tap sees the image from one run of every zone, and runs that meet are one.

Measured on a Zen 3 core, 256 channels, 2 x 33 x 33 pixels: 13 ms at rate 18 and 18 ms at rate 12 instead of 34 and 32 ms.
"""

from functools import lru_cache

import numpy as np
from numba import get_num_threads, prange

from ..runtime.jit import inner, kernel
from ..simd.micro_kernel import CHANNEL_ROWS, add_channels_1, add_channels_2, width
from ..simd.prefetch import empty
from ..simd.vector import clear_run, copy_run
from .channel_tiles import COPY_BYTES
from .dilated import LEAST_CHANNELS, shifts_of, zones
from .direct_channels_weight import add_up, turn_rows

PIXELS = 256  # of a tile, or a row: their part of a panel stays in the first-level cache


@lru_cache(64)
def plan(geometry, size, out):
    """(pixels, rows, runs): row (at, start, count) of the panel is a piece of y; run (tap, p, q) sums over pixels p to q."""
    down, across = shifts_of(geometry, False)
    height = max(1, PIXELS // out[1])
    pixels, rows, runs = [], [], []
    for i in range(0, out[0], height):
        stop, zones_here = min(i + height, out[0]), []
        for j, end, first, last in zones(across, size[1], out[1], out[1]):
            zones_here.append((len(pixels), end - j, range(first, last)))
            for h in range(i, stop):
                rows.append((len(pixels), h * out[1] + j, end - j))
                pixels += range(h * size[1] + j, h * size[1] + end)
        for k, s in enumerate(down):
            top, bottom = max(i, -s), min(stop, size[0] - s)
            for l in range(len(across)):
                met = -1
                for at, wide, live in zones_here:
                    if top < bottom and l in live:
                        p, q = at + (top - i) * wide, at + (bottom - i) * wide
                        if p == met:
                            runs[-1][2] = q
                        else:
                            runs.append([k * len(across) + l, p, q])
                        met = q
    return np.array(pixels), np.array(rows), np.array(runs, np.int64).reshape(-1, 3)


@inner
def _add_taps(copy, channels, some, pixels, runs, shifts, z, z0, flat, w0, places, narrow, columns):
    """One panel: every run of pixels, six channels at a time."""
    for r in range(runs.shape[0]):
        tap, p, count = runs[r, 0], runs[r, 1], runs[r, 2] - runs[r, 1]
        at, w = z0 + p * columns, w0 + tap * columns
        for c in range(0, some, 6):
            if narrow:
                add_channels_1(copy, shifts[tap], channels, c, pixels, p, count, z, at, z, 0, flat, w, places)
            else:
                add_channels_2(copy, shifts[tap], channels, c, pixels, p, count, z, at, z, 0, flat, w, places)


@kernel
def _accumulate(x, C, pixels_in, y, O, pixels_out, N, shifts, pixels, rows, runs, chunk, plane, panels, lanes, sums):
    T, columns, taps = panels.shape[0], 2 * lanes, shifts.size
    G, P, depth = sums.shape[1], sums.shape[2], sums.shape[3]
    for t in prange(T):
        first, last = t * P // T, (t + 1) * P // T
        flat, z, copy = sums.reshape(-1), panels[t], np.empty(chunk * plane, x.dtype)
        channels, places = np.empty(chunk + 5, np.int64), np.empty(chunk + 5, np.int64)
        for image in range(N * G if last > first else 0):
            g = image % G
            for panel in range(first, last):
                start, z0 = (image * O + panel * columns) * pixels_out, (panel - first) * pixels_out * columns
                if image < G:
                    clear_run(flat, (g * P + panel) * depth, depth)
                for r in range(rows.shape[0]):
                    at, left = z0 + rows[r, 0] * columns, O - panel * columns
                    turn_rows(y, start + rows[r, 1], pixels_out, left, rows[r, 2], lanes, columns, z, at)
            for c0 in range(0, C, chunk):
                some = min(chunk, C - c0)
                for c in range(some + 5):
                    q = min(c, some - 1)
                    channels[c], places[c] = q * plane, q * taps * columns
                    if c < some:
                        copy_run(x, (image * C + c0 + c) * pixels_in, copy, c * plane, pixels_in)
                for panel in range(first, last):
                    z0, w0 = (panel - first) * pixels_out * columns, (g * P + panel) * depth + c0 * taps * columns
                    narrow = O - panel * columns <= lanes
                    _add_taps(copy, channels, some, pixels, runs, shifts, z, z0, flat, w0, places, narrow, columns)


def conv2d_weight(x, y, geometry):
    """w[o,c,k,l] = sum_nij y[n,o,i,j] x[n, c, i + k d - p, j + l d - p]."""
    G, columns, threads, size, out = geometry.groups, width(x.dtype), get_num_threads(), x.shape[2:], y.shape[2:]
    N, C, O = x.shape[0], x.shape[1] // G, y.shape[1] // G
    P, pixels_in, pixels_out = -(-O // columns), size[0] * size[1], out[0] * out[1]
    pixels, rows, runs = plan(geometry, size, out)
    down, across = map(np.array, shifts_of(geometry, False))
    shifts = np.add.outer(down * size[1], across).reshape(-1)
    plane = (-(-pixels_in // columns) | 1) * columns  # odd: as in tiles.layout
    chunk = -(-C // -(-C // max(COPY_BYTES // (plane * x.itemsize), LEAST_CHANNELS)))
    chunk = min(C, -(-chunk // CHANNEL_ROWS) * CHANNEL_ROWS)
    panels = empty((threads, -(-P // threads) * pixels_out * columns), x.dtype)
    sums = empty((1, G, P, C * shifts.size * columns), x.dtype)
    if N == 0:
        sums[:] = 0
    flat = x.reshape(-1), C, pixels_in, y.reshape(-1), O, pixels_out, N
    _accumulate(*flat, shifts, pixels, rows, runs, chunk, plane, panels, columns // 2, sums)
    w = np.empty((G * O, C, *geometry.kernel), x.dtype)
    add_up(sums, w.reshape(-1), O, C * shifts.size, columns // 2)
    return w
