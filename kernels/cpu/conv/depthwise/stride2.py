"""Depthwise 3x3 convolution of stride 2 where the image lies, down the columns as in stride1.py.

Column j of the result sees columns 2 j - p, + 1 and + 2 of x: the even elements of two vectors, their odd ones, and the odd
ones of two vectors one element further on. With u[0], u[1], u[2] for these,

    for image, channel, strip of rows, vector of columns of y:
        for row i of y:                             # row 2 i + 2 - p of x is the last that window i sees, the first of i + 1
            u from x[2 i + 1 - p]:  s += w[1] u
            u from x[2 i + 2 - p]:  y[i] = s + w[2] u;  s = b + w[0] u

u is deinterleaved into evens order (interleave.py); the accumulators keep that order until they are stored. The data gradient
goes down y and writes two rows of x for each of its rows. Column 2 j - p of x is seen by weights 0 and 2, at columns j and
j - 1 of y, its right neighbour by weight 1, at j: `cross` and `single`, interleaved into one row.
"""

import numpy as np
from numba import prange

from ...runtime.jit import inlined, kernel, njit
from ...runtime.threads import get_num_threads
from ...simd.interleave import evens, odds, permute_to_evens_order, restore_order, store_interleaved
from ...simd.micro_kernel import panel_width
from ...simd.prefetch import prefetch
from ...simd.vector import broadcast, clear_run, lanes_of, load, masked_load, store
from ..operands import Image, image
from .stride1 import Window, add_three, broadcast_weights, plane, reduce_taps

STRIP_BYTES = 16 * 1024  # of x


@inlined
def _prefetch_rows(x, y, i, j):
    """Prefetches a vector of row i of y, from column j, and what it sees of x."""
    prefetch(x.data, x.start + 2 * (i * x.width + j))
    prefetch(x.data, x.start + 2 * (i * x.width + j) + x.width)
    prefetch(y.data, y.start + i * y.width + j)


@inlined
def _load_taps(x, row, column, inside):
    """Every second element of a row of the plane x from `column`, + 1 and + 2 on, zero outside the row; in evens order."""
    lanes, W = lanes_of(x.data), x.width
    a = x.start + row * W + column
    if inside:
        u, v, s, t = load(x.data, a), load(x.data, a + lanes), load(x.data, a + 1), load(x.data, a + 1 + lanes)
    else:
        u = masked_load(x.data, a, -column, W - column)
        v = masked_load(x.data, a + lanes, -column - lanes, W - column - lanes)
        s = masked_load(x.data, a + 1, -column - 1, W - column - 1)
        t = masked_load(x.data, a + 1 + lanes, -column - 1 - lanes, W - column - 1 - lanes)
    return evens(u, v), odds(u, v), odds(s, t)


@inlined
def _filter_columns(x, weights, bias, y, rows, q, window, inside):
    """A vector of columns, from q, of the rows rows[0] .. rows[1] of y."""
    (first, last), left, s = rows, 2 * q - window.pad_cols, bias
    k0, k1, k2, k3, k4, k5, k6, k7, k8 = weights
    for i in range(first - 1, last):
        h, out, s = 2 * i + 2 - window.pad_rows, s, bias
        _prefetch_rows(x, y, i + last - first, q)
        if i >= first and 0 < h <= x.height:
            u0, u1, u2 = _load_taps(x, h - 1, left, inside)
            out = out + k3 * u0 + k4 * u1 + k5 * u2
        if 0 <= h < x.height:
            u0, u1, u2 = _load_taps(x, h, left, inside)
            out = out + k6 * u0 + k7 * u1 + k8 * u2
            s = s + k0 * u0 + k1 * u1 + k2 * u2
        if i >= first:
            store(y.data, y.start + i * y.width + q, restore_order(out))


@inlined
def _store_columns(x, at, cross, single, even):
    if even:
        store_interleaved(x, at, cross, single)
    else:
        store_interleaved(x, at, single, cross)


@inlined
def _scatter_columns(y, weights, bias, x, rows, q, window, inside):
    """Two vectors of columns, from q, of the rows rows[0] .. rows[1] of x."""
    (H, W), (first, last), zero = (y.height, y.width), rows, broadcast(y.data, 0)
    k0, k1, k2, k3, k4, k5, k6, k7, k8 = weights
    even, j = (q + window.pad_cols) % 2 == 0, (q + window.pad_cols + 1) // 2 - 1
    cross, single = bias, bias
    for i in range((first + window.pad_rows) // 2 - 1, (last + 1 + window.pad_rows) // 2):
        lo, hi = zero, zero
        if 0 <= i < H:
            at = y.start + i * W + j
            if inside:
                lo, hi = load(y.data, at), load(y.data, at + 1)
            else:
                lo, hi = masked_load(y.data, at, -j, W - j), masked_load(y.data, at + 1, -j - 1, W - j - 1)
        one, h = hi if even else lo, 2 * i - window.pad_rows
        _prefetch_rows(x, y, (h + last - first) // 2, q // 2)
        if first <= h < last:
            _store_columns(x.data, x.start + h * x.width + q, cross + k0 * hi + k2 * lo, single + k1 * one, even)
        if first <= h + 1 < last:
            _store_columns(x.data, x.start + (h + 1) * x.width + q, bias + k3 * hi + k5 * lo, bias + k4 * one, even)
        cross, single = bias + k6 * hi + k8 * lo, bias + k7 * one


@inlined
def _correlate_columns(x, y, rows, columns, window, inside, sums):
    """sums[k, l] += y x over a vector of columns of rows[0] .. rows[1] of y; columns = (first, first that counts)."""
    (first, last), (q, fresh), lanes, zero = rows, columns, lanes_of(x.data), broadcast(x.data, 0)
    s0, s1, s2, s3, s4, s5, s6, s7, s8 = zero, zero, zero, zero, zero, zero, zero, zero, zero
    g1 = zero
    for i in range(first - 1, last):
        h, at, g0, g1 = 2 * i + 2 - window.pad_rows, y.start + (i + 1) * y.width + q, g1, zero
        _prefetch_rows(x, y, i + last - first, q)
        if i + 1 < last:
            row = load(y.data, at) if inside else masked_load(y.data, at, fresh - q, y.width - q)
            g1 = permute_to_evens_order(row)
        if i >= first and 0 < h <= x.height:
            u0, u1, u2 = _load_taps(x, h - 1, 2 * q - window.pad_cols, inside)
            s3, s4, s5 = s3 + g0 * u0, s4 + g0 * u1, s5 + g0 * u2
        if 0 <= h < x.height:
            u0, u1, u2 = _load_taps(x, h, 2 * q - window.pad_cols, inside)
            s0, s1, s2 = s0 + g1 * u0, s1 + g1 * u1, s2 + g1 * u2
            s6, s7, s8 = s6 + g0 * u0, s7 + g0 * u1, s8 + g0 * u2
    add_three(sums, 0, s0, s1, s2)
    add_three(sums, 3 * lanes, s3, s4, s5)
    add_three(sums, 6 * lanes, s6, s7, s8)


@njit(parallel=True, cache=True, _nrt=False)
def _convolve(x: Image, w, bias, y: Image, window: Window, R, T):
    planes, C = y.batch * y.channels, y.channels
    for thread in prange(T):
        lanes = lanes_of(x.data)
        for p in range(thread * planes // T, (thread + 1) * planes // T):
            source, target = plane(x, p), plane(y, p)
            weights, offset = broadcast_weights(w, 9 * (p % C)), broadcast(x.data, bias[p % C])
            for first in range(0, y.height, R):
                last = min(first + R, y.height)
                for run in range(0, y.width, lanes):
                    q = min(run, y.width - lanes)  # the last vector overlaps the one before it
                    a = 2 * q - window.pad_cols
                    if a >= 0 and a + 1 + 2 * lanes <= x.width:
                        _filter_columns(source, weights, offset, target, (first, last), q, window, True)
                    else:
                        _filter_columns(source, weights, offset, target, (first, last), q, window, False)


@njit(parallel=True, cache=True, _nrt=False)
def _transpose(y: Image, w, bias, x: Image, window: Window, R, T):
    planes, C = x.batch * x.channels, x.channels
    for thread in prange(T):
        lanes = lanes_of(x.data)
        for p in range(thread * planes // T, (thread + 1) * planes // T):
            source, target = plane(y, p), plane(x, p)
            weights, offset = broadcast_weights(w, 9 * (p % C)), broadcast(x.data, bias[p % C])
            for first in range(0, x.height, 2 * R):
                last = min(first + 2 * R, x.height)
                for run in range(0, x.width, 2 * lanes):
                    q = min(run, x.width - 2 * lanes)  # the last overlap those before, and may begin on an odd column
                    j = (q + window.pad_cols + 1) // 2 - 1
                    if j >= 0 and j + 1 + lanes <= y.width:
                        _scatter_columns(source, weights, offset, target, (first, last), q, window, True)
                    else:
                        _scatter_columns(source, weights, offset, target, (first, last), q, window, False)


@inlined
def _correlate_planes(x, y, window, R, sums):
    """sums[k, l] += y x over all pixels of two planes."""
    lanes = lanes_of(x.data)
    for first in range(0, y.height, R):
        last = min(first + R, y.height)
        for run in range(0, y.width, lanes):
            q = max(min(run, y.width - lanes), 0)
            a = 2 * q - window.pad_cols
            if q == run and q + lanes <= y.width and a >= 0 and a + 1 + 2 * lanes <= x.width:
                _correlate_columns(x, y, (first, last), (q, run), window, True, sums)
            else:
                _correlate_columns(x, y, (first, last), (q, run), window, False, sums)


@kernel
def _weight(x: Image, y: Image, window: Window, R, w, T):
    C = w.shape[0]
    for thread in prange(T):
        sums = np.empty(9 * lanes_of(x.data), x.data.dtype)
        for c in range(thread * C // T, (thread + 1) * C // T):
            clear_run(sums, 0, sums.size)
            for p in range(c, y.batch * C, C):
                _correlate_planes(plane(x, p), plane(y, p), window, R, sums)
            reduce_taps(sums, w, c)


def serves(geometry, x, y):
    """Whether this file computes a convolution, forward or back: rows of y must fill a vector, those of x two."""
    fills = y.shape[3] >= panel_width(y.dtype) // 2 and x.shape[3] >= panel_width(x.dtype)
    return fills and (geometry.kernel, geometry.stride, geometry.dilation) == ((3, 3), (2, 2), (1, 1))


def _strip_rows(x):
    """Rows of y in a strip."""
    return max(STRIP_BYTES // (2 * x.shape[3] * x.itemsize), 8)


def _run(kernel, x, w, bias, geometry, y):
    bias = np.zeros(x.shape[1], x.dtype) if bias is None else np.ascontiguousarray(bias)
    window = Window(*geometry.padding, *geometry.dilation)
    kernel(image(x, 1), w.reshape(-1), bias, image(y, 1), window, _strip_rows(x), get_num_threads())
    return y


def conv2d(x, w, bias, geometry, y):
    """y[n,c,i,j] = b[c] + sum_kl w[c,k,l] x[n, c, 2 i + k - p, 2 j + l - p], written into y."""
    return _run(_convolve, x, w, bias, geometry, y)


def conv_transpose2d(y, w, bias, geometry, x):
    """x[n,c,h,v] = b[c] + sum_kl w[c,k,l] y[n, c, (h + p - k) / 2, (v + p - l) / 2] where whole, written into x."""
    return _run(_transpose, y, w, bias, geometry, x)


def conv2d_weight(x, y, geometry):
    """w[c,k,l] = sum_nij y[n,c,i,j] x[n, c, 2 i + k - p, 2 j + l - p]."""
    w, window = np.empty((x.shape[1], 9), x.dtype), Window(*geometry.padding, *geometry.dilation)
    _weight(image(x, 1), image(y, 1), window, _strip_rows(x), w, get_num_threads())
    return w.reshape(-1, 1, 3, 3)
