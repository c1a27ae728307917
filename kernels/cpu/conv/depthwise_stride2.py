"""Depthwise 3x3 convolution of stride 2 where the image lies, down the columns as in depthwise_direct.py.

Column j of the result sees columns 2 j - p, + 1 and + 2 of x: the even numbers of two vectors, their odd ones, and the odd
ones of two vectors one further on. With u[0], u[1], u[2] for these,

    for image, channel, strip of rows, vector of columns of y:
        for row i of y:                             # row 2 i + 2 - p of x is the last that window i sees, the first of i + 1
            u from x[2 i + 1 - p]:  s += w[1] u
            u from x[2 i + 2 - p]:  y[i] = s + w[2] u;  s = b + w[0] u

u is taken apart by shuffles that leave it out of order (weave.py); the sums follow, and are put in order as they are stored.
The data gradient goes down y and writes two rows of x for each of its rows. Column 2 j - p of x is seen by weights 0 and 2,
at columns j and j - 1 of y, its right neighbour by weight 1, at j: `cross` and `single`, woven into one row.
"""

import numpy as np
from numba import get_num_threads, prange

from ..runtime.jit import inlined, njit
from ..simd.interleave import apart, evens, in_order, odds, store_pair
from ..simd.micro_kernel import width
from ..simd.prefetch import prefetch
from ..simd.vector import clear_run, fill, lanes_of, load, load_between, store, total
from .depthwise_stride1 import add_three

STRIP_BYTES = 16 * 1024  # of x


@inlined
def _ask(x, x0, W, y, y0, V, i, j):
    """Asks for a vector of a row of y and what it sees of x: each row for its like in the next strip."""
    prefetch(x, x0 + 2 * (i * W + j))
    prefetch(x, x0 + 2 * (i * W + j) + W)
    prefetch(y, y0 + i * V + j)


@inlined
def _three(x, row, column, W, inside):
    """Every second number of a row from `column`, + 1 and + 2 on, zero where these are not among its W."""
    lanes, a = lanes_of(x), row + column
    if inside:
        u, v, s, t = load(x, a), load(x, a + lanes), load(x, a + 1), load(x, a + 1 + lanes)
    else:
        u = load_between(x, a, -column, W - column)
        v = load_between(x, a + lanes, -column - lanes, W - column - lanes)
        s = load_between(x, a + 1, -column - 1, W - column - 1)
        t = load_between(x, a + 1 + lanes, -column - 1 - lanes, W - column - 1 - lanes)
    return evens(u, v), odds(u, v), odds(s, t)


@inlined
def _filter_down(x, x0, size, w, w0, bias, y, y0, pitch, rows, q, pad, inside):
    """A vector of columns, from q, of the given rows of y."""
    (H, W), (first, last), b = size, rows, fill(x, bias)
    k0, k1, k2 = fill(x, w[w0]), fill(x, w[w0 + 1]), fill(x, w[w0 + 2])
    k3, k4, k5 = fill(x, w[w0 + 3]), fill(x, w[w0 + 4]), fill(x, w[w0 + 5])
    k6, k7, k8 = fill(x, w[w0 + 6]), fill(x, w[w0 + 7]), fill(x, w[w0 + 8])
    s = b
    for i in range(first - 1, last):
        h, out, s = 2 * i + 2 - pad[0], s, b
        _ask(x, x0, W, y, y0, pitch, i + last - first, q)
        if i >= first and 0 < h <= H:
            u0, u1, u2 = _three(x, x0 + (h - 1) * W, 2 * q - pad[1], W, inside)
            out = out + k3 * u0 + k4 * u1 + k5 * u2
        if 0 <= h < H:
            u0, u1, u2 = _three(x, x0 + h * W, 2 * q - pad[1], W, inside)
            out = out + k6 * u0 + k7 * u1 + k8 * u2
            s = s + k0 * u0 + k1 * u1 + k2 * u2
        if i >= first:
            store(y, y0 + i * pitch + q, in_order(out))


@inlined
def _store_woven(x, at, cross, single, even):
    if even:
        store_pair(x, at, cross, single)
    else:
        store_pair(x, at, single, cross)


@inlined
def _spread_down(y, y0, size, w, w0, bias, x, x0, pitch, rows, q, pad, inside):
    """Two vectors of columns, from q, of the given rows of x."""
    (H, W), (first, last), b, zero = size, rows, fill(x, bias), fill(x, 0)
    k0, k1, k2 = fill(x, w[w0]), fill(x, w[w0 + 1]), fill(x, w[w0 + 2])
    k3, k4, k5 = fill(x, w[w0 + 3]), fill(x, w[w0 + 4]), fill(x, w[w0 + 5])
    k6, k7, k8 = fill(x, w[w0 + 6]), fill(x, w[w0 + 7]), fill(x, w[w0 + 8])
    even, j = (q + pad[1]) % 2 == 0, (q + pad[1] + 1) // 2 - 1
    cross, single = b, b
    for i in range((first + pad[0]) // 2 - 1, (last + 1 + pad[0]) // 2):
        lo, hi = zero, zero
        if 0 <= i < H:
            at = y0 + i * W + j
            if inside:
                lo, hi = load(y, at), load(y, at + 1)
            else:
                lo, hi = load_between(y, at, -j, W - j), load_between(y, at + 1, -j - 1, W - j - 1)
        one, h = hi if even else lo, 2 * i - pad[0]
        _ask(x, x0, pitch, y, y0, W, (h + last - first) // 2, q // 2)
        if first <= h < last:
            _store_woven(x, x0 + h * pitch + q, cross + k0 * hi + k2 * lo, single + k1 * one, even)
        if first <= h + 1 < last:
            _store_woven(x, x0 + (h + 1) * pitch + q, b + k3 * hi + k5 * lo, b + k4 * one, even)
        cross, single = b + k6 * hi + k8 * lo, b + k7 * one


@inlined
def _products_down(x, x0, size, y, y0, pitch, rows, q, fresh, pad, inside, sums):
    """sums[k, l] += y x over a vector of columns, from q, of the given rows of y; columns before `fresh` are left out."""
    (H, W), (first, last), lanes, zero = size, rows, lanes_of(x), fill(x, 0)
    s0, s1, s2, s3, s4, s5, s6, s7, s8 = zero, zero, zero, zero, zero, zero, zero, zero, zero
    g1 = zero
    for i in range(first - 1, last):
        h, at, g0, g1 = 2 * i + 2 - pad[0], y0 + (i + 1) * pitch + q, g1, zero
        _ask(x, x0, W, y, y0, pitch, i + last - first, q)
        if i + 1 < last:
            g1 = apart(load(y, at) if inside else load_between(y, at, fresh - q, pitch - q))
        if i >= first and 0 < h <= H:
            u0, u1, u2 = _three(x, x0 + (h - 1) * W, 2 * q - pad[1], W, inside)
            s3, s4, s5 = s3 + g0 * u0, s4 + g0 * u1, s5 + g0 * u2
        if 0 <= h < H:
            u0, u1, u2 = _three(x, x0 + h * W, 2 * q - pad[1], W, inside)
            s0, s1, s2 = s0 + g1 * u0, s1 + g1 * u1, s2 + g1 * u2
            s6, s7, s8 = s6 + g0 * u0, s7 + g0 * u1, s8 + g0 * u2
    add_three(sums, 0, s0, s1, s2)
    add_three(sums, 3 * lanes, s3, s4, s5)
    add_three(sums, 6 * lanes, s6, s7, s8)


@njit(parallel=True, cache=True, _nrt=False)
def _correlate(x, size, w, bias, y, out_size, planes, pad, R, T):
    (h, v), (H, W), C = size, out_size, bias.size
    for thread in prange(T):
        lanes = lanes_of(x)
        for p in range(thread * planes // T, (thread + 1) * planes // T):
            for first in range(0, H, R):
                last = min(first + R, H)
                for run in range(0, W, lanes):
                    q = min(run, W - lanes)  # the last vector overlaps the one before it
                    a = 2 * q - pad[1]
                    args = x, p * h * v, size, w, 9 * (p % C), bias[p % C], y, p * H * W, W, (first, last), q, pad
                    if a >= 0 and a + 1 + 2 * lanes <= v:
                        _filter_down(*args, True)
                    else:
                        _filter_down(*args, False)


@njit(parallel=True, cache=True, _nrt=False)
def _spread(y, size, w, bias, x, out_size, planes, pad, R, T):
    (h, v), (H, W), C = size, out_size, bias.size
    for thread in prange(T):
        lanes = lanes_of(x)
        for p in range(thread * planes // T, (thread + 1) * planes // T):
            for first in range(0, H, 2 * R):
                last = min(first + 2 * R, H)
                for run in range(0, W, 2 * lanes):
                    q = min(run, W - 2 * lanes)  # the last overlap those before, and may begin on an odd column
                    j = (q + pad[1] + 1) // 2 - 1
                    args = y, p * h * v, size, w, 9 * (p % C), bias[p % C], x, p * H * W, W, (first, last), q, pad
                    if j >= 0 and j + 1 + lanes <= v:
                        _spread_down(*args, True)
                    else:
                        _spread_down(*args, False)


@njit(parallel=True, cache=True)
def _weight(x, size, y, out_size, N, pad, R, w, T):
    (h, v), (H, W), C = size, out_size, w.shape[0]
    for thread in prange(T):
        lanes = lanes_of(x)
        sums = np.empty(9 * lanes, x.dtype)
        for c in range(thread * C // T, (thread + 1) * C // T):
            clear_run(sums, 0, sums.size)
            for p in range(c, N * C, C):
                for first in range(0, H, R):
                    last = min(first + R, H)
                    for run in range(0, W, lanes):
                        q = max(min(run, W - lanes), 0)
                        a = 2 * q - pad[1]
                        args = x, p * h * v, size, y, p * H * W, W, (first, last), q, run, pad
                        if q == run and q + lanes <= W and a >= 0 and a + 1 + 2 * lanes <= v:
                            _products_down(*args, True, sums)
                        else:
                            _products_down(*args, False, sums)
            for k in range(9):
                w[c, k] = total(load(sums, k * lanes), w.dtype.type(0))


def serves(geometry, x, y):
    """Whether this file computes a convolution, forward or back: rows of y must fill a vector, those of x two."""
    fills = y.shape[3] >= width(y.dtype) // 2 and x.shape[3] >= width(x.dtype)
    return fills and (geometry.kernel, geometry.stride, geometry.dilation) == ((3, 3), (2, 2), (1, 1))


def _strip(x):
    """Rows of y in a strip."""
    return max(STRIP_BYTES // (2 * x.shape[3] * x.itemsize), 8)


def _run(kernel, x, w, bias, pad, R, y):
    bias = np.zeros(x.shape[1], x.dtype) if bias is None else np.ascontiguousarray(bias)
    flat = x.reshape(-1), x.shape[2:], w.reshape(-1), bias, y.reshape(-1), y.shape[2:]
    kernel(*flat, len(x) * len(bias), pad, R, get_num_threads())
    return y


def conv2d(x, w, bias, geometry, y):
    """y[n,c,i,j] = b[c] + sum_kl w[c,k,l] x[n, c, 2 i + k - p, 2 j + l - p], written into y."""
    return _run(_correlate, x, w, bias, geometry.padding, _strip(x), y)


def conv_transpose2d(y, w, bias, geometry, x):
    """x[n,c,h,v] = b[c] + sum_kl w[c,k,l] y[n, c, (h + p - k) / 2, (v + p - l) / 2] where whole, written into x."""
    return _run(_spread, y, w, bias, geometry.padding, _strip(x), x)


def conv2d_weight(x, y, geometry):
    """w[c,k,l] = sum_nij y[n,c,i,j] x[n, c, 2 i + k - p, 2 j + l - p]."""
    w = np.empty((x.shape[1], 9), x.dtype)
    flat = x.reshape(-1), x.shape[2:], y.reshape(-1), y.shape[2:]
    _weight(*flat, len(x), geometry.padding, _strip(x), w, get_num_threads())
    return w.reshape(-1, 1, 3, 3)
