"""The weight gradient with output channels in the vectors: direct_channels.py with the operands swapped.

    for part of the tiles of all images, share of the panels:     # shared out among the threads
        for tile of y:
            panel[pixel, o] = y[n, o, pixel]                      # transposed: NCHW to NCHWc
            for chunk of input channels:
                pack the pixels that the tile's windows see, with their padding     (packing.copy_tile; not for 1x1)
                for panel of NR channels o, MR taps (c, k, l):
                    w[(c,k,l), o] += sum over p of  copy[pixel(p) + tap(c,k,l)] panel[p, o]     (micro-kernel)
    w added up over the parts in order

The forward's MR pixels are MR taps here, and the reduction runs over pixels instead of taps; no window is copied twice. Parts
and tiles depend on the shapes alone, so that the sum has the same bits on any number of threads. A 1x1 kernel that sees every
pixel at its own place reads x where it lies.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import prange

from ..runtime.jit import inlined, inner, kernel
from ..runtime.threads import get_num_threads
from ..simd.micro_kernel import MR, Operand, micro_kernel_6x1, micro_kernel_6x2, panel_width
from ..simd.prefetch import empty
from ..simd.table import from_entry
from ..simd.transpose import nchw_to_nchwc
from ..simd.vector import Rows, clear_run, lanes_of, load, store
from .direct_channels import store_panel
from .operands import Image, image, plane_start
from .parts import weight_parts
from .taps import one_row
from .tiles import Tile, balanced, channel_tile, copy_tile, dense_taps, layout, place_tables

CHUNK_BYTES = 128 * 1024  # of a copy
PARTS_BYTES = 1 << 20  # of the partial sums of all parts: they stay in the second-level cache
MAX_PIXELS = 640  # of a tile: a register tile adds up so many before it is stored


class Reduction(NamedTuple):
    """The taps, and how channels and panels are cut."""

    shifts: np.ndarray  # (taps,): offsets in the copy
    chunk: int  # channels copied at once
    step_rows: int  # between windows, in the copy
    step_cols: int
    in_place: bool  # nothing is copied
    shares: int  # of the panels


@inner
def load_panel(source, channels, count, target, start):
    """target[start + q NR + o] = source[o, q] for q < count pixels and the channels o of a panel, zero from `channels` on.

    The second vector of a panel of few channels is left as it is: it is not read.
    """
    lanes = lanes_of(target)
    for o in range(0, lanes if channels <= lanes else 2 * lanes, lanes):
        rows = Rows(source.data, source.start + o * source.stride, source.stride)
        nchw_to_nchwc(rows, Rows(target, start + o, 2 * lanes), channels - o, count)


@inlined
def _load_panels(y, at, corner, size, tile, span, z):
    """Panels span[0] .. span[1] of a tile of y: `size` rows and columns from the corner on; at = (n, g)."""
    (n, g), (i0, j0), (rows, wide), columns = at, corner, size, 2 * lanes_of(z)
    H, W = y.height, y.width
    for panel in range(span[0], span[1]):
        start = plane_start(y, n, g, panel * columns) + i0 * W + j0
        for i in range(rows if tile.cols < W else 1):
            run = wide if tile.cols < W else rows * W
            target = ((panel - span[0]) * tile.rows + i) * tile.cols * columns
            load_panel(Rows(y.data, start + i * W, H * W), y.channels - panel * columns, run, z, target)


@inner
def add_taps(a, taps, b, w, K, narrow):
    """w[t, o] += sum_p a[t, p] b[p, o] for `taps` rows t of one panel; a is (data, start, offsets of taps, pixels)."""
    data, start, offsets, pixels = a
    for t in range(0, taps, MR):
        rows, out = Operand(data, start, from_entry(offsets, t), pixels), Rows(w.data, w.start, from_entry(w.stride, t))
        if narrow:
            micro_kernel_6x1(rows, b, out, out, 0, K)
        else:
            micro_kernel_6x2(rows, b, out, out, 0, K)


@kernel
def _accumulate(x: Image, y: Image, tile: Tile, reduction: Reduction, panels, sums):
    parts, G, P, depth = sums.shape
    H, W, C, columns, T = y.height, y.width, x.channels, 2 * lanes_of(x.data), panels.shape[0]
    rows, cols = tile.rows, tile.cols
    step = reduction.step_rows, reduction.step_cols
    shifts, chunk, in_place, shares = reduction.shifts, reduction.chunk, reduction.in_place, reduction.shares
    down, across, taps = -(-H // rows), -(-W // cols), shifts.size
    tiles = x.batch * down * across
    for t in prange(T):
        z, copy = panels[t], np.empty(0 if in_place else chunk * tile.plane, x.data.dtype)
        pixels, unused = np.empty(rows * cols + MR, np.int64), np.empty(rows * cols + MR, np.int64)
        place_tables(tile, step, 0, pixels, unused)
        offsets, places = np.empty(chunk * taps + MR, np.int64), np.empty(chunk * taps + MR, np.int64)
        for work in range(t * parts * shares // T, (t + 1) * parts * shares // T):
            part, share = work // shares, work % shares
            first, last, flat = share * P // shares, (share + 1) * P // shares, sums[part].reshape(-1)
            for g in range(G):
                for panel in range(first, last):
                    clear_run(flat, (g * P + panel) * depth, depth)
                for task in range(part * tiles // parts, (part + 1) * tiles // parts):
                    n, i0, j0 = task // (across * down), task // across % down * rows, task % across * cols
                    size = min(rows, H - i0), min(cols, W - j0)
                    count = size[1] if in_place else size[0] * cols
                    if size[1] < cols and not in_place:
                        clear_run(z, 0, z.size)
                    _load_panels(y, (n, g), (i0, j0), size, tile, (first, last), z)
                    for c0 in range(0, C, chunk):
                        some, start = min(chunk, C - c0), plane_start(x, n, g, c0)
                        if not in_place:
                            copy_tile(x, start, some, tile, copy, i0 * step[0], j0 * step[1])
                        data, a0 = (x.data, start + j0 * step[1]) if in_place else (copy, 0)
                        for k in range(some * taps + MR):
                            q = min(k, some * taps - 1)
                            offsets[k] = q // taps * tile.plane + shifts[q % taps]
                            places[k] = (c0 * taps + q) * columns
                        for panel in range(first, last):
                            b = Rows(z, (panel - first) * rows * cols * columns, columns)
                            w = Rows(flat, (g * P + panel) * depth, places)
                            narrow = y.channels - panel * columns <= columns // 2
                            add_taps((data, a0, offsets, pixels), some * taps, b, w, count, narrow)


@kernel
def add_parts(sums, w, O, K, T):
    """w[g, o, k] = the sum over the parts of [g, panel, k, column], transposed."""
    parts, G, P, depth = sums.shape
    flat, lanes, size = sums.reshape(-1), lanes_of(w), G * P * depth
    for t in prange(T):
        for task in range(t * G * P // T, (t + 1) * G * P // T):
            g, panel, at = task // P, task % P, task * depth
            for q in range(at, at + K * 2 * lanes, lanes):
                total = load(flat, q)
                for part in range(1, parts):
                    total = total + load(flat, part * size + q)
                store(flat, q, total)
            channels = O - panel * 2 * lanes
            store_panel(flat, at, K, channels, Rows(w, (g * O + panel * 2 * lanes) * K, K))


def conv2d_weight(x, y, geometry):
    """w[o,c,k,l] = sum_nij y[n,o,i,j] x[n, c, i s + k d - p, j s + l d - p]."""
    G, columns, threads, (taps, step) = geometry.groups, panel_width(x.dtype), get_num_threads(), dense_taps(geometry)
    N, C, O, K = len(x), x.shape[1] // G, y.shape[1] // G, x.shape[1] // G * len(taps.table)
    (x, y), whole = one_row(taps, x, y), x
    in_place, size = x is not whole, y.shape[2:]
    P = -(-O // columns)
    parts = weight_parts(G * P * columns * K * x.itemsize, N * math.prod(size), PARTS_BYTES)
    shares = min(P, -(-threads // parts))
    kept = min(P * columns, 8 * columns) * x.itemsize  # panels are read once for each tap of a chunk
    rows, cols = channel_tile(x.itemsize, taps.halo, step, kept, size, MAX_PIXELS)
    rows = balanced(rows, size[0], N * -(-size[1] // cols), parts)
    shifts, tile = layout(taps, (rows, cols), step, columns)
    chunk = min(C, max(1, CHUNK_BYTES // (tile.plane * x.itemsize)))
    tile = tile._replace(plane=x.shape[3]) if in_place else tile
    panels = empty((min(threads, parts * shares), -(-P // shares) * columns * rows * cols), x.dtype)
    sums = empty((parts, G, P, K * columns), x.dtype)
    reduction = Reduction(shifts, chunk, *step, in_place, shares)
    _accumulate(image(x, G), image(y, G), tile, reduction, panels, sums)
    w = np.empty((G * O, C, *geometry.kernel), x.dtype)
    add_parts(sums, w.reshape(-1), O, K, threads)
    return w
