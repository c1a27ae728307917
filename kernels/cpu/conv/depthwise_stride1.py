"""Depthwise 3x3 convolution of stride 1 where the image lies: nothing is copied, a pixel is loaded three times, not nine.

    for image, channel:                                          # cut evenly among the threads
        for strip of rows, vector of columns:                    # down the strip with nine weights in registers
            for row h of x:                                      # every `dilation`-th
                u = x[h, columns + each of three shifts]
                y[h - 2 d + p] = s + w[2] u;  s = t + w[1] u;  t = b + w[0] u

So each row is loaded for the three rows of the result that see it, whose sums wait in registers. Rows of padding are left out;
at the sides, lanes that fall on padding are masked in the load. The data gradient is the same sum with the kernel turned
round; the weight gradient keeps nine sums in registers and lets three rows of y pass by. Going down columns, the processor
does not foresee what comes next, so the next strip is asked for in good time, and strips are short: where the images are
out of cache, the weight gradient takes half the time that it takes with strips of 64 KB.
"""

import numpy as np
from numba import get_num_threads, prange

from ..runtime.jit import inlined, kernel, njit
from ..simd.micro_kernel import width
from ..simd.prefetch import ask
from ..simd.vector import clear_run, fill, lanes_of, load, load_between, store, total

STRIP_BYTES = 8 * 1024


@inlined
def _three(x, row, column, apart, W, inside):
    """Vectors at a row's columns `column`, `+ apart`, `+ 2 apart`, zero where these are not among its W."""
    a, b, c = column, column + apart, column + 2 * apart
    if inside:
        return load(x, row + a), load(x, row + b), load(x, row + c)
    return (
        load_between(x, row + a, -a, W - a),
        load_between(x, row + b, -b, W - b),
        load_between(x, row + c, -c, W - c),
    )


@inlined
def _filter_down(x, x0, size, w, w0, bias, y, y0, pitch, rows, q, pad, apart, inside):
    """A vector of columns, from q, of the given rows of y."""
    (H, W), (first, last), (d, e), b = size, rows, apart, fill(x, bias)
    k0, k1, k2 = fill(x, w[w0]), fill(x, w[w0 + 1]), fill(x, w[w0 + 2])
    k3, k4, k5 = fill(x, w[w0 + 3]), fill(x, w[w0 + 4]), fill(x, w[w0 + 5])
    k6, k7, k8 = fill(x, w[w0 + 6]), fill(x, w[w0 + 7]), fill(x, w[w0 + 8])
    for start in range(first, min(first + d, last)):
        s, t = b, b
        for i in range(start - 2 * d, last, d):
            h, out, s, t = i + 2 * d - pad[0], s, t, b
            if 0 <= h < H:
                u0, u1, u2 = _three(x, x0 + h * W, q - pad[1], e, W, inside)
                out = out + k6 * u0 + k7 * u1 + k8 * u2
                s = s + k3 * u0 + k4 * u1 + k5 * u2
                t = t + k0 * u0 + k1 * u1 + k2 * u2
            if i >= start:
                store(y, y0 + i * pitch + q, out)


@inlined
def add_three(sums, at, a, b, c):
    """sums[at:] += three vectors."""
    lanes = lanes_of(sums)
    store(sums, at, load(sums, at) + a)
    store(sums, at + lanes, load(sums, at + lanes) + b)
    store(sums, at + 2 * lanes, load(sums, at + 2 * lanes) + c)


@inlined
def _products_down(x, x0, size, y, y0, pitch, rows, q, fresh, pad, apart, inside, sums):
    """sums[k, l] += y x over a vector of columns, from q, of the given rows of y; columns before `fresh` are left out."""
    (H, W), (first, last), (d, e), lanes, zero = size, rows, apart, lanes_of(x), fill(x, 0)
    s0, s1, s2, s3, s4, s5, s6, s7, s8 = zero, zero, zero, zero, zero, zero, zero, zero, zero
    for start in range(first, min(first + d, last)):
        g1, g2 = zero, zero
        for i in range(start - 2 * d, last, d):
            h, g0, g1, g2 = i + 2 * d - pad[0], g1, g2, zero
            if i + 2 * d < last:
                at = y0 + (i + 2 * d) * pitch + q
                g2 = load(y, at) if inside else load_between(y, at, fresh - q, pitch - q)
            if 0 <= h < H:
                u0, u1, u2 = _three(x, x0 + h * W, q - pad[1], e, W, inside)
                s0, s1, s2 = s0 + g2 * u0, s1 + g2 * u1, s2 + g2 * u2
                s3, s4, s5 = s3 + g1 * u0, s4 + g1 * u1, s5 + g1 * u2
                s6, s7, s8 = s6 + g0 * u0, s7 + g0 * u1, s8 + g0 * u2
    add_three(sums, 0, s0, s1, s2)
    add_three(sums, 3 * lanes, s3, s4, s5)
    add_three(sums, 6 * lanes, s6, s7, s8)


@inlined
def _inside(q, lanes, W, pad, apart):
    return q >= pad and q + lanes - pad + 2 * apart <= W


@njit(parallel=True, cache=True, _nrt=False)
def _correlate(x, size, w, bias, y, out_size, planes, pad, apart, R, T):
    (h, v), (H, W), C = size, out_size, bias.size
    for thread in prange(T):
        lanes = lanes_of(x)
        for p in range(thread * planes // T, (thread + 1) * planes // T):
            c = p % C
            for first in range(0, H, R):
                last = min(first + R, H)
                for run in range(0, W, lanes):
                    ask(x, (p * h + last) * v + run * (last - first), (last - first) * lanes)
                    ask(y, (p * H + last) * W + run * (last - first), (last - first) * lanes)
                    q = min(run, W - lanes)  # the last vector overlaps the one before it
                    args = x, p * h * v, size, w, 9 * c, bias[c], y, p * H * W, W, (first, last), q, pad, apart
                    if _inside(q, lanes, v, pad[1], apart[1]):
                        _filter_down(*args, True)
                    else:
                        _filter_down(*args, False)


@kernel
def _weight(x, size, y, out_size, N, pad, apart, R, w, T):
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
                        ask(x, (p * h + last) * v + run * (last - first), (last - first) * lanes)
                        ask(y, (p * H + last) * W + run * (last - first), (last - first) * lanes)
                        q = max(min(run, W - lanes), 0)
                        args = x, p * h * v, size, y, p * H * W, W, (first, last), q, run, pad, apart
                        if q == run and q + lanes <= W and _inside(q, lanes, v, pad[1], apart[1]):
                            _products_down(*args, True, sums)
                        else:
                            _products_down(*args, False, sums)
            for k in range(9):
                w[c, k] = total(load(sums, k * lanes), w.dtype.type(0))


def serves(geometry, result):
    """Whether this file computes a result, whose rows must fill a vector."""
    return geometry.kernel == (3, 3) and geometry.stride == (1, 1) and result.shape[3] >= width(result.dtype) // 2


def _run(x, w, bias, pad, apart, y):
    bias = np.zeros(x.shape[1], x.dtype) if bias is None else np.ascontiguousarray(bias)
    flat = x.reshape(-1), x.shape[2:], w.reshape(-1), bias, y.reshape(-1), y.shape[2:]
    _correlate(*flat, len(x) * len(bias), pad, apart, _strip(y, apart), get_num_threads())
    return y


def _strip(y, apart):
    return max(STRIP_BYTES // (y.shape[3] * y.itemsize), 8 * apart[0])


def conv2d(x, w, bias, geometry, y):
    """y[n,c,i,j] = b[c] + sum_kl w[c,k,l] x[n, c, i + k d - p, j + l d - p], written into y."""
    return _run(x, w, bias, geometry.padding, geometry.dilation, y)


def conv_transpose2d(y, w, bias, geometry, x):
    """x[n,c,h,v] = b[c] + sum_kl w[c,k,l] y[n, c, h + p - k d, v + p - l d], written into x."""
    pad = tuple(2 * d - p for d, p in zip(geometry.dilation, geometry.padding))
    return _run(y, np.ascontiguousarray(w[..., ::-1, ::-1]), bias, pad, geometry.dilation, x)


def conv2d_weight(x, y, geometry):
    """w[c,k,l] = sum_nij y[n,c,i,j] x[n, c, i + k d - p, j + l d - p]."""
    w, apart = np.empty((x.shape[1], 9), x.dtype), geometry.dilation
    flat = x.reshape(-1), x.shape[2:], y.reshape(-1), y.shape[2:]
    _weight(*flat, len(x), geometry.padding, apart, _strip(y, apart), w, get_num_threads())
    return w.reshape(-1, 1, 3, 3)
