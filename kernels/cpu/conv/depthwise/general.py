"""Depthwise convolution: every channel has a filter of its own, so there is no product, only rows added to rows.

    for image, channel:                                           # cut evenly among the threads
        for strip of rows:                                        # as many as the first-level cache holds
            copy what it sees, with padding, in s x s sub-images  # _copy_strip
            for row (or, where rows are short, straight through the halo), run of 4 vectors of pixels:
                y[row, run] = b + sum_(k,l) w[k, l] copy[offset(k, l) + run]

As in direct_pixels.py the windows' taps are contiguous runs of the copy, and accumulators stay in registers over all taps. The
transposed convolution is the same loop over its s x s phases, the weight gradient a dot product of the same runs with y. The
commonest cases do without the copy: 3x3 of stride 1 in stride1.py, of stride 2 in stride2.py.
"""

from typing import NamedTuple

import numpy as np
from numba import prange

from ...runtime.jit import inlined, kernel
from ...runtime.threads import get_num_threads
from ...simd.micro_kernel import panel_width
from ...simd.vector import broadcast, clear_run, copy_run, lanes_of, load, reduce_add, store
from ..operands import Image, image
from ..taps import adjoint_taps, window_taps
from ..tiles import Tile, layout
from . import stride1, stride2

STRIP_BYTES = 24 * 1024


class Filter(NamedTuple):
    """The taps of every phase, for one channel; tap t starts at offsets[t] in the copy."""

    offsets: np.ndarray
    numbers: np.ndarray  # of the taps in the kernel
    starts: np.ndarray  # taps of phase f are starts[f] to starts[f + 1]
    up_rows: int  # phases, and distance in the result of the pixels of a phase
    up_cols: int


@inlined
def _copy_strip(x, start, tile, copy, first, rows):
    """Rows first .. first + rows of every sub-image into the copy, whose columns outside the image are zero and stay so."""
    H, W = x.height, x.width
    for f in range(tile.origins.shape[0]):
        shift = tile.origins[f, 1]
        lo = min(max(0, -(shift // tile.step_cols)), tile.pitch)
        count = max(min(tile.pitch, -((shift - W) // tile.step_cols)) - lo, 0)
        for r in range(rows):
            h, at = (first + r) * tile.step_rows + tile.origins[f, 0], f * tile.plane + r * tile.pitch + lo
            source = start + h * W + shift + lo * tile.step_cols
            if h < 0 or h >= H:
                clear_run(copy, at, count)
            elif tile.step_cols == 1:
                copy_run(x.data, source, copy, at, count)
            else:
                for k in range(count):
                    copy[at + k] = x.data[source + k * tile.step_cols]


@inlined
def _filter(x, taps, span, bias, n, y, y0):
    """y[y0 + q] = bias + sum over taps span[0] .. span[1] of scales[tap] x[at + offsets[tap] + q] for q < n.

    taps is (offsets, scales, at). The last vector overlaps the one before it.
    """
    (first, last), (offsets, scales, at), q, lanes = span, taps, 0, lanes_of(x)
    while n >= 4 * lanes and n - q > 2 * lanes:  # what is left is done one vector at a time
        q = min(q, n - 4 * lanes)
        s0 = broadcast(x, bias)
        s1, s2, s3 = s0, s0, s0
        for t in range(first, last):
            a, j = broadcast(x, scales[t]), at + offsets[t] + q
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
        s0 = broadcast(x, bias)
        for t in range(first, last):
            s0 = s0 + scales[t] * load(x, at + offsets[t] + q)
        store(y, y0 + q, s0)
        q += lanes
    for j in range(q, n):
        total = bias
        for t in range(first, last):
            total += scales[t] * x[at + offsets[t] + j]
        y[y0 + j] = total


@inlined
def _interleave_phases(lines, phases, W, y, at):
    """y[at + j] = pixel j // phases of phase j % phases: a row of the result from those of its phases."""
    for j in range(W):
        y[at + j] = lines[j % phases * W + j // phases]


@kernel
def _convolve(x: Image, w, bias, y: Image, tile: Tile, filter: Filter, T):
    C, H, W, R = y.channels, y.height, y.width, tile.rows
    up = filter.up_rows, filter.up_cols
    planes, halo, offsets, starts, pitch = y.batch * C, tile.seen - R, filter.offsets, filter.starts, tile.pitch
    rows, gaps = (H + up[0] - 1) // up[0], up == (1, 1) and W // lanes_of(x.data) < 6  # short rows: through the halo
    for thread in prange(T):
        copy, lines = (
            np.zeros(tile.origins.shape[0] * tile.plane, x.data.dtype),
            np.empty(tile.plane + up[1] * W, x.data.dtype),
        )
        scales = np.empty(offsets.size, w.dtype)
        for p in range(thread * planes // T, (thread + 1) * planes // T):
            start, target, offset = p * x.height * x.width, p * H * W, bias[p % C]
            for t in range(offsets.size):
                scales[t] = w[p % C * offsets.size + filter.numbers[t]]
            for first in range(0, rows, R):
                last = min(first + R, rows)
                _copy_strip(x, start, tile, copy, first, last - first + halo)
                if gaps:
                    n = (last - first - 1) * pitch + W
                    _filter(copy, (offsets, scales, 0), (0, starts[1]), offset, n, lines, 0)
                    for i in range(first, last):
                        copy_run(lines, (i - first) * pitch, y.data, target + i * W, W)
                for i in range(first * up[0], 0 if gaps else min(last * up[0], H)):
                    taps = offsets, scales, (i // up[0] - first) * pitch
                    for b in range(up[1]):
                        f, n = i % up[0] * up[1] + b, (W - b + up[1] - 1) // up[1]
                        if up[1] == 1:
                            _filter(copy, taps, (starts[f], starts[f + 1]), offset, n, y.data, target + i * W)
                        else:
                            _filter(copy, taps, (starts[f], starts[f + 1]), offset, n, lines, b * W)
                    if up[1] > 1:
                        _interleave_phases(lines, up[1], W, y.data, target + i * W)


def _strip(taps, rows, cols, dtype):
    """(offsets, Tile): as many rows of the result as fit, with the rows that they see, into the first-level cache."""
    halo, pitch = taps.halo[0], cols + taps.halo[1]
    most = STRIP_BYTES // (dtype.itemsize * pitch * len(taps.origins)) - halo
    R = -(-rows // -(-rows // max(most, 8)))  # strips of equal height
    return layout(taps, (R, cols), (1, 1), panel_width(dtype) // 2)


def _run(x, w, bias, taps, y, up):
    bias = np.zeros(x.shape[1], x.dtype) if bias is None else np.ascontiguousarray(bias)
    offsets, tile = _strip(taps, -(-y.shape[2] // up[0]), -(-y.shape[3] // up[1]), x.dtype)
    filter = Filter(offsets, taps.numbers, taps.starts, *up)
    _convolve(image(x, 1), w.reshape(-1), bias, image(y, 1), tile, filter, get_num_threads())
    return y


def conv2d(x, w, bias, geometry):
    """y[n,c,i,j] = b[c] + sum_kl w[c,k,l] x[n, c, i s + k d - p, j s + l d - p]."""
    y = np.empty((*x.shape[:2], *geometry.output_size(x.shape[2:])), x.dtype)
    if stride1.serves(geometry, y):
        return stride1.conv2d(x, w, bias, geometry, y)
    if stride2.serves(geometry, x, y):
        return stride2.conv2d(x, w, bias, geometry, y)
    return _run(x, w, bias, window_taps(geometry), y, (1, 1))


def conv_transpose2d(y, w, bias, size, geometry):
    """x[n,c,h,v] = b[c] + sum_kl w[c,k,l] y[n, c, (h + p - k d) / s, (v + p - l d) / s] where that is whole."""
    x = np.empty((*y.shape[:2], *size), y.dtype)
    if stride1.serves(geometry, x):
        return stride1.conv_transpose2d(y, w, bias, geometry, x)
    if stride2.serves(geometry, x, y):
        return stride2.conv_transpose2d(y, w, bias, geometry, x)
    return _run(y, w, bias, adjoint_taps(geometry), x, geometry.stride)


@inlined
def _products(x, offsets, pixels, n, sums):
    """sums[k] += pixels * x[offsets[k] :], in lanes, for n pixels and three taps at a time."""
    lanes = lanes_of(x)
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
def _weight(x: Image, y: Image, tile: Tile, offsets, w, T):
    C, taps = w.shape
    H, W, R, pitch = y.height, y.width, tile.rows, tile.pitch
    lanes, dtype = lanes_of(x.data), x.data.dtype
    n = -(-((R - 1) * pitch + W) // (2 * lanes)) * 2 * lanes
    for t in prange(T):
        copy, pixels = np.zeros(tile.origins.shape[0] * tile.plane + 4 * lanes, dtype), np.zeros(n + pitch, dtype)
        sums = np.empty(offsets.size * lanes, dtype)
        for c in range(t * C // T, (t + 1) * C // T):
            clear_run(sums, 0, sums.size)
            for p in range(c, y.batch * C, C):
                for first in range(0, H, R):
                    rows = min(R, H - first)
                    _copy_strip(x, p * x.height * x.width, tile, copy, first, rows + tile.seen - R)
                    for i in range(rows):  # the halo of a row stays zero
                        copy_run(y.data, (p * H + first + i) * W, pixels, i * pitch, W)
                    clear_run(pixels, rows * pitch, n - rows * pitch)
                    _products(copy, offsets, pixels, n, sums)
            for k in range(taps):
                w[c, k] = reduce_add(load(sums, k * lanes), w.dtype.type(0))


def conv2d_weight(x, y, geometry):
    """w[c,k,l] = sum_nij y[n,c,i,j] x[n, c, i s + k d - p, j s + l d - p]."""
    if stride1.serves(geometry, y):
        return stride1.conv2d_weight(x, y, geometry)
    if stride2.serves(geometry, x, y):
        return stride2.conv2d_weight(x, y, geometry)
    offsets, tile = _strip(window_taps(geometry), *y.shape[2:], x.dtype)
    w = np.empty((x.shape[1], len(offsets)), x.dtype)
    offsets = np.pad(offsets, (0, -len(offsets) % 3), "edge")  # whole threes; the surplus sums are left where they are
    _weight(image(x, 1), image(y, 1), tile, offsets, w, get_num_threads())
    return w.reshape(-1, 1, *geometry.kernel)
