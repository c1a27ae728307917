"""Depthwise convolution: every channel has a filter of its own, so there is no product, only rows added to rows.

    for image, channel:                                           # cut evenly among the threads
        copy the channel with its padding, in s x s sub-images    # tiles.copy_tile
        for run of 4 vectors of pixels, straight through the gaps between rows:
            line[run] = b + sum_(k,l) w[k, l] copy[offset(k, l) + run]
        y = line without the gaps

As in tiled.py the windows' taps are contiguous runs of the copy, and sums stay in registers over all taps: a few operations a
pixel, so that moving pixels is what it costs. (Reading x where it lies and summing windows at the edges one by one was slower.)
The transposed convolution is the same loop over its s x s phases, the weight gradient a dot product of the same runs with y.
"""

import numpy as np
from numba import get_num_threads, njit, prange

from .microkernel import width
from .tiles import adjoint_taps, copy_tile, layout, window_taps
from .vector import clear_run, copy_run, fill, load, store, total


@njit(cache=True, forceinline=True)
def _filter(x, starts, scales, taps, bias, first, last, y, y0, lanes):
    """y[y0 + q] = bias + sum over taps of scales[tap] x[starts[tap] + q], first <= q < last."""
    q = first
    while q + 4 * lanes <= last:
        s0 = fill(x, bias)
        s1, s2, s3 = s0, s0, s0
        for t in range(taps):
            a, j = fill(x, scales[t]), starts[t] + q
            s0 = s0 + a * load(x, j)
            s1 = s1 + a * load(x, j + lanes)
            s2 = s2 + a * load(x, j + 2 * lanes)
            s3 = s3 + a * load(x, j + 3 * lanes)
        store(y, y0 + q, s0)
        store(y, y0 + q + lanes, s1)
        store(y, y0 + q + 2 * lanes, s2)
        store(y, y0 + q + 3 * lanes, s3)
        q += 4 * lanes
    if last - first >= lanes:
        while q < last:
            q = min(q, last - lanes)  # the last vector overlaps the one before it
            s0 = fill(x, bias)
            for t in range(taps):
                s0 = s0 + scales[t] * load(x, starts[t] + q)
            store(y, y0 + q, s0)
            q += lanes
    for j in range(q, last):
        total = bias
        for t in range(taps):
            total += scales[t] * x[starts[t] + j]
        y[y0 + j] = total


@njit(parallel=True, cache=True)
def _correlate(x, size, w, bias, y, C, out_size, planes, numbers, images, offsets, starts, tile, step, up, lanes, T):
    plane, pitch, rows = tile
    (h, v), (H, W) = size, out_size
    for thread in prange(T):
        copy, line = np.empty(images.shape[0] * plane, x.dtype), np.empty(plane, x.dtype)
        scales = np.empty(numbers.size, w.dtype)
        for p in range(thread * planes // T, (thread + 1) * planes // T):
            copy_tile(x, p * h * v, (1, h, v), copy, images, plane, pitch, 0, 0, rows, step)
            for t in range(numbers.size):
                scales[t] = w[p % C * numbers.size + numbers[t]]
            for f in range(starts.size - 1):
                a, b = f // up[1], f % up[1]
                m, n = (H - a + up[0] - 1) // up[0], (W - b + up[1] - 1) // up[1]
                begin, end = starts[f], starts[f + 1]
                last = (m - 1) * pitch + n
                _filter(copy, offsets[begin:end], scales[begin:end], end - begin, bias[p % C], 0, last, line, 0, lanes)
                for i in range(m):
                    at = (p * H + i * up[0] + a) * W + b
                    if up[1] == 1:
                        copy_run(line, i * pitch, y, at, n)
                    else:
                        for j in range(n):
                            y[at + j * up[1]] = line[i * pitch + j]


def _run(x, w, bias, taps, y, up):
    (N, C), lanes, threads = x.shape[:2], width(x.dtype) // 2, get_num_threads()
    bias = np.zeros(C, x.dtype) if bias is None else np.ascontiguousarray(bias)
    numbers = taps.table[:, 0].copy()
    flat = x.reshape(-1), x.shape[2:], w.reshape(-1), bias, y.reshape(-1), C, y.shape[2:], N * C
    rows, cols = -(-y.shape[2] // up[0]), -(-y.shape[3] // up[1])
    offsets, plane, pitch = layout(taps, rows, cols, lanes)
    tile = plane, pitch, rows + taps.spread[0]
    _correlate(*flat, numbers, taps.images, offsets, taps.starts, tile, taps.step, up, lanes, threads)
    return y


def conv2d(x, w, bias, geometry):
    """y[n,c,i,j] = b[c] + sum_kl w[c,k,l] x[n, c, i s + k d - p, j s + l d - p]."""
    y = np.empty((*x.shape[:2], *geometry.output_size(x.shape[2:])), x.dtype)
    return _run(x, w, bias, window_taps(geometry), y, (1, 1))


def conv_transpose2d(y, w, bias, size, geometry):
    """x[n,c,h,v] = b[c] + sum_kl w[c,k,l] y[n, c, (h + p - k d) / s, (v + p - l d) / s] where that is whole."""
    x = np.empty((*y.shape[:2], *size), y.dtype)
    return _run(y, w, bias, adjoint_taps(geometry), x, geometry.stride)


@njit(parallel=True, cache=True)
def _weight(x, size, y, out_size, N, images, offsets, tile, step, lanes, w, T):
    plane, pitch, rows = tile
    (h, v), (H, W), (C, taps) = size, out_size, w.shape
    n = -(-((H - 1) * pitch + W) // lanes) * lanes
    for t in prange(T):
        copy, pixels = np.zeros(images.shape[0] * plane + 2 * lanes, x.dtype), np.zeros(n + pitch, x.dtype)
        sums = np.empty(taps * lanes, x.dtype)
        for c in range(t * C // T, (t + 1) * C // T):
            clear_run(sums, 0, sums.size)
            for p in range(c, N * C, C):
                copy_tile(x, p * h * v, (1, h, v), copy, images, plane, pitch, 0, 0, rows, step)
                for i in range(H):  # the gaps of `pitch` stay zero
                    copy_run(y, (p * H + i) * W, pixels, i * pitch, W)
                for first in range(0, n, 64 * lanes):
                    last = min(first + 64 * lanes, n)
                    for k in range(taps):
                        s0 = load(sums, k * lanes)
                        s1 = s0 - s0
                        for q in range(first, last - lanes, 2 * lanes):
                            s0 = s0 + load(pixels, q) * load(copy, offsets[k] + q)
                            s1 = s1 + load(pixels, q + lanes) * load(copy, offsets[k] + q + lanes)
                        if (last - first) // lanes % 2:
                            s0 = s0 + load(pixels, last - lanes) * load(copy, offsets[k] + last - lanes)
                        store(sums, k * lanes, s0 + s1)
            for k in range(taps):
                w[c, k] = total(load(sums, k * lanes), w.dtype.type(0))


def conv2d_weight(x, y, geometry):
    """w[c,k,l] = sum_nij y[n,c,i,j] x[n, c, i s + k d - p, j s + l d - p]."""
    (N, C), taps, lanes = x.shape[:2], window_taps(geometry), width(x.dtype) // 2
    offsets, plane, pitch = layout(taps, *y.shape[2:], lanes)
    w = np.empty((C, len(offsets)), x.dtype)
    tile = plane, pitch, y.shape[2] + taps.spread[0]
    flat = x.reshape(-1), x.shape[2:], y.reshape(-1), y.shape[2:]
    _weight(*flat, N, taps.images, offsets, tile, taps.step, lanes, w, get_num_threads())
    return w.reshape(C, 1, *geometry.kernel)
