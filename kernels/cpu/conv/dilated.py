"""Dilated convolution by zones: where the same taps see the image, and no others, there is no padding to multiply by.

With rate 18 on 33 x 33 pixels, a window's outer taps lie 18 pixels off: the first 15 columns have a right neighbour and no left
one, the last 15 a left one and no right one, the 3 between have neither. Rows fall into zones in the same way, so that 60 of
100 products of the plain sum are with padding. In a zone of rows and columns, a tap sees the image from all pixels or none:

    for image n, group, tile of rows:                             # cut evenly among the threads
        for chunk of input channels:
            copy the rows that the tile's windows see             # as they are: there is no padding
            for panel of NR channels o:
                for zone of the tile, run of its live taps:       # taps that follow each other in the kernel
                    for MR pixels p of the zone:                  # direct_channels.macro_kernel
                        strip[p, o] += sum_(c, run) copy[pixel(p) + tap(c,k,l)] w[(c,k,l), o]
        y[n, o, tile] = strip[tile, o]

The macro-kernel is that of direct_channels.py, whose pixels and taps are tables of offsets: a zone is a piece of the first
table, a run a piece of the second. The data gradient is the same sum with taps on the other side.
"""

from functools import lru_cache
from itertools import chain, pairwise
from typing import NamedTuple

import numpy as np
from numba import prange

from ...geometry import remembered
from ..runtime.jit import inner, kernel
from ..runtime.threads import get_num_threads
from ..simd.micro_kernel import MR, panel_width
from ..simd.prefetch import empty
from ..simd.vector import Rows, copy_run, lanes_of
from .direct_channels import macro_kernel, pack_b, store_panel
from .operands import Image, adjoint_filters, forward_filters, image, padded_bias, plane_start
from .tiles import COPY_BYTES, odd_lines

STRIP_BYTES = 2048 * 1024  # of a tile's accumulators, at most: with a copy, they stay in the third-level cache
MIN_CHANNELS = 8  # copied at once, even where their rows exceed a cache
MAX_STEPS = 160  # of a reduction over a row of taps: their weights and pixels stay in the first-level cache


class Zones(NamedTuple):
    """The tables of the loops; tile t has runs starts[t] to starts[t + 1] and sees rows seen[t] of the image.

    A run (p, q, s, t, first) adds taps s to t up for pixels p to q of the tables; `first` if it is its pixels' first.
    """

    pixels: np.ndarray  # offsets in the copy
    places: np.ndarray  # offsets in the strip
    runs: np.ndarray
    starts: np.ndarray
    seen: np.ndarray
    shifts: np.ndarray  # (taps,): how far each lies from a pixel of the result
    rows: int  # of a tile
    chunk: int  # channels copied at once
    plane: int  # distance of channels in the copy


def shifts_of(geometry, adjoint):
    """For rows and for columns: how far from a pixel of the result each tap lies."""
    sign = -1 if adjoint else 1
    axes = zip(geometry.kernel, geometry.dilation, geometry.padding)
    return [[sign * (k * d - p) for k in range(taps)] for taps, d, p in axes]


def zones(shifts, size, out, step):
    """[(start, stop, first, last)]: from pixels start to stop of `out`, taps first to last see the `size` pixels of the image.

    No zone crosses a multiple of `step`.
    """
    ends = {end for s in shifts for end in (-s, size - s) if 0 < end < out}
    found = []
    for start, stop in pairwise(sorted({*range(0, out, step), out, *ends})):
        live = [k for k, s in enumerate(shifts) if 0 <= start + s < size]
        found.append((start, stop, min(live, default=0), max(live, default=-1) + 1))
    return found


@lru_cache(64)
def live_share(geometry, size, out, adjoint):
    """The share of all products that are not with padding."""
    share = 1
    for shifts, n, m in zip(shifts_of(geometry, adjoint), size, out):
        share *= sum((stop - start) * (last - first) for start, stop, first, last in zones(shifts, n, m, m))
        share /= m * len(shifts)
    return share


@lru_cache(64)
def plan(geometry, size, out, adjoint, rows, columns):
    """(pixels, places, runs, starts, seen): the tables of Zones."""
    down, across = shifts_of(geometry, adjoint)
    tiles = [[] for _ in range(0, out[0], rows)]
    pixels, places, seen, count = [], [], [[size[0], 0] for _ in tiles], 0
    for i, stop, k0, k1 in zones(down, size[0], out[0], rows):
        t = i // rows
        if k1 > k0:
            lowest, highest = sorted((i + down[k0], i + down[k1 - 1]))
            seen[t] = [min(seen[t][0], lowest), max(seen[t][1], highest + stop - i)]
        for j, end, l0, l1 in zones(across, size[1], out[1], out[1]):
            h, v = (a.reshape(-1) for a in np.mgrid[i:stop, j:end])
            padding = 0, -h.size % MR  # a multiple of MR: the last pixel is repeated
            pixels.append(np.pad(h * size[1] + v, padding, "edge"))
            places.append(np.pad(((h - t * rows) * out[1] + v) * columns, padding, "edge"))
            live = [(k * len(across) + l0, k * len(across) + l1) for k in range(k0, k1)] if l1 > l0 else []
            if l1 - l0 == len(across) and live:  # whole rows of taps follow each other
                live = [(live[0][0], live[-1][1])]
            tiles[t] += [(count, count + pixels[-1].size, *run, r == 0) for r, run in enumerate(live or [(0, 0)])]
            count += pixels[-1].size
    starts = np.cumsum([0, *map(len, tiles)])
    seen = np.array([[min(a, b), b] for a, b in seen])
    return np.concatenate(pixels), np.concatenate(places), np.array([*chain(*tiles)], np.int64), starts, seen


@inner
def _add_zones(copy, offsets, some, zones, tile, b, strip, panel):
    """One panel of weights, all of a tile's zones; panel is (bias, channels, whether the chunk is the first)."""
    bias, channels, fresh = panel
    for r in range(zones.starts[tile], zones.starts[tile + 1]):
        p, q, first, last = zones.runs[r, 0], zones.runs[r, 1], zones.runs[r, 2], zones.runs[r, 3]
        new = fresh and zones.runs[r, 4] == 1
        if new or last > first:  # no tap: the bias
            a, span = (copy, 0, zones.pixels, offsets), (first * some, (last - first) * some, p, q)
            macro_kernel(a, b, strip, bias, span, channels, new)


@kernel
def _convolve(x: Image, weights, bias, y: Image, zones: Zones, strips):
    C, M, G, W, U, V = x.channels, y.channels, x.groups, x.width, y.height, y.width
    rows, chunk, plane, taps = zones.rows, zones.chunk, zones.plane, zones.shifts.size
    columns, T, down = 2 * lanes_of(x.data), strips.shape[0], zones.seen.shape[0]
    P, length, tasks = -(-M // columns), rows * V * columns, x.batch * G * down
    parts = 1 if tasks >= T else min(P, -(-T // max(tasks, 1)))  # few tiles: the panels are shared out as well
    for t in prange(T):
        copy, strip = np.empty(chunk * plane, x.data.dtype), strips[t]
        offsets = np.empty(taps * chunk, np.int64)
        for task in range(t * tasks * parts // T, (t + 1) * tasks * parts // T):
            part, tile, n, g = task % parts, task // parts % down, task // parts // down // G, task // parts // down % G
            i, top = tile * rows, zones.seen[tile, 0]
            sees = zones.seen[tile, 1] - top
            for c0 in range(0, C, chunk):
                some = min(chunk, C - c0)
                for c in range(some):
                    copy_run(x.data, plane_start(x, n, g, c0 + c) + top * W, copy, c * plane, sees * W)
                for k in range(taps * some):
                    offsets[k] = zones.shifts[k // some] + k % some * plane - top * W
                for panel in range(part * P // parts, (part + 1) * P // parts):
                    channels = M - panel * columns
                    b = Rows(weights, g * weights.size // G + (panel * C + c0) * taps * columns, columns)
                    start = Rows(bias, (g * P + panel) * columns, 0), channels, c0 == 0
                    sums = Rows(strip, panel * length, zones.places)
                    _add_zones(copy, offsets, some, zones, tile, b, sums, start)
                    if c0 + some == C:
                        target = Rows(y.data, plane_start(y, n, g, panel * columns) + i * V, U * V)
                        store_panel(strip, panel * length, min(rows, U - i) * V, channels, target)


def _run(x, filters, bias, y, geometry, adjoint, kept=None):
    """y (N, G M, U, V) = the live taps of x (N, G C, H, W) and the bias added up."""
    G, columns, threads, size, out = geometry.groups, panel_width(x.dtype), get_num_threads(), x.shape[2:], y.shape[2:]
    C, M, taps = x.shape[1] // G, y.shape[1] // G, geometry.kernel[0] * geometry.kernel[1]
    P = -(-M // columns)
    rows = -(-out[0] // -(-out[0] * out[1] * P * columns * x.itemsize // STRIP_BYTES))
    tables = plan(geometry, size, out, adjoint, rows, columns)
    seen = tables[-1]
    plane = odd_lines(int((seen[:, 1] - seen[:, 0]).max()) * size[1], columns)
    most = min(COPY_BYTES // (plane * x.itemsize), MAX_STEPS // geometry.kernel[1])
    chunk = -(-C // -(-C // max(most, MIN_CHANNELS)))

    def pack():
        b = empty((G, P * columns * C * taps), x.dtype)
        pack_b(filters, np.arange(taps), np.array([0, taps]), (M, C, chunk), b, threads)
        return b.reshape(-1)

    b = remembered(kept, ("dilated", chunk), pack)
    shifts = np.add.outer(*(np.array(s) * n for s, n in zip(shifts_of(geometry, adjoint), (size[1], 1)))).reshape(-1)
    strips = empty((threads, rows * out[1] * P * columns), x.dtype)
    zones = Zones(*tables, shifts, rows, chunk, plane)
    bias = padded_bias(bias, G, M, P * columns, x.dtype)
    _convolve(image(x, G), b, bias, image(y, G), zones, strips)
    return y


def conv2d(x, w, bias, geometry, kept=None):
    """y[n,o,i,j] = b[o] + sum_ckl w[o,c,k,l] x[n, c, i + k d - p, j + l d - p]."""
    y = empty((x.shape[0], w.shape[0], *geometry.output_size(x.shape[2:])), x.dtype)
    return _run(x, forward_filters(w, geometry.groups), bias, y, geometry, False, kept)


def conv_transpose2d(y, w, bias, size, geometry):
    """x[n,c,h,v] = b[c] + sum_okl w[o,c,k,l] y[n, o, h + p - k d, v + p - l d]."""
    x = empty((y.shape[0], w.shape[1] * geometry.groups, *size), y.dtype)
    return _run(y, adjoint_filters(w, geometry.groups), bias, x, geometry, True)
