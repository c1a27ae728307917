"""Softmax and cross-entropy along axis 1 of (N, C, L) in Numba.

Pixels are processed in tiles of TILE neighbours, classes in the outer loop and pixels in the inner one, so the inner loops are
contiguous and a tile of 21 classes stays in the first-level cache while it is read for the maximum, the sum and the result.
Sums over classes are blocked: BLOCK classes in the array's dtype, the blocks in float64.
"""

from typing import NamedTuple

import numpy as np
from numba import prange

from ..runtime.jit import inner, kernel
from ..runtime.threads import threads_for
from ..simd.exp_log import exp_below_zero, log_above_one
from ..simd.vector import copy_run

TILE, BLOCK = 1024, 128


class Labels(NamedTuple):
    """Labels (N, L), the weight of every class, and the label that does not count."""

    target: np.ndarray
    weight: np.ndarray
    ignore_index: int


class Scratch(NamedTuple):
    """Per pixel of a tile: the maximum or the result, the sum of a block of classes, and the sum of the blocks before."""

    m: np.ndarray
    s: np.ndarray
    blocks: np.ndarray


@inner
def _maximum(x, a, m):
    """m = largest class of every pixel of the tile x[:, a : a + m.size]; a NaN is found by the sum that follows."""
    copy_run(x[0], a, m, 0, m.size)
    for c in range(1, x.shape[0]):
        row = x[c, a : a + m.size]
        for j in range(m.size):
            m[j] = row[j] if row[j] > m[j] else m[j]


@inner
def _start_block(c, s, blocks):
    """At the first class of a block of classes: adds the last block's sums s to `blocks` and sets s to zero."""
    if c == 0:
        blocks[:] = 0
        s[:] = 0
    elif c % BLOCK == 0:
        for j in range(s.size):
            blocks[j] += s[j]
        s[:] = 0


@inner
def _end_blocks(C, s, blocks):
    """s = the sum over all classes."""
    if C > BLOCK:
        for j in range(s.size):
            s[j] = s.dtype.type(blocks[j] + s[j])


@inner
def _log_sum(x, a, scratch):
    """m = max_c x and s = log sum_c exp(x - m) of every pixel of the tile; apart, since in m + s a large m rounds s off."""
    m, s, blocks = scratch
    _maximum(x, a, m)
    for c in range(x.shape[0]):
        _start_block(c, s, blocks)
        row = x[c, a : a + m.size]
        for j in range(m.size):
            s[j] += exp_below_zero(row[j] - m[j])
    _end_blocks(x.shape[0], s, blocks)
    for j in range(m.size):
        s[j] = log_above_one(s[j])


@inner
def _exponentials(x, a, y, scratch):
    """y = exp(x - max), s = sum_c y, for every pixel of the tile."""
    m, s, blocks = scratch
    _maximum(x, a, m)
    for c in range(x.shape[0]):
        _start_block(c, s, blocks)
        row, out = x[c, a : a + m.size], y[c, a : a + m.size]
        for j in range(m.size):
            e = exp_below_zero(row[j] - m[j])
            out[j] = e
            s[j] += e
    _end_blocks(x.shape[0], s, blocks)


@inner
def _scale(y, a, s):
    """Multiplies every class by s; 0 where s is 0, whatever y holds."""
    zero = s.dtype.type(0)
    for c in range(y.shape[0]):
        row = y[c, a : a + s.size]
        for j in range(s.size):
            row[j] = zero if s[j] == zero else row[j] * s[j]


@inner
def _softmax_tile(x, a, y, log, scratch):
    m, s, _ = scratch
    if log:
        _log_sum(x, a, scratch)
        for c in range(x.shape[0]):
            row, out = x[c, a : a + m.size], y[c, a : a + m.size]
            for j in range(m.size):
                out[j] = (row[j] - m[j]) - s[j]
    else:
        _exponentials(x, a, y, scratch)
        one = x.dtype.type(1)
        for j in range(s.size):
            s[j] = one / s[j]
        _scale(y, a, s)


@inner
def _softmax_backward_tile(g, y, a, dx, log, scratch):
    _, s, blocks = scratch
    for c in range(g.shape[0]):
        _start_block(c, s, blocks)
        up, out = g[c, a : a + s.size], y[c, a : a + s.size]
        for j in range(s.size):
            s[j] += up[j] if log else up[j] * out[j]
    _end_blocks(g.shape[0], s, blocks)
    for c in range(g.shape[0]):
        up, out, down = g[c, a : a + s.size], y[c, a : a + s.size], dx[c, a : a + s.size]
        if log:
            for j in range(s.size):
                down[j] = up[j] - exp_below_zero(out[j]) * s[j]
        else:
            for j in range(s.size):
                down[j] = out[j] * (up[j] - s[j])


@inner
def _loss_tile(x, n, a, labels, loss, scratch):
    """Returns whether a label is out of range; such a pixel counts as ignored until the caller raises."""
    _log_sum(x, a, scratch)
    m, s, _ = scratch
    bad, zero = False, x.dtype.type(0)
    target, weight, ignore_index = labels
    for j in range(m.size):
        t = target[n, a + j]
        inside = 0 <= t < x.shape[0]
        bad |= t != ignore_index and not inside
        w = weight[t] if inside and t != ignore_index else zero
        loss[j] = w * ((m[j] - x[t, a + j]) + s[j]) if w != zero else zero
    return bad


@inner
def _loss_backward_tile(g, x, n, a, labels, dx, scratch):
    _exponentials(x, a, dx, scratch)
    m, s, _ = scratch
    bad, zero = False, x.dtype.type(0)
    target, weight, ignore_index = labels
    for j in range(m.size):
        t = target[n, a + j]
        inside = 0 <= t < x.shape[0]
        bad |= t != ignore_index and not inside
        m[j] = g[j] * weight[t] if inside and t != ignore_index else zero
        s[j] = m[j] / s[j] if m[j] != zero else zero
    _scale(dx, a, s)
    for j in range(m.size):
        if m[j] != zero:
            dx[target[n, a + j], a + j] -= m[j]
    return bad


@kernel
def _softmax(T, x, y, log):
    N, _, L = x.shape
    S = (L + TILE - 1) // TILE
    for t in prange(T):
        rows, blocks = np.empty((2, TILE), x.dtype), np.empty(TILE)
        for k in range(t * N * S // T, (t + 1) * N * S // T):
            n, a = k // S, k % S * TILE
            size = min(TILE, L - a)
            _softmax_tile(x[n], a, y[n], log, Scratch(rows[0, :size], rows[1, :size], blocks[:size]))


@kernel
def _softmax_backward(T, g, y, dx, log):
    N, _, L = g.shape
    S = (L + TILE - 1) // TILE
    for t in prange(T):
        rows, blocks = np.empty((2, TILE), g.dtype), np.empty(TILE)
        for k in range(t * N * S // T, (t + 1) * N * S // T):
            n, a = k // S, k % S * TILE
            size = min(TILE, L - a)
            scratch = Scratch(rows[0, :size], rows[1, :size], blocks[:size])
            _softmax_backward_tile(g[n], y[n], a, dx[n], log, scratch)


@kernel
def _cross_entropy(T, g, x, labels: Labels, out, bad, backward):
    """out is the loss as (N, 1, L), or dx as (N, C, L) if backward; bad gets a flag per thread."""
    N, _, L = x.shape
    S = (L + TILE - 1) // TILE
    for t in prange(T):
        rows, blocks = np.empty((2, TILE), x.dtype), np.empty(TILE)
        for k in range(t * N * S // T, (t + 1) * N * S // T):
            n, a = k // S, k % S * TILE
            b = min(a + TILE, L)
            scratch = Scratch(rows[0, : b - a], rows[1, : b - a], blocks[: b - a])
            if backward:
                bad[t] |= _loss_backward_tile(g[n, a:b], x[n], n, a, labels, out[n], scratch)
            else:
                bad[t] |= _loss_tile(x[n], n, a, labels, out[n, 0, a:b], scratch)


def _wide(x):
    """(N, C, L) with a short L as (1, C, N L), so that tiles are full; otherwise as it is."""
    N, C, L = x.shape
    if L < TILE // 8 and N > 1:
        x = x.transpose(1, 0, 2).reshape(1, C, N * L)
    return np.ascontiguousarray(x)


def _narrow(y, shape):
    """Undoes `_wide`."""
    N, C, L = shape
    if y.shape != shape:
        y = np.ascontiguousarray(y.reshape(C, N, L).transpose(1, 0, 2))
    return y


def _run_softmax(x, log):
    wide = _wide(x)
    y = np.empty_like(wide)
    if x.size:
        _softmax(threads_for(x.size), wide, y, log)
    return _narrow(y, x.shape)


def _run_softmax_backward(g, y, log):
    wide = _wide(g)
    dx = np.empty_like(wide)
    if g.size:
        _softmax_backward(threads_for(g.size), wide, _wide(y), dx, log)
    return _narrow(dx, g.shape)


def softmax(x):
    """y = exp(x) / sum_c exp(x)."""
    return _run_softmax(x, False)


def log_softmax(x):
    """y = x - log sum_c exp(x)."""
    return _run_softmax(x, True)


def softmax_backward(g, y):
    """dx = y (g - sum_c g y)."""
    return _run_softmax_backward(g, y, False)


def log_softmax_backward(g, y):
    """dx = g - exp(y) sum_c g."""
    return _run_softmax_backward(g, y, True)


def _run_cross_entropy(g, x, target, weight, ignore_index, backward):
    N, C, L = x.shape
    wide = _wide(x)
    flat = (wide.shape[0], wide.shape[2])
    target = np.ascontiguousarray(target, np.int64).reshape(flat)
    g = np.ascontiguousarray(g, x.dtype).reshape(flat)
    weight = np.ones(C, x.dtype) if weight is None else np.ascontiguousarray(weight, x.dtype)
    out = (np.empty if C else np.zeros)((flat[0], C if backward else 1, flat[1]), x.dtype)
    T = threads_for(x.size)
    bad = np.zeros(T, np.bool_)
    if C:
        _cross_entropy(T, g, wide, Labels(target, weight, ignore_index), out, bad, backward)
    if bad.any() or (C == 0 and (target != ignore_index).any()):
        wrong = target[(target != ignore_index) & ((target < 0) | (target >= C))][0]
        raise IndexError(f"cross_entropy: target has label {wrong}; x has {C} classes (ignore_index {ignore_index})")
    return _narrow(out, x.shape) if backward else out.reshape(N, L)


def cross_entropy(x, target, weight, ignore_index):
    """loss[n,l] = weight[t] (log sum_c exp(x[n,c,l]) - x[n,t,l]); the softmax is not formed."""
    return _run_cross_entropy(np.empty(target.shape, x.dtype), x, target, weight, ignore_index, False)


def cross_entropy_backward(g, x, target, weight, ignore_index):
    """dx = g weight[t] (softmax(x) - [c = t]); exponentials are written once and scaled where they lie."""
    return _run_cross_entropy(g, x, target, weight, ignore_index, True)
