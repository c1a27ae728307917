"""Separable resizing in Numba: along columns once per input row, then rows are mixed in contiguous loops.

Twice the size, nearest or bilinear, has vector loops of its own: resample_2x.py.
"""

import numpy as np
from numba import prange

from ...geometry import check_plane
from ..runtime.jit import allocating, inner, kernel, njit
from ..runtime.threads import threads_for
from .resample_2x import PAIRS, SMOOTH, double, halve, twice


@inner
def _stretch(x, p, h, cols, out, i, copy):
    """out[i] = row x[p, h] resized along its columns; `copy` where that takes one tap.

    (It takes whole arrays and positions, not rows: a slice costs more than the resizing of a short row.)
    """
    lo, hi, near, far = cols
    if copy:
        for j in range(lo.size):
            out[i, j] = x[p, h, lo[j]]
    else:
        for j in range(lo.size):
            out[i, j] = near[j] * x[p, h, lo[j]] + far[j] * x[p, h, hi[j]]


@allocating
def _rows(begin, end, x, y, rows, cols, copies):
    """Output rows begin .. end. Two stretched input rows are held, since the next output row mostly needs them again."""
    lo, hi, near, far = rows
    Ho, Wo = y.shape[1:]
    held, first, second = np.empty((2, Wo), x.dtype), -1, -1  # input rows (counted over all planes) that are held
    for r in range(begin, end):
        p, i = r // Ho, r % Ho
        base, a = p * x.shape[1], 0
        for tap in range(1 if copies[0] else 2):
            h = hi[i] if tap else lo[i]
            slot = 1 - a if tap else (1 if second == base + h else 0)
            if (second if slot else first) != base + h:
                _stretch(x, p, h, cols, held, slot, copies[1])
                if slot:
                    second = base + h
                else:
                    first = base + h
            a = a if tap else slot
        s, t = near[i], far[i]
        if copies[0]:
            for j in range(Wo):
                y[p, i, j] = held[a, j]
        else:
            for j in range(Wo):
                y[p, i, j] = s * held[a, j] + t * held[1 - a, j]


@inner
def _shrink(tall, cols, inverse, x, p, h):
    """x[p, h] = adjoint of `_stretch` applied to tall."""
    (lo, hi, near, far), (start, at, weight) = cols, inverse
    n = x.shape[2]
    if lo.size > n:  # gather: many outputs used one input, and additions to one place are serial
        for j in range(n):
            total = x.dtype.type(0)
            for k in range(start[j], start[j + 1]):
                total += weight[k] * tall[at[k]]
            x[p, h, j] = total
    else:  # scatter: neighbours go to different places
        for j in range(n):
            x[p, h, j] = 0
        for j in range(lo.size):
            x[p, h, lo[j]] += near[j] * tall[j]
            if far[j] != 0:
                x[p, h, hi[j]] += far[j] * tall[j]


@allocating
def _adjoint_rows(begin, end, y, x, rows, cols, inverse):
    """Input rows begin .. end: the output rows that used one are summed, then the sum shrinks along its columns."""
    start, at, weight = rows
    H = x.shape[1]
    tall = np.empty(y.shape[2], y.dtype)
    for r in range(begin, end):
        p, h = r // H, r % H
        tall[:] = 0
        for k in range(start[h], start[h + 1]):
            i, t = at[k], weight[k]
            for j in range(tall.size):
                tall[j] += t * y[p, i, j]
        _shrink(tall, cols, inverse, x, p, h)


@kernel
def _resize(T, x, y, rows, cols, copies):
    R = y.shape[0] * y.shape[1]
    for t in prange(T):
        _rows(t * R // T, (t + 1) * R // T, x, y, rows, cols, copies)


@kernel
def _adjoint(T, y, x, rows, cols, inverse):
    R = x.shape[0] * x.shape[1]
    for t in prange(T):
        _adjoint_rows(t * R // T, (t + 1) * R // T, y, x, rows, cols, inverse)


@njit(cache=True)
def _kind(lo, hi, f, size):
    """The filter of resample_2x.py that the table is, or None: output 2u mixes inputs u - 1 and u, the next one u and u + 1."""
    pairs = smooth = lo.size == 2 * size
    for i in range(lo.size):
        share = 0.0 if i == 0 else 0.25 if i % 2 else 0.75
        pairs &= lo[i] == i // 2 and f[i] == 0
        below, above = max((i - 1) // 2, 0), min((i + 1) // 2, size - 1)
        smooth &= lo[i] == below and f[i] == share and (hi[i] == above or share == 0)
    return PAIRS if pairs else SMOOTH if smooth else None


def _by_two(rows, cols, large, small):
    """The filter, where both axes are doubled by the same one and rows fill vectors."""
    if not twice(large, small):
        return None
    kind = _kind(*rows, small.shape[2])
    return kind if kind == _kind(*cols, small.shape[3]) else None


def _table(taps, index, dtype):
    """(lo, hi, 1 - f, f). An unsigned index saves the test for negative ones in the inner loop."""
    lo, hi, f = taps
    return lo.astype(index), hi.astype(index), (1 - f).astype(dtype), f.astype(dtype)


def resize2d(x, rows, cols):
    """Two taps per axis; enlarging, every input row is stretched once and neighbouring stretched rows are mixed."""
    N, C, H, W = x.shape
    y = np.empty((N, C, len(rows[0]), len(cols[0])), x.dtype)
    check_plane("resize2d", x.shape[2:], y.shape[2:])
    kind = _by_two(rows, cols, y.shape[2:], x)
    if kind is not None:
        double(x, y, np.ones((H, W), x.dtype), kind)
        return y
    tables = _table(rows, np.intp, x.dtype), _table(cols, np.uintp, x.dtype)
    copies = not rows[2].any(), not cols[2].any()
    _resize(threads_for(y.size), x.reshape(N * C, H, W), y.reshape(N * C, *y.shape[2:]), *tables, copies)
    return y


def _inverse(taps, size, dtype):
    """The table transposed, in CSR form: which outputs used input k, and with what weight."""
    lo, hi, f = taps
    source, weight = np.concatenate([lo, hi]), np.concatenate([1 - f, f])
    target = np.tile(np.arange(len(lo)), 2)[weight != 0]
    source, weight = source[weight != 0], weight[weight != 0]
    order = np.argsort(source, kind="stable")
    start = np.searchsorted(source[order], np.arange(size + 1))
    return start, target[order], weight[order].astype(dtype)


def resize2d_adjoint(y, rows, cols, size):
    """Every input row gathers the output rows that used it: no two threads write to one place."""
    N, C, Ho, Wo = y.shape
    check_plane("resize2d_adjoint", size, y.shape[2:])
    x = np.empty((N, C, *size), y.dtype)
    kind = _by_two(rows, cols, (Ho, Wo), x)
    if kind is not None:
        halve(y, x, np.ones(size, y.dtype), kind)
        return x
    table, inverse = _table(cols, np.uintp, y.dtype), _inverse(cols, size[1], y.dtype)
    planes = y.reshape(N * C, Ho, Wo), x.reshape(N * C, *size)
    _adjoint(threads_for(y.size), *planes, _inverse(rows, size[0], y.dtype), table, inverse)
    return x
