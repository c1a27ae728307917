"""Softmax and cross-entropy along axis 1 of (N, C, L) in Numba.

Pixels are taken in tiles of TILE neighbours: classes outside, pixels inside, so the inner loops are contiguous and a
tile of 21 classes (21 KB) stays in the first-level cache while it is read for the maximum, the sum and the result.
"""

import numpy as np
from numba import prange

from ..runtime.jit import inner, kernel
from ..runtime.threads import threads_for
from ..simd.exp_log import exp_below_zero, log_above_one
from ..simd.vector import copy_run

TILE = 1024


@inner
def _maximum(x, a, m):
    """m = largest class of every pixel of the tile x[:, a : a + m.size]; a NaN is left to the sum that follows."""
    copy_run(x[0], a, m, 0, m.size)
    for c in range(1, x.shape[0]):
        row = x[c, a : a + m.size]
        for j in range(m.size):
            m[j] = row[j] if row[j] > m[j] else m[j]


@inner
def _log_sum(x, a, m, s):
    """m = max_c x and s = log sum_c exp(x - m) of every pixel of the tile; apart, since in m + s a large m rounds s off."""
    _maximum(x, a, m)
    s[:] = 0
    for c in range(x.shape[0]):
        row = x[c, a : a + m.size]
        for j in range(m.size):
            s[j] += exp_below_zero(row[j] - m[j])
    for j in range(m.size):
        s[j] = log_above_one(s[j])


@inner
def _exponentials(x, a, y, m, s):
    """y = exp(x - max), s = sum_c y, for every pixel of the tile."""
    _maximum(x, a, m)
    s[:] = 0
    for c in range(x.shape[0]):
        row, out = x[c, a : a + m.size], y[c, a : a + m.size]
        for j in range(m.size):
            e = exp_below_zero(row[j] - m[j])
            out[j] = e
            s[j] += e


@inner
def _scale(y, a, s):
    for c in range(y.shape[0]):
        row = y[c, a : a + s.size]
        for j in range(s.size):
            row[j] *= s[j]


@inner
def _softmax_tile(x, a, y, log, m, s):
    if log:
        _log_sum(x, a, m, s)
        for c in range(x.shape[0]):
            row, out = x[c, a : a + m.size], y[c, a : a + m.size]
            for j in range(m.size):
                out[j] = (row[j] - m[j]) - s[j]
    else:
        _exponentials(x, a, y, m, s)
        one = x.dtype.type(1)
        for j in range(s.size):
            s[j] = one / s[j]
        _scale(y, a, s)


@inner
def _softmax_backward_tile(g, y, a, dx, log, s):
    s[:] = 0
    for c in range(g.shape[0]):
        up, out = g[c, a : a + s.size], y[c, a : a + s.size]
        for j in range(s.size):
            s[j] += up[j] if log else up[j] * out[j]
    for c in range(g.shape[0]):
        up, out, down = g[c, a : a + s.size], y[c, a : a + s.size], dx[c, a : a + s.size]
        if log:
            for j in range(s.size):
                down[j] = up[j] - exp_below_zero(out[j]) * s[j]
        else:
            for j in range(s.size):
                down[j] = out[j] * (up[j] - s[j])


@inner
def _loss_tile(x, a, target, weight, ignore_index, loss, m, s):
    """Returns whether a label is out of range; such a pixel counts as ignored until the caller raises."""
    _log_sum(x, a, m, s)
    bad, zero = False, x.dtype.type(0)
    for j in range(target.size):
        t = target[j]
        inside = 0 <= t < x.shape[0]
        bad |= t != ignore_index and not inside
        w = weight[t] if inside and t != ignore_index else zero
        loss[j] = w * ((m[j] - x[t, a + j]) + s[j]) if w != zero else zero
    return bad


@inner
def _loss_backward_tile(g, x, a, target, weight, ignore_index, dx, m, s):
    _exponentials(x, a, dx, m, s)
    bad, zero = False, x.dtype.type(0)
    for j in range(target.size):
        t = target[j]
        inside = 0 <= t < x.shape[0]
        bad |= t != ignore_index and not inside
        m[j] = g[j] * weight[t] if inside and t != ignore_index else zero
        s[j] = m[j] / s[j]
    _scale(dx, a, s)
    for j in range(target.size):
        if m[j] != zero:
            dx[target[j], a + j] -= m[j]
        elif s[j] != zero:  # 0 / NaN: a pixel that does not count, with logits that are not finite
            for c in range(x.shape[0]):
                dx[c, a + j] = zero
    return bad


@kernel
def _softmax(T, x, y, log):
    N, _, L = x.shape
    S = (L + TILE - 1) // TILE
    for t in prange(T):
        scratch = np.empty((2, TILE), x.dtype)
        for k in range(t * N * S // T, (t + 1) * N * S // T):
            n, a = k // S, k % S * TILE
            size = min(TILE, L - a)
            _softmax_tile(x[n], a, y[n], log, scratch[0, :size], scratch[1, :size])


@kernel
def _softmax_backward(T, g, y, dx, log):
    N, _, L = g.shape
    S = (L + TILE - 1) // TILE
    for t in prange(T):
        scratch = np.empty(TILE, g.dtype)
        for k in range(t * N * S // T, (t + 1) * N * S // T):
            n, a = k // S, k % S * TILE
            _softmax_backward_tile(g[n], y[n], a, dx[n], log, scratch[: min(TILE, L - a)])


@kernel
def _cross_entropy(T, g, x, target, weight, ignore_index, out, bad, backward):
    """out is the loss as (N, 1, L), or dx as (N, C, L) if backward; bad gets a flag per thread."""
    N, _, L = x.shape
    S = (L + TILE - 1) // TILE
    for t in prange(T):
        scratch = np.empty((2, TILE), x.dtype)
        for k in range(t * N * S // T, (t + 1) * N * S // T):
            n, a = k // S, k % S * TILE
            b = min(a + TILE, L)
            m, s, label = scratch[0, : b - a], scratch[1, : b - a], target[n, a:b]
            if backward:
                bad[t] |= _loss_backward_tile(g[n, a:b], x[n], a, label, weight, ignore_index, out[n], m, s)
            else:
                bad[t] |= _loss_tile(x[n], a, label, weight, ignore_index, out[n, 0, a:b], m, s)


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
    _softmax(threads_for(x.size), wide, y, log)
    return _narrow(y, x.shape)


def _run_softmax_backward(g, y, log):
    wide = _wide(g)
    dx = np.empty_like(wide)
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
    labels = np.ascontiguousarray(target, np.int64).reshape(flat)
    g = np.ascontiguousarray(g, x.dtype).reshape(flat)
    weight = np.ones(C, x.dtype) if weight is None else np.ascontiguousarray(weight, x.dtype)
    out = np.empty((flat[0], C if backward else 1, flat[1]), x.dtype)
    T = threads_for(x.size)
    bad = np.zeros(T, np.bool_)
    _cross_entropy(T, g, wide, labels, weight, ignore_index, out, bad, backward)
    if bad.any():
        wrong = labels[(labels != ignore_index) & ((labels < 0) | (labels >= C))][0]
        raise IndexError(f"cross_entropy: target has label {wrong}; x has {C} classes (ignore_index {ignore_index})")
    return _narrow(out, x.shape) if backward else out.reshape(N, L)


def cross_entropy(x, target, weight, ignore_index):
    """loss[n,l] = weight[t] (log sum_c exp(x[n,c,l]) - x[n,t,l]); the softmax is not formed."""
    return _run_cross_entropy(np.empty(target.shape, x.dtype), x, target, weight, ignore_index, False)


def cross_entropy_backward(g, x, target, weight, ignore_index):
    """dx = g weight[t] (softmax(x) - [c = t]); exponentials are written once and scaled where they lie."""
    return _run_cross_entropy(g, x, target, weight, ignore_index, True)
