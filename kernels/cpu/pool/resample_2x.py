"""Planes of half and of twice the size, in vectors: one pair of kernels for average pooling and for resizing by two.

Doubling makes numbers 2u and 2u + 1 of number u, along both axes; halving is its adjoint:

    PAIRS    t[u]                        t[u]                         nearest neighbour; its adjoint is 2x2 pooling
    OVERLAP  t[u]                        t[u] + t[u + 1]              the adjoint of 3x3 pooling, stride 2, padding 1
    SMOOTH   3/4 t[u] + 1/4 t[u - 1]     3/4 t[u] + 1/4 t[u + 1]      bilinear

Rows are mixed first, into a line that stays in the first-level cache, then the line's columns. Beyond the ends lies 0 for
OVERLAP and the last number again for SMOOTH: the line has one more number at each end, so its loop knows no borders.
There are two lines: a load that spans numbers stored just before, one by one, has to wait for those stores.
"""

import numpy as np
from numba import prange

from ..runtime.jit import inner, kernel, njit
from ..runtime.threads import threads_for
from ..simd.interleave import load_deinterleaved, restore_order, store_interleaved
from ..simd.vector import VECTOR_BYTES, broadcast, lanes_of, load, store

PAIRS, OVERLAP, SMOOTH = 0, 1, 2
# Inlined, so that `smooth` is a constant in the loops.
inlined = njit(cache=True, error_model="numpy", forceinline=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)


@inlined
def _pad(lines, line, n, smooth):
    """Line number `line` holds 1 + n + 1 numbers."""
    first = line * (n + 2)
    lines[first] = lines[first + 1] if smooth else 0
    lines[first + n + 1] = lines[first + n] if smooth else 0


@inlined
def _add_rows(x, r, i, Ho, W, lines, smooth):
    """Line r % 2 = the rows of x that row r of the result, row i of its plane, is made of."""
    lanes, near, far = lanes_of(x), broadcast(x, 0.75), broadcast(x, 0.25)
    row, line = 2 * r * W, r % 2 * (W + 2) + 1
    above, below = row - W if i > 0 else row, row + 2 * W if i < Ho - 1 else row + W
    for k in range(0, W, lanes):
        j = min(k, W - lanes)  # the last vector overlaps the one before it
        value = load(x, row + j) + load(x, row + W + j)
        if smooth:
            value = near * value + far * (load(x, above + j) + load(x, below + j))
        elif above < row:
            value = value + load(x, above + j)
        store(lines, line + j, value)
    _pad(lines, r % 2, W, smooth)


@inlined
def _add_columns(lines, r, y, scale, size, smooth):
    Ho, Wo = size
    i = r % Ho
    """Row r of y = scale * the numbers of line r % 2 that each is made of."""
    lanes, near, far = lanes_of(y), broadcast(y, 0.75), broadcast(y, 0.25)
    line = r % 2 * (2 * Wo + 2)
    for k in range(0, Wo, lanes):
        j = min(k, Wo - lanes)
        even, odd = load_deinterleaved(lines, line + 1 + 2 * j)
        before, after = load_deinterleaved(lines, line + 2 * j)[0], load_deinterleaved(lines, line + 2 * j + 2)[1]
        value = near * (even + odd) + far * (before + after) if smooth else before + even + odd
        store(y, r * Wo + j, load(scale, i * Wo + j) * restore_order(value))


@inlined
def _halve_rows(begin, end, x, y, scale, size, smooth, lines):
    Ho, Wo = size
    for r in range(begin, end + 1):
        if r < end:
            _add_rows(x, r, r % Ho, Ho, 2 * Wo, lines, smooth)
        if r > begin:
            _add_columns(lines, r - 1, y, scale, size, smooth)


@inlined
def _mix_rows(y, r, scale, size, lines, smooth):
    Ho, Wo = size
    i = r % Ho
    """The lines = row r of y with its neighbours, for the upper and the lower one of the two rows that it becomes."""
    lanes, near, far = lanes_of(y), broadcast(y, 0.75), broadcast(y, 0.25)
    up, down = Wo if i > 0 else 0, Wo if i < Ho - 1 else 0
    for k in range(0, Wo, lanes):
        k = min(k, Wo - lanes)
        a, s = r * Wo + k, i * Wo + k
        value = load(y, a) * load(scale, s)
        upper = lower = value
        if smooth:
            upper = near * value + far * (load(y, a - up) * load(scale, s - up))
            lower = near * value + far * (load(y, a + down) * load(scale, s + down))
        elif down:
            lower = value + load(y, a + down) * load(scale, s + down)
        store(lines, 1 + k, upper)
        store(lines, Wo + 3 + k, lower)
    _pad(lines, 0, Wo, smooth)
    _pad(lines, 1, Wo, smooth)


@inlined
def _double_rows(begin, end, y, x, scale, size, smooth, lines):
    Wo = size[1]
    lanes, near, far = lanes_of(x), broadcast(x, 0.75), broadcast(x, 0.25)
    for r in range(begin, end):
        _mix_rows(y, r, scale, size, lines, smooth)
        for row in range(2):
            line, to = row * (Wo + 2), (2 * r + row) * 2 * Wo
            for k in range(0, Wo, lanes):
                j = min(k, Wo - lanes)
                even = odd = load(lines, line + 1 + j)
                after = load(lines, line + 2 + j)
                if smooth:
                    even, odd = near * even + far * load(lines, line + j), near * odd + far * after
                else:
                    odd = odd + after
                store_interleaved(x, to + 2 * j, even, odd)


@inlined
def _add_pairs(begin, end, x, y, scale, size):
    Ho, Wo = size
    lanes = lanes_of(x)
    for r in range(begin, end):
        upper, lower, i = 4 * r * Wo, (4 * r + 2) * Wo, r % Ho
        for k in range(0, Wo, lanes):
            j = min(k, Wo - lanes)
            (a, b), (c, d) = load_deinterleaved(x, upper + 2 * j), load_deinterleaved(x, lower + 2 * j)
            store(y, r * Wo + j, load(scale, i * Wo + j) * restore_order(a + b + (c + d)))


@inlined
def _copy_pairs(begin, end, y, x, scale, size):
    Ho, Wo = size
    lanes = lanes_of(x)
    for r in range(begin, end):
        upper, lower, i = 4 * r * Wo, (4 * r + 2) * Wo, r % Ho
        for k in range(0, Wo, lanes):
            j = min(k, Wo - lanes)
            value = load(y, r * Wo + j) * load(scale, i * Wo + j)
            store_interleaved(x, upper + 2 * j, value, value)
            store_interleaved(x, lower + 2 * j, value, value)


@inner
def _halve_part(begin, end, x, y, scale, size, kind, lines):
    if kind == PAIRS:
        _add_pairs(begin, end, x, y, scale, size)
    elif kind == OVERLAP:
        _halve_rows(begin, end, x, y, scale, size, False, lines)
    else:
        _halve_rows(begin, end, x, y, scale, size, True, lines)


@inner
def _double_part(begin, end, y, x, scale, size, kind, lines):
    if kind == PAIRS:
        _copy_pairs(begin, end, y, x, scale, size)
    elif kind == OVERLAP:
        _double_rows(begin, end, y, x, scale, size, False, lines)
    else:
        _double_rows(begin, end, y, x, scale, size, True, lines)


@kernel
def _halve(T, x, y, scale, size, kind):
    Wo = size[1]
    R = y.size // Wo
    for t in prange(T):
        lines = np.empty(2 * (2 * Wo + 2), x.dtype)
        _halve_part(t * R // T, (t + 1) * R // T, x, y, scale, size, kind, lines)


@kernel
def _double(T, y, x, scale, size, kind):
    Wo = size[1]
    R = y.size // Wo
    for t in prange(T):
        lines = np.empty(2 * (Wo + 2), x.dtype)
        _double_part(t * R // T, (t + 1) * R // T, y, x, scale, size, kind, lines)


def twice(large, small):
    """Whether a plane of size `large` has twice the rows and columns of `small`, an array whose rows fill a vector."""
    Ho, Wo = small.shape[-2:]
    fills = small.dtype in (np.float32, np.float64) and Wo * small.itemsize >= VECTOR_BYTES
    return fills and tuple(large) == (2 * Ho, 2 * Wo)


def halve(x, y, scale, kind):
    """y[n,c,i,j] = scale[i,j] times the sum of x around (2i, 2j)."""
    _halve(threads_for(x.size), x.reshape(-1), y.reshape(-1), scale.reshape(-1), scale.shape, kind)


def double(y, x, scale, kind):
    """x = the adjoint of `halve` applied to y."""
    _double(threads_for(x.size), y.reshape(-1), x.reshape(-1), scale.reshape(-1), scale.shape, kind)
