"""Cross-entropy along axis 1 of (N, C, L) in Numba: softmax, logarithm, choice of the label and weight in one pass."""

from typing import NamedTuple

import numpy as np
from numba import prange

from ..runtime.jit import inner, kernel
from ..runtime.threads import threads_for
from .classes import TILE, Scratch, exponentials, log_sum, narrow, scale, wide


class Labels(NamedTuple):
    """Labels (N, L), the weight of every class, and the label that does not count."""

    target: np.ndarray
    weight: np.ndarray
    ignore_index: int


@inner
def _loss_tile(x, n, a, labels, loss, scratch):
    """Returns whether a label is out of range; such a pixel counts as ignored until the caller raises."""
    log_sum(x, a, scratch)
    m, s, _, _ = scratch
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
    """At the label, softmax - 1 is minus the sum of the other classes, which 1 - p would round off where p is near 1."""
    exponentials(x, a, dx, scratch)
    m, s, _, _ = scratch
    bad, zero, one = False, x.dtype.type(0), x.dtype.type(1)
    target, weight, ignore_index = labels
    for j in range(m.size):
        t = target[n, a + j]
        inside = 0 <= t < x.shape[0]
        bad |= t != ignore_index and not inside
        up = g[j] * weight[t] if inside and t != ignore_index else zero
        factor = zero
        if up != zero:
            others = s[j] if x[t, a + j] == m[j] else (one + s[j]) - dx[t, a + j]
            factor = up / (one + s[j])
            s[j] = -others * factor
        m[j] = factor
    scale(dx, a, m)
    for j in range(m.size):
        if m[j] != zero:
            dx[target[n, a + j], a + j] = s[j]
    return bad


@kernel
def _cross_entropy(T, g, x, labels: Labels, out, bad, backward):
    """out is the loss as (N, 1, L), or dx as (N, C, L) if backward; bad gets a flag per thread."""
    N, _, L = x.shape
    S = (L + TILE - 1) // TILE
    for t in prange(T):
        rows, blocks = np.empty((3, TILE), x.dtype), np.empty(TILE)
        for k in range(t * N * S // T, (t + 1) * N * S // T):
            n, a = k // S, k % S * TILE
            b = min(a + TILE, L)
            scratch = Scratch(rows[0, : b - a], rows[1, : b - a], rows[2, : b - a], blocks[: b - a])
            if backward:
                bad[t] |= _loss_backward_tile(g[n, a:b], x[n], n, a, labels, out[n], scratch)
            else:
                bad[t] |= _loss_tile(x[n], n, a, labels, out[n, 0, a:b], scratch)


def _run_cross_entropy(g, x, target, weight, ignore_index, backward):
    N, C, L = x.shape
    rows = wide(x)
    flat = (rows.shape[0], rows.shape[2])
    target = np.ascontiguousarray(target, np.int64).reshape(flat)
    g = np.ascontiguousarray(g, x.dtype).reshape(flat)
    weight = np.ones(C, x.dtype) if weight is None else np.ascontiguousarray(weight, x.dtype)
    out = (np.empty if C else np.zeros)((flat[0], C if backward else 1, flat[1]), x.dtype)
    T = threads_for(x.size)
    bad = np.zeros(T, np.bool_)
    if C:
        _cross_entropy(T, g, rows, Labels(target, weight, ignore_index), out, bad, backward)
    if bad.any() or (C == 0 and (target != ignore_index).any()):
        wrong = target[(target != ignore_index) & ((target < 0) | (target >= C))][0]
        raise IndexError(f"cross_entropy: target has label {wrong}; x has {C} classes (ignore_index {ignore_index})")
    return narrow(out, x.shape) if backward else out.reshape(N, L)


def cross_entropy(x, target, weight, ignore_index):
    """loss[n,l] = weight[t] (log sum_c exp(x[n,c,l]) - x[n,t,l]); the softmax is not formed."""
    return _run_cross_entropy(np.empty(target.shape, x.dtype), x, target, weight, ignore_index, False)


def cross_entropy_backward(g, x, target, weight, ignore_index):
    """dx = g weight[t] (softmax(x) - [c = t]); exponentials are written once and scaled where they lie."""
    return _run_cross_entropy(g, x, target, weight, ignore_index, True)
