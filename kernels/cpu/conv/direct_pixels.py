"""Direct convolution with pixels in the vectors: a tile of the image is packed once and read at every tap.

    for image n, group, tile of the result:                       # cut evenly among the threads
        pack the pixels that the tile's windows see                         (packing.copy_tile)
        for panel of MR rows o, run of NR pixels:                           (macro_kernel)
            y[n, o, run] = b[o] + sum_(c,k,l) w[o,c,k,l] copy[offset(c,k,l) + run]      (micro-kernel)

A row of B is a row of im2col's matrix that is never written: the copy, read from `offset` on. Where a tile is narrower than the
result, or the result has phases, runs go to a strip first and from there with a stride to y. The same loop serves
conv_transpose2d, whose result falls into s x s phases, each a convolution of its own.
"""

from functools import partial
from typing import NamedTuple

import numpy as np
from numba import prange

from ..runtime.jit import inlined, inner, kernel
from ..runtime.threads import get_num_threads
from ..simd.micro_kernel import MR, Operand, Scalars, micro_kernel_4x2, micro_kernel_6x2, panel_width, panels
from ..simd.prefetch import empty
from ..simd.vector import Rows, clear_run, copy_run, lanes_of
from .operands import Image, adjoint_filters, forward_filters, image, padded_bias, plane_start
from .packing import pack_a
from .taps import adjoint_taps, window_taps
from .tiles import Tile, copy_tile, layout, pixel_tile


class Reduction(NamedTuple):
    """The taps of every phase, and where the runs of a tile lie."""

    offsets: np.ndarray  # (taps C,): where a row of B starts in the copy
    starts: np.ndarray  # rows starts[f] to starts[f + 1] belong to phase f
    tap_rows: np.ndarray  # (taps,): row of the image under a tap of window (0, 0)
    runs: np.ndarray  # where runs of pixels start in the copy
    places: np.ndarray  # and in the result, or the strip
    direct: bool  # results go straight to y
    up_rows: int  # phases, and distance in the result of the pixels of a phase
    up_cols: int


@inner
def _store_tile(strip, length, count, y, target, corner, tile, reduction):
    """y[r, h + i s, v + j s] = strip[r, i pitch + j], (h, v) = corner, for `count` rows r and as much as lies in y."""
    (h0, v), (H, W), up = corner, (y.height, y.width), (reduction.up_rows, reduction.up_cols)
    n = min(tile.cols, (W - v + up[1] - 1) // up[1])
    for r in range(count):
        for i in range(tile.rows):
            h = h0 + i * up[0]
            if h < H and n > 0:
                s, t = r * length + i * tile.pitch, target + (r * H + h) * W + v
                if up[1] == 1:
                    copy_run(strip, s, y.data, t, n)
                else:
                    for j in range(n):
                        y.data[t + j * up[1]] = strip[s + j]


@inlined
def macro_kernel(a, height, b, runs, c, places, bias, span):
    """c[r, places[n] + j] = bias[r] + sum_k a[k height + r] b[k, runs[n] + j] for one panel of `height` rows, all runs n.

    The reduction runs over span[0] <= k < span[0] + span[1].
    """
    operand = Operand(a.data, a.start, 1, height)
    for n in range(runs.size):
        rows, out = Rows(b.data, b.start + runs[n], b.stride), Rows(c.data, c.start + places[n], c.stride)
        if height == 6:
            micro_kernel_6x2(operand, rows, out, bias, span[0], span[1])
        else:
            micro_kernel_4x2(operand, rows, out, bias, span[0], span[1])


@inner
def _live_taps(tap_rows, first, last, i0, tile, H):
    """The taps between first and last that see rows of the image, not just padding, from some window of the tile."""
    top, bottom = i0 * tile.step_rows, (i0 + tile.rows - 1) * tile.step_rows
    while first < last and (bottom + tap_rows[first] < 0 or top + tap_rows[first] >= H):
        first += 1
    while first < last and (bottom + tap_rows[last - 1] < 0 or top + tap_rows[last - 1] >= H):
        last -= 1
    return first, last


@kernel
def _convolve(x: Image, weights, bias, y: Image, tile: Tile, reduction: Reduction, T):
    H, W, C, M, G = y.height, y.width, x.channels, y.channels, x.groups
    up = reduction.up_rows, reduction.up_cols
    starts, direct = reduction.starts, reduction.direct
    rows, cols, lanes = tile.rows, tile.cols, 2 * lanes_of(x.data)
    tall, padded = panels(M)
    down, across = -(-H // (up[0] * rows)), -(-W // (up[1] * cols))
    tasks = x.batch * G * down * across
    parts = 1 if tasks >= T else -(-T // max(tasks, 1))  # few tiles: the rows o are shared out as well
    length = tile.plane + lanes
    for t in prange(T):
        copy = np.empty(C * tile.origins.shape[0] * tile.plane + lanes, x.data.dtype)
        clear_run(copy, copy.size - lanes, lanes)
        strip = np.empty(MR * length, x.data.dtype)
        for task in range(t * tasks * parts // T, (t + 1) * tasks * parts // T):
            part, n, g = task % parts, task // parts // (across * down) // G, task // parts // (across * down) % G
            i0, j0 = task // parts // across % down * rows, task // parts % across * cols
            copy_tile(x, plane_start(x, n, g, 0), C, tile, copy, i0, j0)
            for f in range(starts.size - 1):
                taps = _live_taps(reduction.tap_rows, starts[f] // C, starts[f + 1] // C, i0, tile, x.height)
                span = C * taps[0], C * (taps[1] - taps[0])
                row = 0
                while row < padded:
                    height = 6 if row < tall else 4
                    if row * parts // padded == part:
                        first = min(row, max(M - height, 0))
                        steps = starts[f + 1] - starts[f]
                        panel = g * weights.shape[1] + padded * starts[f] + row * steps - height * starts[f]
                        a, b = Rows(weights.reshape(-1), panel, height), Rows(copy, 0, reduction.offsets)
                        target, init = plane_start(y, n, g, first), Scalars(bias, g * padded + first, 1)
                        if direct:
                            some = reduction.runs.size * min(rows, H - i0) // rows
                            c, places = Rows(y.data, target + i0 * W, H * W), reduction.places
                            macro_kernel(a, height, b, reduction.runs[:some], c, places, init, span)
                        else:
                            c, places = Rows(strip, 0, length), reduction.places
                            macro_kernel(a, height, b, reduction.runs, c, places, init, span)
                            corner = i0 * up[0] + f // up[1], j0 * up[1] + f % up[1]
                            count = min(height, M - first)
                            _store_tile(strip, length, count, y, target, corner, tile, reduction)
                    row += height


def _runs(tile, lanes):
    """Where runs of pixels start in a tile: row by row, or straight through the halo, whichever takes fewer."""
    by_row = (np.arange(tile.rows)[:, None] * tile.pitch + np.arange(0, tile.cols, lanes)).reshape(-1)
    through = np.arange(0, (tile.rows - 1) * tile.pitch + tile.cols, lanes)
    return min(by_row, through, key=len)


def _runs_within(tile, pitch, lanes):
    """The same row by row, with a last run that begins early instead of crossing the end."""
    columns = np.minimum(np.arange(0, tile.cols, lanes), tile.cols - lanes)
    return (np.arange(tile.rows)[:, None] * pitch + columns).reshape(-1)


def _run(x, filters, bias, taps_of, y, up, groups):
    """Adds up taps of x (N, G C, h, w) into y (N, G M, H, W); the pixels of a phase are `up` apart."""
    C, M, lanes, threads = x.shape[1] // groups, y.shape[1] // groups, panel_width(x.dtype), get_num_threads()
    size = -(-y.shape[2] // up[0]), -(-y.shape[3] // up[1])
    taps = taps_of(False)
    rows, cols = pixel_tile(C, taps, size, x.itemsize, len(x) * groups, threads)
    if max(taps.halo) > 8 or taps.halo[0] > 4 * rows:
        taps = taps_of(True)
        rows, cols = pixel_tile(C, taps, size, x.itemsize, len(x) * groups, threads)
    at, tile = layout(taps, (rows, cols), (1, 1), lanes)
    offsets = (at[:, None] + np.arange(C) * (len(taps.origins) * tile.plane)).reshape(-1)
    starts, padded = taps.starts * C, panels(M)[1]
    a = np.empty((groups, padded * C * len(taps.table)), x.dtype)
    steps = (taps.numbers[:, None] + np.arange(C) * filters.channel_stride).reshape(-1)
    pack_a(filters, steps, starts, M, a, threads)
    direct = up == (1, 1) and lanes <= cols == y.shape[3] and M >= MR
    runs = _runs_within(tile, tile.pitch, lanes) if direct else _runs(tile, lanes)
    places = _runs_within(tile, cols, lanes) if direct else runs
    reduction = Reduction(offsets, starts, taps.rows, runs, places, direct, *up)
    bias = padded_bias(bias, groups, M, padded, x.dtype)
    _convolve(image(x, groups), a, bias, image(y, groups), tile, reduction, threads)


def conv2d(x, w, bias, geometry):
    """y[n,o,i,j] = b[o] + sum_ckl w[o,c,k,l] x[n, c, i s + k d - p, j s + l d - p]."""
    y = empty((x.shape[0], w.shape[0], *geometry.output_size(x.shape[2:])), x.dtype)
    filters = forward_filters(w, geometry.groups)
    _run(x, filters, bias, partial(window_taps, geometry), y, (1, 1), geometry.groups)
    return y


def conv_transpose2d(y, w, bias, size, geometry):
    """x[n,c,h,v] = b[c] + sum_okl w[o,c,k,l] y[n, o, (h + p - k d) / s, (v + p - l d) / s] where that is whole: a gather."""
    x = empty((y.shape[0], w.shape[1] * geometry.groups, *size), y.dtype)
    filters = adjoint_filters(w, geometry.groups)
    _run(y, filters, bias, partial(adjoint_taps, geometry), x, geometry.stride, geometry.groups)
    return x
