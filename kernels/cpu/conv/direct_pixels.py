"""Convolution without im2col: tiles of the image copied into cache, then one register tile after another.

    for image n, group, tile of the result:                       # cut evenly among the threads
        copy the pixels that the tile's windows see                         (tiles.copy_tile)
        for panel of 6 or 4 rows o:
            for run of pixels:
                y[n, o, run] = b[o] + sum_(c,k,l) w[o,c,k,l] copy[offset(c,k,l) + run]      (microkernel.outer_tile)

Where a tile is narrower than the result, or the result has phases, runs go to a strip first and from there in steps to y.
The same loop serves conv_transpose2d, whose result falls into s x s phases, each a convolution of its own.
"""

from functools import partial

import numpy as np
from numba import get_num_threads, prange

from ..runtime.jit import inlined, inner, kernel, njit
from ..simd.micro_kernel import HEIGHTS, outer_tile_4, outer_tile_6, width
from ..simd.prefetch import empty
from ..simd.vector import clear_run, copy_run
from .tiles import adjoint_taps, copy_tile, layout, tile_size, window_taps


@njit(cache=True, forceinline=True)
def panels(M):  # called from Python, too
    """(rows in panels of 6, rows in all panels): M rounded up to 6 + ... + 6 + 4 + ... + 4."""
    even = max(4, M + M % 2)
    fours = (-even % 6) // 2
    return even - 4 * fours, even


@kernel
def pack_weights(w, strides, numbers, starts, C, M, out):
    """out[g][phase][panel][tap, c][row] = w[g, row, c, numbers[tap]]: the order in which outer_tile reads.

    A panel that would end beyond row M begins earlier, and computes some rows twice.
    """
    tall, padded = panels(M)
    G, F, P = out.shape[0], starts.size - 1, padded // 2
    for task in prange(G * F * P):
        g, f, row = task // (F * P), task // P % F, task % P * 2
        height = 6 if row < tall else 4
        if (row if row < tall else row - tall) % height == 0:
            first = min(row, max(M - height, 0))
            T = starts[f + 1] - starts[f]
            at = padded * C * starts[f] + row * C * T
            for t in range(T):
                for c in range(C):
                    source = g * strides[0] + first * strides[1] + c * strides[2] + numbers[starts[f] + t]
                    for r in range(height):
                        out[g, at + r] = w[source + r * strides[1]] if first + r < M else 0
                    at += height


@inner
def _write(strip, length, pitch, y, start, size, count, i0, j0, rows, cols, step, phase):
    """y[r, (i0 + i) s + a, (j0 + j) s + b] = strip[r, i pitch + j], for as much of the tile as lies in y."""
    H, W = size
    v = j0 * step[1] + phase[1]
    n = min(cols, (W - v + step[1] - 1) // step[1])
    for r in range(count):
        for i in range(rows):
            h = (i0 + i) * step[0] + phase[0]
            if h < H and n > 0:
                s, t = r * length + i * pitch, start + (r * H + h) * W + v
                if step[1] == 1:
                    copy_run(strip, s, y, t, n)
                else:
                    for j in range(n):
                        y[t + j * step[1]] = strip[s + j]


@inlined
def _panel(a, a0, height, steps, copy, offsets, k0, K, bias, o, runs, count, goal, c0, places, apart):
    """One panel of weights against the first `count` runs of pixels; run n of row r goes to goal[c0 + r apart + places[n]]."""
    for n in range(count):
        c = c0 + places[n]
        if height == 6:
            outer_tile_6(a, a0, 1, steps[0], 0, copy, runs[n], offsets, k0, K, bias, o, 1, goal, c, apart)
        else:
            outer_tile_4(a, a0, 1, steps[1], 0, copy, runs[n], offsets, k0, K, bias, o, 1, goal, c, apart)


@inner
def _seen(tap_rows, start, stop, i0, rows, step, H):
    """The taps between start and stop that see rows of the image, not just padding, from some window of the tile."""
    first, last = i0 * step, (i0 + rows - 1) * step
    while start < stop and (last + tap_rows[start] < 0 or first + tap_rows[start] >= H):
        start += 1
    while start < stop and (last + tap_rows[stop - 1] < 0 or first + tap_rows[stop - 1] >= H):
        stop -= 1
    return start, stop


@kernel
def _correlate(
    x, C, size, a, bias, y, M, out_size, N, images, tap_rows, offsets, starts, tile, step, up, runs, places, direct, lanes, T
):  # fmt: skip
    plane, pitch, rows, cols, spread = tile
    (H, W), G = out_size, a.shape[0]
    tall, padded = panels(M)
    down, across = -(-H // (up[0] * rows)), -(-W // (up[1] * cols))
    tasks = N * G * down * across
    parts = 1 if tasks >= T else -(-T // max(tasks, 1))  # few tiles: the rows o are shared out as well
    length = plane + lanes
    steps = np.arange(offsets.size) * 6, np.arange(offsets.size) * 4
    for t in prange(T):
        copy = np.empty(C * images.shape[0] * plane + lanes, x.dtype)
        clear_run(copy, copy.size - lanes, lanes)
        strip = np.empty(6 * length, x.dtype)
        for task in range(t * tasks * parts // T, (t + 1) * tasks * parts // T):
            part, n, g = task % parts, task // parts // (across * down) // G, task // parts // (across * down) % G
            i0, j0 = task // parts // across % down * rows, task // parts % across * cols
            image = (n * G + g) * C * size[0] * size[1]
            copy_tile(x, image, (C, size[0], size[1]), copy, images, plane, pitch, i0, j0, rows + spread, step)
            for f in range(starts.size - 1):
                begin, end = _seen(tap_rows, starts[f], starts[f + 1], i0, rows, step[0], size[0])
                row = 0
                while row < padded:
                    height = 6 if row < tall else 4
                    if row * parts // padded == part:
                        a0 = padded * C * starts[f] + row * C * (starts[f + 1] - starts[f])
                        a0 += height * C * (begin - starts[f])
                        first = min(row, max(M - height, 0))
                        K, o, target = C * (end - begin), g * padded + first, ((n * G + g) * M + first) * H * W
                        some = runs.size * min(rows, H - i0) // rows if direct else runs.size
                        goal, c0, apart = (y, target + i0 * W, H * W) if direct else (strip, 0, length)
                        taps = copy, offsets, C * begin, K
                        _panel(a[g], a0, height, steps, *taps, bias, o, runs, some, goal, c0, places, apart)
                        if not direct:
                            phase = f // up[1], f % up[1]
                            count = min(height, M - first)
                            _write(strip, length, pitch, y, target, out_size, count, i0, j0, rows, cols, up, phase)
                    row += height


def _runs(rows, cols, pitch, lanes):
    """Where runs of `lanes` pixels start in a tile: row by row, or straight through the gaps, whichever takes fewer."""
    by_row = (np.arange(rows)[:, None] * pitch + np.arange(0, cols, lanes)).reshape(-1)
    through = np.arange(0, (rows - 1) * pitch + cols, lanes)
    return min(by_row, through, key=len)


def _runs_within(rows, cols, pitch, lanes):
    """The same row by row, with a last run that begins early instead of crossing the end."""
    return (np.arange(rows)[:, None] * pitch + np.minimum(np.arange(0, cols, lanes), cols - lanes)).reshape(-1)


def correlate(x, w, strides, bias, groups, taps_of, y, up):
    """Adds up taps of x (N, G C, h, w) into y (N, G M, H, W), `up` apart; w[g, row, c, tap] lies at `strides`."""
    N, C, M = x.shape[0], x.shape[1] // groups, y.shape[1] // groups
    lanes, threads = width(x.dtype), get_num_threads()
    size = -(-y.shape[2] // up[0]), -(-y.shape[3] // up[1])
    taps = taps_of(False)
    rows, cols = tile_size(C, taps, size, x.itemsize, N * groups, threads)
    if max(taps.spread) > 8 or taps.spread[0] > 4 * rows:
        taps = taps_of(True)
        rows, cols = tile_size(C, taps, size, x.itemsize, N * groups, threads)
    at, plane, pitch = layout(taps, rows, cols, lanes)
    offsets = (at[:, None] + np.arange(C) * (len(taps.images) * plane)).reshape(-1)
    padded = panels(M)[1]
    a = np.empty((groups, padded * C * len(taps.table)), x.dtype)
    pack_weights(w.reshape(-1), strides, taps.table[:, 0].copy(), taps.starts, C, M, a)
    rows_of_bias = np.zeros((groups, padded), x.dtype)
    if bias is not None:
        rows_of_bias[:, :M] = bias.reshape(groups, M)
    tile = plane, pitch, rows, cols, taps.spread[0]
    direct = up == (1, 1) and lanes <= cols == y.shape[3] and max(HEIGHTS) <= M
    if direct:
        runs, places = _runs_within(rows, cols, pitch, lanes), _runs_within(rows, cols, cols, lanes)
    else:
        runs = places = _runs(rows, cols, pitch, lanes)
    flat = x.reshape(-1), C, x.shape[2:], a, rows_of_bias.reshape(-1), y.reshape(-1), M, y.shape[2:], N
    _correlate(
        *flat, taps.images, taps.rows, offsets, taps.starts, tile, taps.step, up, runs, places, direct, lanes, threads
    )


def conv2d(x, w, bias, geometry):
    """y[n,o,i,j] = b[o] + sum_ckl w[o,c,k,l] x[n, c, i s + k d - p, j s + l d - p]."""
    O, C, kh, kw = w.shape
    y = empty((x.shape[0], O, *geometry.output_size(x.shape[2:])), x.dtype)
    strides = O // geometry.groups * C * kh * kw, C * kh * kw, kh * kw
    correlate(x, w, strides, bias, geometry.groups, partial(window_taps, geometry), y, (1, 1))
    return y


def conv_transpose2d(y, w, bias, size, geometry):
    """x[n,c,h,v] = b[c] + sum_okl w[o,c,k,l] y[n, o, (h + p - k d) / s, (v + p - l d) / s] where that is whole: a gather."""
    O, C, kh, kw = w.shape
    x = empty((y.shape[0], C * geometry.groups, *size), y.dtype)
    strides = O // geometry.groups * C * kh * kw, kh * kw, C * kh * kw
    correlate(y, w, strides, bias, geometry.groups, partial(adjoint_taps, geometry), x, geometry.stride)
    return x
