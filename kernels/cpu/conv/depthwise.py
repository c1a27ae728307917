"""Depthwise convolution: every channel has a filter of its own, so there is no product, only rows added to rows.

    for image, channel:                                           # cut evenly among the threads
        for strip of rows:                                        # as many as the first-level cache holds
            copy what it sees, with padding, in s x s sub-images  # _copy_strip
            for row (or, where rows are short, straight through the gaps between them), run of 4 vectors of pixels:
                y[row, run] = b + sum_(k,l) w[k, l] copy[offset(k, l) + run]

As in tiled.py the windows' taps are contiguous runs of the copy, and sums stay in registers over all taps. The transposed
convolution is the same loop over its s x s phases, the weight gradient a dot product of the same runs with y. The commonest
cases do without the copy, a third of the time and more: 3x3 of stride 1 in depthwise_direct.py, of 2 in depthwise_strided.py.
"""

import numpy as np
from numba import get_num_threads, prange

from ..runtime.jit import inlined, kernel
from ..simd.micro_kernel import width
from ..simd.vector import clear_run, copy_run, fill, lanes_of, load, store, total
from . import depthwise_stride1 as direct
from . import depthwise_stride2 as strided
from .tiles import adjoint_taps, layout, window_taps

STRIP_BYTES = 24 * 1024


@inlined
def _copy_strip(x, start, size, copy, images, plane, pitch, first, rows, step):
    """Rows first .. first + rows of every sub-image into the copy, whose columns outside the image are zero and stay so."""
    H, W = size
    for f in range(images.shape[0]):
        shift = images[f, 1]
        lo = min(max(0, -(shift // step[1])), pitch)
        count = max(min(pitch, -((shift - W) // step[1])) - lo, 0)
        for r in range(rows):
            h, at = (first + r) * step[0] + images[f, 0], f * plane + r * pitch + lo
            source = start + h * W + shift + lo * step[1]
            if h < 0 or h >= H:
                clear_run(copy, at, count)
            elif step[1] == 1:
                copy_run(x, source, copy, at, count)
            else:
                for k in range(count):
                    copy[at + k] = x[source + k * step[1]]


@inlined
def _filter(x, at, starts, scales, taps, bias, n, y, y0):
    """y[y0 + q] = bias + sum over taps first..last of scales[tap] x[at + starts[tap] + q], q < n; the last vector overlaps."""
    (first, last), q, lanes = taps, 0, lanes_of(x)
    while n >= 4 * lanes and n - q > 2 * lanes:  # what is left is done one by one
        q = min(q, n - 4 * lanes)
        s0 = fill(x, bias)
        s1, s2, s3 = s0, s0, s0
        for t in range(first, last):
            a, j = fill(x, scales[t]), at + starts[t] + q
            s0 = s0 + a * load(x, j)
            s1 = s1 + a * load(x, j + lanes)
            s2 = s2 + a * load(x, j + 2 * lanes)
            s3 = s3 + a * load(x, j + 3 * lanes)
        store(y, y0 + q, s0)
        store(y, y0 + q + lanes, s1)
        store(y, y0 + q + 2 * lanes, s2)
        store(y, y0 + q + 3 * lanes, s3)
        q += 4 * lanes
    while n >= lanes and q < n:
        q = min(q, n - lanes)
        s0 = fill(x, bias)
        for t in range(first, last):
            s0 = s0 + scales[t] * load(x, at + starts[t] + q)
        store(y, y0 + q, s0)
        q += lanes
    for j in range(q, n):
        total = bias
        for t in range(first, last):
            total += scales[t] * x[at + starts[t] + j]
        y[y0 + j] = total


@kernel
def _correlate(x, size, w, bias, y, C, out_size, planes, numbers, images, offsets, starts, tile, step, up, lanes, T):
    plane, pitch, R, spread = tile
    (h, v), (H, W) = size, out_size
    rows, gaps = (H + up[0] - 1) // up[0], up == (1, 1) and W // lanes < 6  # short rows: with their gaps
    for thread in prange(T):
        copy, lines = np.zeros(images.shape[0] * plane, x.dtype), np.empty(plane + up[1] * W, x.dtype)
        scales = np.empty(numbers.size, w.dtype)
        for p in range(thread * planes // T, (thread + 1) * planes // T):
            for t in range(numbers.size):
                scales[t] = w[p % C * numbers.size + numbers[t]]
            for first in range(0, rows, R):
                last = min(first + R, rows)
                _copy_strip(x, p * h * v, size, copy, images, plane, pitch, first, last - first + spread, step)
                if gaps:
                    n, taps = (last - first - 1) * pitch + W, (0, starts[1])
                    _filter(copy, 0, offsets, scales, taps, bias[p % C], n, lines, 0)
                    for i in range(first, last):
                        copy_run(lines, (i - first) * pitch, y, (p * H + i) * W, W)
                for i in range(first * up[0], 0 if gaps else min(last * up[0], H)):
                    at = (i // up[0] - first) * pitch
                    for b in range(up[1]):
                        f, n = i % up[0] * up[1] + b, (W - b + up[1] - 1) // up[1]
                        args = copy, at, offsets, scales, (starts[f], starts[f + 1]), bias[p % C], n
                        if up[1] == 1:
                            _filter(*args, y, (p * H + i) * W)
                        else:
                            _filter(*args, lines, b * W)
                    if up[1] > 1:
                        for j in range(W):
                            y[(p * H + i) * W + j] = lines[j % up[1] * W + j // up[1]]


def _strip(taps, rows, cols, lanes, itemsize):
    """(offsets, (plane, pitch, R, spread)): how R rows of the result, and the rows they see, fit the first-level cache."""
    spread, pitch = taps.spread[0], cols + taps.spread[1]
    most = STRIP_BYTES // (itemsize * pitch * len(taps.images)) - spread
    R = -(-rows // -(-rows // max(most, 8)))  # strips of equal height
    offsets, plane, pitch = layout(taps, R, cols, lanes)
    return offsets, (plane, pitch, R, spread)


def _run(x, w, bias, taps, y, up):
    (N, C), lanes, threads = x.shape[:2], width(x.dtype) // 2, get_num_threads()
    bias = np.zeros(C, x.dtype) if bias is None else np.ascontiguousarray(bias)
    numbers = taps.table[:, 0].copy()
    flat = x.reshape(-1), x.shape[2:], w.reshape(-1), bias, y.reshape(-1), C, y.shape[2:], N * C
    rows, cols = -(-y.shape[2] // up[0]), -(-y.shape[3] // up[1])
    offsets, tile = _strip(taps, rows, cols, lanes, x.itemsize)
    _correlate(*flat, numbers, taps.images, offsets, taps.starts, tile, taps.step, up, lanes, threads)
    return y


def conv2d(x, w, bias, geometry):
    """y[n,c,i,j] = b[c] + sum_kl w[c,k,l] x[n, c, i s + k d - p, j s + l d - p]."""
    y = np.empty((*x.shape[:2], *geometry.output_size(x.shape[2:])), x.dtype)
    if direct.serves(geometry, y):
        return direct.conv2d(x, w, bias, geometry, y)
    if strided.serves(geometry, x, y):
        return strided.conv2d(x, w, bias, geometry, y)
    return _run(x, w, bias, window_taps(geometry), y, (1, 1))


def conv_transpose2d(y, w, bias, size, geometry):
    """x[n,c,h,v] = b[c] + sum_kl w[c,k,l] y[n, c, (h + p - k d) / s, (v + p - l d) / s] where that is whole."""
    x = np.empty((*y.shape[:2], *size), y.dtype)
    if direct.serves(geometry, x):
        return direct.conv_transpose2d(y, w, bias, geometry, x)
    if strided.serves(geometry, x, y):
        return strided.conv_transpose2d(y, w, bias, geometry, x)
    return _run(y, w, bias, adjoint_taps(geometry), x, geometry.stride)


@inlined
def _products(x, offsets, pixels, n, sums, lanes):
    """sums[k] += pixels * x[offsets[k] :], in lanes, for n pixels and three taps at a time."""
    for k in range(0, offsets.size, 3):
        a, b, c = offsets[k], offsets[k + 1], offsets[k + 2]
        s0, s1, s2 = load(sums, k * lanes), load(sums, (k + 1) * lanes), load(sums, (k + 2) * lanes)
        t0 = s0 - s0
        t1, t2 = t0, t0
        for q in range(0, n, 2 * lanes):
            p = load(pixels, q)
            s0, s1, s2 = s0 + p * load(x, a + q), s1 + p * load(x, b + q), s2 + p * load(x, c + q)
            p, q = load(pixels, q + lanes), q + lanes
            t0, t1, t2 = t0 + p * load(x, a + q), t1 + p * load(x, b + q), t2 + p * load(x, c + q)
        store(sums, k * lanes, s0 + t0)
        store(sums, (k + 1) * lanes, s1 + t1)
        store(sums, (k + 2) * lanes, s2 + t2)


@kernel
def _weight(x, size, y, out_size, N, images, offsets, tile, step, lanes, w, T):
    plane, pitch, R, spread = tile
    (h, v), (H, W), (C, taps) = size, out_size, w.shape
    n = -(-((R - 1) * pitch + W) // (2 * lanes)) * 2 * lanes
    for t in prange(T):
        copy, pixels = np.zeros(images.shape[0] * plane + 4 * lanes, x.dtype), np.zeros(n + pitch, x.dtype)
        sums = np.empty(offsets.size * lanes, x.dtype)
        for c in range(t * C // T, (t + 1) * C // T):
            clear_run(sums, 0, sums.size)
            for p in range(c, N * C, C):
                for first in range(0, H, R):
                    rows = min(R, H - first)
                    _copy_strip(x, p * h * v, size, copy, images, plane, pitch, first, rows + spread, step)
                    for i in range(rows):  # the gaps of `pitch` stay zero
                        copy_run(y, (p * H + first + i) * W, pixels, i * pitch, W)
                    clear_run(pixels, rows * pitch, n - rows * pitch)
                    _products(copy, offsets, pixels, n, sums, lanes)
            for k in range(taps):
                w[c, k] = total(load(sums, k * lanes), w.dtype.type(0))


def conv2d_weight(x, y, geometry):
    """w[c,k,l] = sum_nij y[n,c,i,j] x[n, c, i s + k d - p, j s + l d - p]."""
    if direct.serves(geometry, y):
        return direct.conv2d_weight(x, y, geometry)
    if strided.serves(geometry, x, y):
        return strided.conv2d_weight(x, y, geometry)
    (N, C), taps, lanes = x.shape[:2], window_taps(geometry), width(x.dtype) // 2
    offsets, tile = _strip(taps, *y.shape[2:], lanes, x.itemsize)
    w = np.empty((C, len(offsets)), x.dtype)
    offsets = np.pad(offsets, (0, -len(offsets) % 3), "edge")  # whole threes; the surplus sums are left where they are
    flat = x.reshape(-1), x.shape[2:], y.reshape(-1), y.shape[2:]
    _weight(*flat, N, taps.images, offsets, tile, taps.step, lanes, w, get_num_threads())
    return w.reshape(C, 1, *geometry.kernel)
