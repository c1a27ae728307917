"""Depthwise 3x3 convolution of stride 1 where the image lies: nothing is packed, a pixel is loaded three times, not nine.

    for image, channel:                                          # cut evenly among the threads
        for strip of rows, vector of columns:                    # down the strip with nine weights in registers
            for row h of x:                                      # every `dilation`-th
                u = x[h, columns + each of three shifts]
                y[h - 2 d + p] = s + w[2] u;  s = t + w[1] u;  t = b + w[0] u

So each row is loaded for the three rows of the result that see it, whose accumulators stay in registers. Rows of padding are
left out; at the sides, masked loads give zero for padding. The data gradient is the same sum with the kernel flipped; the
weight gradient keeps nine accumulators and three rows of y in registers. Going down columns is strided access, which defeats
the hardware prefetcher, so the next strip is prefetched, and strips are short.
"""

from typing import NamedTuple

import numpy as np
from numba import prange

from ...runtime.jit import inlined, kernel, njit
from ...runtime.threads import get_num_threads
from ...simd.micro_kernel import panel_width
from ...simd.prefetch import prefetch_range
from ...simd.vector import broadcast, clear_run, lanes_of, load, masked_load, reduce_add, store
from ..operands import Image, image

STRIP_BYTES = 8 * 1024


class Window(NamedTuple):
    """Padding and dilation of a 3x3 kernel."""

    pad_rows: int
    pad_cols: int
    dilation_rows: int
    dilation_cols: int


class Plane(NamedTuple):
    """One channel of one image in a flat array."""

    data: np.ndarray
    start: int
    height: int
    width: int


@inlined
def plane(image, p):
    """Plane p of all images and channels."""
    return Plane(image.data, p * image.height * image.width, image.height, image.width)


@inlined
def broadcast_weights(w, start):
    """Nine vectors, one for each tap."""
    return (
        broadcast(w, w[start]),
        broadcast(w, w[start + 1]),
        broadcast(w, w[start + 2]),
        broadcast(w, w[start + 3]),
        broadcast(w, w[start + 4]),
        broadcast(w, w[start + 5]),
        broadcast(w, w[start + 6]),
        broadcast(w, w[start + 7]),
        broadcast(w, w[start + 8]),
    )


@inlined
def _load_taps(x, row, column, dilation, inside):
    """Vectors at `column`, + dilation and + 2 dilation of a row of the plane x, zero where these are outside it."""
    start, a, b, c = x.start + row * x.width, column, column + dilation, column + 2 * dilation
    if inside:
        return load(x.data, start + a), load(x.data, start + b), load(x.data, start + c)
    return (
        masked_load(x.data, start + a, -a, x.width - a),
        masked_load(x.data, start + b, -b, x.width - b),
        masked_load(x.data, start + c, -c, x.width - c),
    )


@inlined
def _filter_columns(x, weights, bias, y, rows, q, window, inside):
    """A vector of columns, from q, of the rows rows[0] .. rows[1] of y."""
    (first, last), d, e = rows, window.dilation_rows, window.dilation_cols
    k0, k1, k2, k3, k4, k5, k6, k7, k8 = weights
    for start in range(first, min(first + d, last)):
        s, t = bias, bias
        for i in range(start - 2 * d, last, d):
            h, out, s, t = i + 2 * d - window.pad_rows, s, t, bias
            if 0 <= h < x.height:
                u0, u1, u2 = _load_taps(x, h, q - window.pad_cols, e, inside)
                out = out + k6 * u0 + k7 * u1 + k8 * u2
                s = s + k3 * u0 + k4 * u1 + k5 * u2
                t = t + k0 * u0 + k1 * u1 + k2 * u2
            if i >= start:
                store(y.data, y.start + i * y.width + q, out)


@inlined
def add_three(sums, at, a, b, c):
    """sums[at:] += three vectors."""
    lanes = lanes_of(sums)
    store(sums, at, load(sums, at) + a)
    store(sums, at + lanes, load(sums, at + lanes) + b)
    store(sums, at + 2 * lanes, load(sums, at + 2 * lanes) + c)


@inlined
def _correlate_columns(x, y, rows, columns, window, inside, sums):
    """sums[k, l] += y x over a vector of columns of rows[0] .. rows[1] of y; columns = (first, first that counts)."""
    (first, last), (q, fresh), d, e = rows, columns, window.dilation_rows, window.dilation_cols
    lanes, zero = lanes_of(x.data), broadcast(x.data, 0)
    s0, s1, s2, s3, s4, s5, s6, s7, s8 = zero, zero, zero, zero, zero, zero, zero, zero, zero
    for start in range(first, min(first + d, last)):
        g1, g2 = zero, zero
        for i in range(start - 2 * d, last, d):
            h, g0, g1, g2 = i + 2 * d - window.pad_rows, g1, g2, zero
            if i + 2 * d < last:
                at = y.start + (i + 2 * d) * y.width + q
                g2 = load(y.data, at) if inside else masked_load(y.data, at, fresh - q, y.width - q)
            if 0 <= h < x.height:
                u0, u1, u2 = _load_taps(x, h, q - window.pad_cols, e, inside)
                s0, s1, s2 = s0 + g2 * u0, s1 + g2 * u1, s2 + g2 * u2
                s3, s4, s5 = s3 + g1 * u0, s4 + g1 * u1, s5 + g1 * u2
                s6, s7, s8 = s6 + g0 * u0, s7 + g0 * u1, s8 + g0 * u2
    add_three(sums, 0, s0, s1, s2)
    add_three(sums, 3 * lanes, s3, s4, s5)
    add_three(sums, 6 * lanes, s6, s7, s8)


@inlined
def _inside(q, lanes, width, window):
    return q >= window.pad_cols and q + lanes - window.pad_cols + 2 * window.dilation_cols <= width


@inlined
def _prefetch_strip(plane, last, run, rows, lanes):
    """Prefetches the share of this run of columns of the strip of `rows` rows that begins at row `last`."""
    prefetch_range(plane.data, plane.start + last * plane.width + run * rows, rows * lanes)


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
                    _prefetch_strip(source, last, run, last - first, lanes)
                    _prefetch_strip(target, last, run, last - first, lanes)
                    q = min(run, y.width - lanes)  # the last vector overlaps the one before it
                    if _inside(q, lanes, x.width, window):
                        _filter_columns(source, weights, offset, target, (first, last), q, window, True)
                    else:
                        _filter_columns(source, weights, offset, target, (first, last), q, window, False)


@inlined
def _correlate_planes(x, y, window, R, sums):
    """sums[k, l] += y x over all pixels of two planes."""
    lanes = lanes_of(x.data)
    for first in range(0, y.height, R):
        last = min(first + R, y.height)
        for run in range(0, y.width, lanes):
            _prefetch_strip(x, last, run, last - first, lanes)
            _prefetch_strip(y, last, run, last - first, lanes)
            q = max(min(run, y.width - lanes), 0)
            if q == run and q + lanes <= y.width and _inside(q, lanes, x.width, window):
                _correlate_columns(x, y, (first, last), (q, run), window, True, sums)
            else:
                _correlate_columns(x, y, (first, last), (q, run), window, False, sums)


@inlined
def reduce_taps(sums, w, c):
    """w[c, k] = the sum of vector k."""
    for k in range(9):
        w[c, k] = reduce_add(load(sums, k * lanes_of(sums)), w.dtype.type(0))


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


def serves(geometry, result):
    """Whether this file computes a result, whose rows must fill a vector."""
    return geometry.kernel == (3, 3) and geometry.stride == (1, 1) and result.shape[3] >= panel_width(result.dtype) // 2


def _strip_rows(y, dilation):
    return max(STRIP_BYTES // (y.shape[3] * y.itemsize), 8 * dilation[0])


def _run(x, w, bias, window, y):
    bias = np.zeros(x.shape[1], x.dtype) if bias is None else np.ascontiguousarray(bias)
    R = _strip_rows(y, (window.dilation_rows,))
    _convolve(image(x, 1), w.reshape(-1), bias, image(y, 1), window, R, get_num_threads())
    return y


def conv2d(x, w, bias, geometry, y):
    """y[n,c,i,j] = b[c] + sum_kl w[c,k,l] x[n, c, i + k d - p, j + l d - p], written into y."""
    return _run(x, w, bias, Window(*geometry.padding, *geometry.dilation), y)


def conv_transpose2d(y, w, bias, geometry, x):
    """x[n,c,h,v] = b[c] + sum_kl w[c,k,l] y[n, c, h + p - k d, v + p - l d], written into x."""
    pad = (2 * d - p for d, p in zip(geometry.dilation, geometry.padding))
    return _run(y, np.ascontiguousarray(w[..., ::-1, ::-1]), bias, Window(*pad, *geometry.dilation), x)


def conv2d_weight(x, y, geometry):
    """w[c,k,l] = sum_nij y[n,c,i,j] x[n, c, i + k d - p, j + l d - p]."""
    w, window = np.empty((x.shape[1], 9), x.dtype), Window(*geometry.padding, *geometry.dilation)
    _weight(image(x, 1), image(y, 1), window, _strip_rows(y, geometry.dilation), w, get_num_threads())
    return w.reshape(-1, 1, 3, 3)
