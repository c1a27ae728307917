"""Separable resizing in Numba: along columns once per input row, then rows are mixed in contiguous loops."""

import numpy as np
from numba import njit, prange

from .team import team


@njit(cache=True)
def _stretch(row, lo, hi, f, out, copies):
    if copies:
        for j in range(out.size):
            out[j] = row[lo[j]]
    else:
        for j in range(out.size):
            out[j] = (1 - f[j]) * row[lo[j]] + f[j] * row[hi[j]]


@njit(cache=True)
def _rows(begin, end, x, y, lo, hi, f, left, right, g, copies):
    """Output rows begin .. end; the two stretched input rows in use are held, since the next output row reuses them."""
    Ho, Wo = y.shape[1:]
    a, b = np.empty(Wo, x.dtype), np.empty(Wo, x.dtype)
    held_a, held_b = -1, -1  # input rows (of all planes) that a and b hold
    for r in range(begin, end):
        p, i = r // Ho, r % Ho
        base = p * x.shape[1]
        need_a, need_b = base + lo[i], base + hi[i]
        if need_a != held_a and need_a == held_b:
            a, b = b, a
            held_a, held_b = held_b, held_a
        if need_a != held_a:
            _stretch(x[p, lo[i]], left, right, g, a, copies[1])
            held_a = need_a
        out, t = y[p, i], f[i]
        if copies[0] or t == 0:
            out[:] = a
            continue
        if need_b != held_b:
            _stretch(x[p, hi[i]], left, right, g, b, copies[1])
            held_b = need_b
        for j in range(Wo):
            out[j] = (1 - t) * a[j] + t * b[j]


@njit(cache=True)
def _adjoint_rows(begin, end, y, x, rows, cols):
    """Input rows begin .. end: the output rows that used it are summed, then the sum is gathered along the row."""
    H, W = x.shape[1:]
    (row_start, row_at, row_weight), (col_start, col_at, col_weight) = rows, cols
    tall = np.empty(y.shape[2], y.dtype)
    for r in range(begin, end):
        p, h = r // H, r % H
        tall[:] = 0
        for k in range(row_start[h], row_start[h + 1]):
            source, t = y[p, row_at[k]], row_weight[k]
            for j in range(tall.size):
                tall[j] += t * source[j]
        out = x[p, h]
        for w in range(W):
            total = x.dtype.type(0)
            for k in range(col_start[w], col_start[w + 1]):
                total += col_weight[k] * tall[col_at[k]]
            out[w] = total


@njit(parallel=True, cache=True)
def _resize(T, x, y, lo, hi, f, left, right, g, copies):
    R = y.shape[0] * y.shape[1]
    for t in prange(T):
        _rows(t * R // T, (t + 1) * R // T, x, y, lo, hi, f, left, right, g, copies)


@njit(parallel=True, cache=True)
def _adjoint(T, y, x, rows, cols):
    R = x.shape[0] * x.shape[1]
    for t in prange(T):
        _adjoint_rows(t * R // T, (t + 1) * R // T, y, x, rows, cols)


def resize2d(x, rows, cols):
    """Two taps per axis: every input row is stretched once, then neighbouring stretched rows are mixed."""
    x = np.ascontiguousarray(x)
    N, C, H, W = x.shape
    (lo, hi, f), (left, right, g) = rows, cols
    y = np.empty((N, C, len(lo), len(left)), x.dtype)
    f, g = f.astype(x.dtype, copy=False), g.astype(x.dtype, copy=False)
    copies = not f.any(), not g.any()
    _resize(team(y.size), x.reshape(N * C, H, W), y.reshape(N * C, *y.shape[2:]), lo, hi, f, left, right, g, copies)
    return y


def _inverse(taps, size, dtype):
    """The table read backwards, in CSR form: which outputs used input k, and with what weight."""
    lo, hi, f = taps
    source, weight = np.concatenate([lo, hi]), np.concatenate([1 - f, f])
    target = np.tile(np.arange(len(lo)), 2)[weight != 0]
    source, weight = source[weight != 0], weight[weight != 0]
    order = np.argsort(source, kind="stable")
    start = np.searchsorted(source[order], np.arange(size + 1))
    return start, target[order], weight[order].astype(dtype)


def resize2d_adjoint(y, rows, cols, size):
    """Every input pixel gathers the outputs that used it: no two threads write to one place."""
    y = np.ascontiguousarray(y)
    N, C, Ho, Wo = y.shape
    x = np.empty((N, C, *size), y.dtype)
    tables = _inverse(rows, size[0], y.dtype), _inverse(cols, size[1], y.dtype)
    _adjoint(team(y.size), y.reshape(N * C, Ho, Wo), x.reshape(N * C, *size), *tables)
    return x
