"""The weight gradient of dilated convolutions: each tap sums over the pixels from which it sees the image, and no others.

    for group, image n:                                           # the panels of NR channels o are shared out among the threads
        panel[pixel, o] = y[n, o, pixel]                          # transposed; pixels in the order below
        for chunk of input channels:
            copy the channels                                     # as they are: there is no padding
            for panel, tile of rows, tap (k,l):
                for run of the tile's pixels from which the tap sees the image, MR channels c:      # micro-kernel
                    w[(c,k,l), o] += sum over p of  copy[c, pixel(p) + tap(k,l)] panel[p, o]

Tiles are cut into zones of columns where the same taps see the image (dilated.zones). Pixels lie zone after zone, row after
row: so a tap sees the image from one run of every zone, and runs that meet are one.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numba import prange

from ..runtime.jit import inner, kernel
from ..runtime.threads import get_num_threads
from ..simd.micro_kernel import MR, Operand, micro_kernel_6x1, micro_kernel_6x2, panel_width
from ..simd.prefetch import empty
from ..simd.table import from_entry
from ..simd.vector import Rows, clear_run, copy_run, lanes_of
from .dilated import MIN_CHANNELS, shifts_of, zones
from .direct_channels_weight import add_parts, load_panel
from .operands import Image, image, plane_start
from .tiles import COPY_BYTES, odd_lines

TILE_PIXELS = 256  # of a tile, or a row: their part of a panel stays in the first-level cache


class Zones(NamedTuple):
    """The tables of the loops: row (at, start, count) of the panel is a piece of y; run (tap, p, q) sums over pixels p to q."""

    pixels: np.ndarray  # offsets in a channel
    rows: np.ndarray
    runs: np.ndarray
    shifts: np.ndarray  # (taps,): how far each lies from a pixel of y
    chunk: int  # channels copied at once
    plane: int  # distance of channels in the copy


@lru_cache(64)
def plan(geometry, size, out):
    """(pixels, rows, runs): the tables of Zones."""
    down, across = shifts_of(geometry, False)
    height = max(1, TILE_PIXELS // out[1])
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
def _add_taps(copy, tables, some, zones, z, w, narrow):
    """One panel: every run of pixels, MR channels at a time; tables are (offsets of channels in the copy, in w)."""
    (channels, places), columns = tables, z.stride
    for r in range(zones.runs.shape[0]):
        tap, p, count = zones.runs[r, 0], zones.runs[r, 1], zones.runs[r, 2] - zones.runs[r, 1]
        for c in range(0, some, MR):
            a = Operand(copy, zones.shifts[tap], from_entry(channels, c), zones.pixels)
            out = Rows(w.data, w.start + tap * columns, from_entry(places, c))
            if narrow:
                micro_kernel_6x1(a, z, out, out, p, count)
            else:
                micro_kernel_6x2(a, z, out, out, p, count)


@kernel
def _accumulate(x: Image, y: Image, zones: Zones, panels, sums):
    T, columns, taps, chunk, G, C = (
        panels.shape[0],
        2 * lanes_of(x.data),
        zones.shifts.size,
        zones.chunk,
        x.groups,
        x.channels,
    )
    P, depth = sums.shape[2:]
    pixels_in, pixels_out, plane = x.height * x.width, y.height * y.width, zones.plane
    for t in prange(T):
        first, last = t * P // T, (t + 1) * P // T
        flat, z, copy = sums.reshape(-1), panels[t], np.empty(chunk * plane, x.data.dtype)
        channels, places = np.empty(chunk + MR, np.int64), np.empty(chunk + MR, np.int64)
        for task in range(x.batch * G if last > first else 0):
            n, g = task // G, task % G
            for panel in range(first, last):
                start, z0 = plane_start(y, n, g, panel * columns), (panel - first) * pixels_out * columns
                if n == 0:
                    clear_run(flat, (g * P + panel) * depth, depth)
                for r in range(zones.rows.shape[0]):
                    at, left = z0 + zones.rows[r, 0] * columns, y.channels - panel * columns
                    load_panel(Rows(y.data, start + zones.rows[r, 1], pixels_out), left, zones.rows[r, 2], z, at)
            for c0 in range(0, C, chunk):
                some = min(chunk, C - c0)
                for c in range(some + MR):
                    q = min(c, some - 1)
                    channels[c], places[c] = q * plane, q * taps * columns
                    if c < some:
                        copy_run(x.data, plane_start(x, n, g, c0 + c), copy, c * plane, pixels_in)
                for panel in range(first, last):
                    b = Rows(z, (panel - first) * pixels_out * columns, columns)
                    w = Rows(flat, (g * P + panel) * depth + c0 * taps * columns, 0)
                    _add_taps(copy, (channels, places), some, zones, b, w, y.channels - panel * columns <= columns // 2)


def conv2d_weight(x, y, geometry):
    """w[o,c,k,l] = sum_nij y[n,o,i,j] x[n, c, i + k d - p, j + l d - p]."""
    G, columns, threads, size, out = geometry.groups, panel_width(x.dtype), get_num_threads(), x.shape[2:], y.shape[2:]
    C, O = x.shape[1] // G, y.shape[1] // G
    P = -(-O // columns)
    down, across = map(np.array, shifts_of(geometry, False))
    shifts = np.add.outer(down * size[1], across).reshape(-1)
    plane = odd_lines(size[0] * size[1], columns)
    chunk = -(-C // -(-C // max(COPY_BYTES // (plane * x.itemsize), MIN_CHANNELS)))
    chunk = min(C, -(-chunk // MR) * MR)
    panels = empty((threads, -(-P // threads) * out[0] * out[1] * columns), x.dtype)
    sums = empty((1, G, P, C * shifts.size * columns), x.dtype)
    if len(x) == 0:
        sums[:] = 0
    _accumulate(image(x, G), image(y, G), Zones(*plan(geometry, size, out), shifts, chunk, plane), panels, sums)
    w = np.empty((G * O, C, *geometry.kernel), x.dtype)
    add_parts(sums, w.reshape(-1), O, C * shifts.size, threads)
    return w
