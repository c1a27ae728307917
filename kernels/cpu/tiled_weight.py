"""The weight gradient without im2col: dot products of runs of pixels, on the same copies of tiles as tiled.py.

    for image n, group, tile of y:                                # cut evenly among the threads
        copy the tile of y, and the pixels of x that its windows see
        for 4 rows o of y:
            for 3 rows (c, k, l) of the windows:
                w[o, c, k, l] += sum over pixels of  y[o, pixel] copy[offset(c, k, l) + pixel]     (microkernel.dot_tile)

y's copy has the same gaps between its rows as the windows have, filled with zeros. Every thread adds to a sum of its own,
and the sums are added in a fixed order; where the weights are larger than a cache, the threads share out the rows o instead.
"""

import numpy as np
from numba import get_num_threads, njit, prange

from .microkernel import DOT_COLUMNS, DOT_ROWS, dot_tile, width
from .tiles import copy_tile, layout, tile_size, window_taps

SHARED_BYTES = 8 * 1024 * 1024  # of weights; above, each thread computes rows of its own


@njit(cache=True)
def _copy_rows(y, out, length, i0, j0, rows, cols, pitch):
    """out[o, i pitch + j] = y[o, i0 + i, j0 + j], zero in the gaps and beyond y."""
    O, H, W = y.shape
    for o in range(O):
        line = out[o * length : (o + 1) * length]
        at = 0
        for i in range(i0, min(i0 + rows, H)):
            n = min(cols, W - j0)
            line[at : at + n] = y[o, i, j0 : j0 + n]
            line[at + n : at + pitch] = 0
            at += pitch
        line[at:] = 0


@njit(parallel=True, cache=True)
def _accumulate(x, C, size, y, images, offsets, plane, pitch, rows, cols, spread, step, shares, lanes, sums):
    N, G, O, H, W = y.shape
    parts, _, padded, K = sums.shape
    length = -(-rows * pitch // lanes) * lanes
    down, across = -(-H // rows), -(-W // cols)
    tiles = N * down * across
    share = -(-padded // DOT_ROWS // shares) * DOT_ROWS  # rows o of one thread
    for t in prange(parts * shares):
        part, first = t // shares, t % shares * share
        last = min(first + share, O)
        windows = np.zeros(C * images.shape[0] * plane + length + lanes, x.dtype)
        pixels = np.zeros(padded * length, x.dtype)
        at = np.arange(padded) * length
        for g in range(G):
            sums[part, g, first : first + share] = 0
            for tile in range(part * tiles // parts, (part + 1) * tiles // parts):
                n, i0, j0 = tile // (across * down), tile // across % down * rows, tile % across * cols
                image = (n * G + g) * C * size[0] * size[1]
                copy_tile(x, image, (C, size[0], size[1]), windows, images, plane, pitch, i0, j0, rows + spread, step)
                _copy_rows(y[n, g, first:last], pixels, length, i0, j0, rows, cols, pitch)
                for o in range(0, last - first, DOT_ROWS):
                    for k in range(0, K, DOT_COLUMNS):
                        w0 = ((part * G + g) * padded + first + o) * K + k
                        dot_tile(pixels, 0, at, o, windows, 0, offsets, k, length, sums.reshape(-1), w0, K)


def conv2d_weight(x, y, geometry):
    """w[o,c,k,l] = sum_nij y[n,o,i,j] x[n, c, i s + k d - p, j s + l d - p]."""
    G, taps, lanes, threads = geometry.groups, window_taps(geometry), width(x.dtype) // 2, get_num_threads()
    N, C, O, K = x.shape[0], x.shape[1] // G, y.shape[1] // G, x.shape[1] // G * len(taps.table)
    y = y.reshape(N, G, O, *y.shape[2:])
    shares = threads if G * O * K * x.itemsize > SHARED_BYTES and DOT_ROWS * threads <= O else 1
    rows, cols = tile_size(C, taps, y.shape[3:], x.itemsize, N, threads // shares)
    at, plane, pitch = layout(taps, rows, cols, lanes)
    offsets = (np.arange(C)[:, None] * (len(taps.images) * plane) + at).reshape(-1)
    full = -(-K // DOT_COLUMNS) * DOT_COLUMNS
    offsets = np.append(offsets, np.zeros(full - K, np.int64))
    rows_o = -(-O // (DOT_ROWS * shares)) * DOT_ROWS * shares
    sums = np.empty((threads // shares, G, rows_o, full), x.dtype)
    tile = plane, pitch, rows, cols, taps.spread[0], taps.step, shares, lanes
    _accumulate(x.reshape(-1), C, x.shape[2:], y, taps.images, offsets, *tile, sums)
    w = sums[0] if len(sums) == 1 else sums.sum(0)
    return np.ascontiguousarray(w[:, :O, :K]).reshape(G * O, C, *geometry.kernel)
