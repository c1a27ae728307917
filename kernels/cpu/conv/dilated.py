"""Dilated convolution by zones: where the same taps see the image, and no others, there is no padding to multiply by.

With rate 18 on 33 x 33 pixels, a window's outer taps lie 18 pixels off: the first 15 columns have a right neighbour and no left
one, the last 15 a left one and no right one, the 3 between have neither. Rows fall into zones in the same way, so that 60 of
100 products of the plain sum are with padding. In a zone of rows and columns, a tap sees the image from all pixels or none:

    for image n, group, tile of rows:                             # cut evenly among the threads
        for chunk of input channels:
            copy the rows that the tile's windows see             # as they are: there is no padding
            for panel of 16 channels o:
                for zone of the tile, run of its live taps:       # taps that follow each other in the kernel
                    for 6 pixels p of the zone:
                        strip[p, o] += sum_(c, run) copy[pixel(p) + tap(c,k,l)] w[(c,k,l), o]      (channels.add_panel)
        y[n, o, tile] = strip[tile, o]

The register tile is that of channels.py, whose six pixels and taps are tables of places: a zone is a piece of the first table,
a run a piece of the second. The data gradient is the same sum with taps on the other side.

Measured on a Zen 3 core, 256 channels, 2 x 33 x 33 pixels: 14.7 ms at rate 18 and 20 ms at rate 12 instead of 31 and 27 ms.
"""

from functools import lru_cache
from itertools import chain, pairwise

import numpy as np
from numba import get_num_threads, prange

from ..runtime.jit import inner, kernel
from ..simd.micro_kernel import CHANNEL_ROWS, width
from ..simd.prefetch import empty
from ..simd.vector import copy_run
from .channel_tiles import COPY_BYTES
from .direct_channels import add_panel, pack, turn

STRIP_BYTES = 2048 * 1024  # of a tile's sums, at most: with a copy, they stay in the third-level cache
LEAST_CHANNELS = 8  # copied at once, even where their rows exceed a cache
MOST_STEPS = 160  # of a sum over a row of taps: their weights and pixels stay in the first-level cache


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
    """(pixels, places, runs, starts, seen): the tables of the loops; tile t has runs starts[t] to starts[t + 1].

    A run (p, q, s, t, fresh) adds taps s to t up for pixels p to q of the tables; `fresh` if it is its pixels' first.
    Tile t sees rows seen[t] of the image.
    """
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
            padding = 0, -h.size % CHANNEL_ROWS  # whole groups of six: the last pixel is repeated
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
def _add_zones(copy, offsets, some, pixels, places, runs, w, w0, bias, o, strip, at, fresh, narrow, columns):
    """One panel of weights, all of a tile's zones."""
    for r in range(runs.shape[0]):
        p, q, first, last = runs[r, 0], runs[r, 1], runs[r, 2], runs[r, 3]
        new = fresh and runs[r, 4] == 1
        if new or last > first:  # no tap: the bias
            where = first * some, (last - first) * some, w0 + first * some * columns, o, at
            add_panel(copy, pixels[p:q], q - p, offsets, w, bias, strip, places[p:q], where, new, narrow, columns)


@kernel
def _convolve(
    x, C, size, b, bias, y, M, out, N, shifts, pixels, places, runs, starts, seen, rows, chunk, plane, strips, lanes
):
    H, W = size
    U, V = out
    columns, taps, G, T, down = 2 * lanes, shifts.size, b.shape[0], strips.shape[0], seen.shape[0]
    P, length, tasks = -(-M // columns), rows * V * columns, N * G * down
    parts = 1 if tasks >= T else min(P, -(-T // max(tasks, 1)))  # few tiles: the panels are shared out as well
    for t in prange(T):
        copy, strip = np.empty(chunk * plane, x.dtype), strips[t]
        offsets = np.empty(taps * chunk, np.int64)
        for task in range(t * tasks * parts // T, (t + 1) * tasks * parts // T):
            part, tile, image = task % parts, task // parts % down, task // parts // down
            g, i = image % G, tile * rows
            top = seen[tile, 0]
            sees = seen[tile, 1] - top
            its_runs = runs[starts[tile] : starts[tile + 1]]
            for c0 in range(0, C, chunk):
                some = min(chunk, C - c0)
                for c in range(some):
                    copy_run(x, ((image * C + c0 + c) * H + top) * W, copy, c * plane, sees * W)
                for k in range(taps * some):
                    offsets[k] = shifts[k // some] + k % some * plane - top * W
                for panel in range(part * P // parts, (part + 1) * P // parts):
                    w0, left = (panel * C + c0) * taps * columns, M - panel * columns
                    o, at, narrow = (g * P + panel) * columns, panel * length, left <= lanes
                    _add_zones(
                        copy,
                        offsets,
                        some,
                        pixels,
                        places,
                        its_runs,
                        b[g],
                        w0,
                        bias,
                        o,
                        strip,
                        at,
                        c0 == 0,
                        narrow,
                        columns,
                    )
                    if c0 + some == C:
                        start, count = (image * M + panel * columns) * U * V + i * V, min(rows, U - i) * V
                        turn(strip, at, count, columns, min(columns, left), lanes, y, start, U * V)


def _run(x, w, strides, bias, y, geometry, adjoint):
    """y (N, G M, U, V) = the live taps of x (N, G C, H, W) and b added up; w[g, row, c, tap] lies at `strides`."""
    G, columns, threads, size, out = geometry.groups, width(x.dtype), get_num_threads(), x.shape[2:], y.shape[2:]
    N, C, M, taps = x.shape[0], x.shape[1] // G, y.shape[1] // G, geometry.kernel[0] * geometry.kernel[1]
    P = -(-M // columns)
    rows = -(-out[0] // -(-out[0] * out[1] * P * columns * x.itemsize // STRIP_BYTES))
    pixels, places, runs, starts, seen = plan(geometry, size, out, adjoint, rows, columns)
    plane = (-(-int((seen[:, 1] - seen[:, 0]).max()) * size[1] // columns) | 1) * columns  # odd: as in tiles.layout
    most = min(COPY_BYTES // (plane * x.itemsize), MOST_STEPS // geometry.kernel[1])
    chunk = -(-C // -(-C // max(most, LEAST_CHANNELS)))
    b = empty((G, P * columns * C * taps), x.dtype)
    pack(w.reshape(-1), strides, np.arange(taps), np.array([0, taps]), C, M, chunk, columns, b)
    padded = np.zeros((G, P * columns), x.dtype)
    if bias is not None:
        padded[:, :M] = bias.reshape(G, M)
    shifts = np.add.outer(*(np.array(s) * n for s, n in zip(shifts_of(geometry, adjoint), (size[1], 1)))).reshape(-1)
    strips = empty((threads, rows * out[1] * P * columns), x.dtype)
    flat = x.reshape(-1), C, size, b, padded.reshape(-1), y.reshape(-1), M, out, N
    _convolve(*flat, shifts, pixels, places, runs, starts, seen, rows, chunk, plane, strips, columns // 2)
    return y


def conv2d(x, w, bias, geometry):
    """y[n,o,i,j] = b[o] + sum_ckl w[o,c,k,l] x[n, c, i + k d - p, j + l d - p]."""
    O, C, kh, kw = w.shape
    y = empty((x.shape[0], O, *geometry.output_size(x.shape[2:])), x.dtype)
    return _run(x, w, (O // geometry.groups * C * kh * kw, C * kh * kw, kh * kw), bias, y, geometry, False)


def conv_transpose2d(y, w, bias, size, geometry):
    """x[n,c,h,v] = b[c] + sum_okl w[o,c,k,l] y[n, o, h + p - k d, v + p - l d]."""
    O, C, kh, kw = w.shape
    x = empty((y.shape[0], C * geometry.groups, *size), y.dtype)
    return _run(y, w, (O // geometry.groups * C * kh * kw, kh * kw, C * kh * kw), bias, x, geometry, True)
