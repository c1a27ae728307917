"""Softmax and its logarithm along axis 1 of (N, C, L) in Numba."""

import numpy as np
from numba import prange

from ..runtime.jit import inner, kernel
from ..runtime.threads import threads_for
from ..simd.exp_log import exp_below_zero, expm1_near_zero
from ..simd.vector import copy_run
from .classes import TILE, Scratch, end_blocks, exponentials, log_sum, narrow, scale, start_block, wide

NEAR_ONE = np.float32(-0.34)  # a logarithm of p from here on counts as that of a p near 1; above -ln 2 / 2


@inner
def _softmax_tile(x, a, y, log, scratch):
    m, s, _, _ = scratch
    if log:
        log_sum(x, a, scratch)
        for c in range(x.shape[0]):
            row, out = x[c, a : a + m.size], y[c, a : a + m.size]
            for j in range(m.size):
                out[j] = (row[j] - m[j]) - s[j]
    else:
        exponentials(x, a, y, scratch)
        one = x.dtype.type(1)
        for j in range(s.size):
            s[j] = one / (one + s[j])
        scale(y, a, s)


@inner
def _softmax_backward_tile(g, y, a, dx, scratch):
    """y (g - sum_c g y), with g relative to that of the largest class, so that 1 - y is not formed."""
    m, s, top, blocks = scratch
    copy_run(y[0], a, m, 0, m.size)
    copy_run(g[0], a, top, 0, m.size)
    for c in range(1, g.shape[0]):
        up, out = g[c, a : a + s.size], y[c, a : a + s.size]
        for j in range(s.size):
            top[j] = up[j] if out[j] > m[j] else top[j]
            m[j] = out[j] if out[j] > m[j] else m[j]
    for c in range(g.shape[0]):
        start_block(c, s, blocks)
        up, out = g[c, a : a + s.size], y[c, a : a + s.size]
        for j in range(s.size):
            s[j] += (up[j] - top[j]) * out[j]
    end_blocks(g.shape[0], s, blocks)
    for c in range(g.shape[0]):
        up, out, down = g[c, a : a + s.size], y[c, a : a + s.size], dx[c, a : a + s.size]
        for j in range(s.size):
            down[j] = out[j] * ((up[j] - top[j]) - s[j])


@inner
def _log_softmax_backward_tile(g, y, a, dx, scratch):
    """g - exp(y) sum_c g; where p = exp(y) is near 1, as for one class at most: g (1 - p) - p times the sum of the others."""
    _, s, top, blocks = scratch
    zero = g.dtype.type(0)
    top[:] = zero
    for c in range(g.shape[0]):
        start_block(c, s, blocks)
        up, out = g[c, a : a + s.size], y[c, a : a + s.size]
        for j in range(s.size):
            s[j] += zero if out[j] > NEAR_ONE else up[j]
            top[j] = up[j] if out[j] > NEAR_ONE else top[j]
    end_blocks(g.shape[0], s, blocks)
    for c in range(g.shape[0]):
        up, out, down = g[c, a : a + s.size], y[c, a : a + s.size], dx[c, a : a + s.size]
        for j in range(s.size):
            p = exp_below_zero(out[j])
            near = -up[j] * expm1_near_zero(out[j]) - p * s[j]
            down[j] = near if out[j] > NEAR_ONE else up[j] - p * (s[j] + top[j])


@kernel
def _softmax(T, x, y, log):
    N, _, L = x.shape
    S = (L + TILE - 1) // TILE
    for t in prange(T):
        rows, blocks = np.empty((3, TILE), x.dtype), np.empty(TILE)
        for k in range(t * N * S // T, (t + 1) * N * S // T):
            n, a = k // S, k % S * TILE
            size = min(TILE, L - a)
            _softmax_tile(x[n], a, y[n], log, Scratch(rows[0, :size], rows[1, :size], rows[2, :size], blocks[:size]))


@kernel
def _softmax_backward(T, g, y, dx, log):
    N, _, L = g.shape
    S = (L + TILE - 1) // TILE
    for t in prange(T):
        rows, blocks = np.empty((3, TILE), g.dtype), np.empty(TILE)
        for k in range(t * N * S // T, (t + 1) * N * S // T):
            n, a = k // S, k % S * TILE
            size = min(TILE, L - a)
            scratch = Scratch(rows[0, :size], rows[1, :size], rows[2, :size], blocks[:size])
            if log:
                _log_softmax_backward_tile(g[n], y[n], a, dx[n], scratch)
            else:
                _softmax_backward_tile(g[n], y[n], a, dx[n], scratch)


def _run_softmax(x, log):
    rows = wide(x)
    y = np.empty_like(rows)
    if x.size:
        _softmax(threads_for(x.size), rows, y, log)
    return narrow(y, x.shape)


def _run_softmax_backward(g, y, log):
    rows = wide(g)
    dx = np.empty_like(rows)
    if g.size:
        _softmax_backward(threads_for(g.size), rows, wide(y), dx, log)
    return narrow(dx, g.shape)


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
