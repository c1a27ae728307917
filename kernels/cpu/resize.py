"""Separable resizing in Numba: along columns once per input row, then rows are mixed in contiguous loops."""

import numpy as np
from numba import prange

from .team import inner, kernel, team

COPY, TWICE, DOUBLE, MIX = 0, 1, 2, 3  # one tap; one tap at twice the size; two taps at twice the size; two taps


@inner
def _stretch(x, p, h, cols, out, i, mode):
    """out[i] = row x[p, h] resized along its columns. The modes are one formula; the shorter ones vectorise.

    (Whole arrays and positions come in, not rows: cutting a row out costs more than resizing a short one.)
    """
    lo, hi, near, far = cols
    n = x.shape[2]
    if mode == TWICE:
        for j in range(n):
            out[i, 2 * j] = x[p, h, j]
            out[i, 2 * j + 1] = x[p, h, j]
    elif mode == COPY:
        for j in range(lo.size):
            out[i, j] = x[p, h, lo[j]]
    elif mode == DOUBLE:
        s, t = near[2], far[2]
        for j in range(n - 2):
            out[i, 2 * j + 2] = s * x[p, h, j] + t * x[p, h, j + 1]
            out[i, 2 * j + 3] = t * x[p, h, j + 1] + s * x[p, h, j + 2]
        for j in (0, 1, 2 * n - 2, 2 * n - 1):
            out[i, j] = near[j] * x[p, h, lo[j]] + far[j] * x[p, h, hi[j]]
    else:
        for j in range(lo.size):
            out[i, j] = near[j] * x[p, h, lo[j]] + far[j] * x[p, h, hi[j]]


@inner
def _rows(begin, end, x, y, rows, cols, modes):
    """Output rows begin .. end. Two stretched input rows are held, since the next output row mostly needs them again."""
    lo, hi, near, far = rows
    Ho, Wo = y.shape[1:]
    held, first, second = np.empty((2, Wo), x.dtype), -1, -1  # input rows (counted over all planes) that are held
    for r in range(begin, end):
        p, i = r // Ho, r % Ho
        base, a = p * x.shape[1], 0
        for tap in range(1 if modes[0] <= TWICE else 2):
            h = hi[i] if tap else lo[i]
            slot = 1 - a if tap else (1 if second == base + h else 0)
            if (second if slot else first) != base + h:
                _stretch(x, p, h, cols, held, slot, modes[1])
                if slot:
                    second = base + h
                else:
                    first = base + h
            a = a if tap else slot
        s, t = near[i], far[i]
        if modes[0] <= TWICE:
            for j in range(Wo):
                y[p, i, j] = held[a, j]
        else:
            for j in range(Wo):
                y[p, i, j] = s * held[a, j] + t * held[1 - a, j]


@inner
def _shrink(tall, cols, inverse, x, p, h, mode):
    """x[p, h] = adjoint of `_stretch` applied to tall."""
    (lo, hi, near, far), (start, at, weight) = cols, inverse
    n = x.shape[2]
    if mode == TWICE:
        for j in range(n):
            x[p, h, j] = tall[2 * j] + tall[2 * j + 1]
    elif mode == DOUBLE or lo.size > n:  # gather: many outputs used one input, and writes to one place wait in line
        first, last = (2, n - 2) if mode == DOUBLE else (n, n)
        if mode == DOUBLE:
            s, t = near[2], far[2]
            for j in range(n - 4):
                inner = t * (tall[2 * j + 4] + tall[2 * j + 5])
                x[p, h, j + 2] = inner + s * (tall[2 * j + 3] + tall[2 * j + 6])
        for side in ((0, first), (last, n)):
            for j in range(side[0], side[1]):
                total = x.dtype.type(0)
                for k in range(start[j], start[j + 1]):
                    total += weight[k] * tall[at[k]]
                x[p, h, j] = total
    else:  # scatter: neighbours go to different places
        for j in range(n):
            x[p, h, j] = 0
        for j in range(lo.size):
            x[p, h, lo[j]] += near[j] * tall[j]
            if mode != COPY:
                x[p, h, hi[j]] += far[j] * tall[j]


@inner
def _adjoint_rows(begin, end, y, x, rows, cols, inverse, mode):
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
        _shrink(tall, cols, inverse, x, p, h, mode)


@kernel
def _resize(T, x, y, rows, cols, modes):
    R = y.shape[0] * y.shape[1]
    for t in prange(T):
        _rows(t * R // T, (t + 1) * R // T, x, y, rows, cols, modes)


@kernel
def _adjoint(T, y, x, rows, cols, inverse, mode):
    R = x.shape[0] * x.shape[1]
    for t in prange(T):
        _adjoint_rows(t * R // T, (t + 1) * R // T, y, x, rows, cols, inverse, mode)


def _mode(taps, size):
    """Which loop serves the table. Doubling: outputs 2j, 2j + 1 lie a quarter before and after input j."""
    lo, hi, f = taps
    at = np.arange(len(lo))
    if not f.any():
        return TWICE if len(lo) == 2 * size and (lo == at // 2).all() else COPY
    inner = slice(2, len(lo) - 2)
    doubles = len(lo) == 2 * size > 4 and (lo == (at - 1) // 2)[inner].all() and (hi == lo + 1)[inner].all()
    return DOUBLE if doubles and (f == np.where(at % 2, 0.25, 0.75))[inner].all() else MIX


def _table(taps, index, dtype):
    """(lo, hi, 1 - f, f). An unsigned index spares the test for negative ones in the inner loop."""
    lo, hi, f = taps
    return lo.astype(index), hi.astype(index), (1 - f).astype(dtype), f.astype(dtype)


def resize2d(x, rows, cols):
    """Two taps per axis; enlarging, every input row is stretched once and neighbouring stretched rows are mixed."""
    x = np.ascontiguousarray(x)
    N, C, H, W = x.shape
    y = np.empty((N, C, len(rows[0]), len(cols[0])), x.dtype)
    tables = _table(rows, np.intp, x.dtype), _table(cols, np.uintp, x.dtype)
    modes = _mode(rows, H), _mode(cols, W)
    _resize(team(y.size), x.reshape(N * C, H, W), y.reshape(N * C, *y.shape[2:]), *tables, modes)
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
    """Every input row gathers the output rows that used it: no two threads write to one place."""
    y = np.ascontiguousarray(y)
    N, C, Ho, Wo = y.shape
    x = np.empty((N, C, *size), y.dtype)
    table, inverse = _table(cols, np.uintp, y.dtype), _inverse(cols, size[1], y.dtype)
    planes = y.reshape(N * C, Ho, Wo), x.reshape(N * C, *size)
    _adjoint(team(y.size), *planes, _inverse(rows, size[0], y.dtype), table, inverse, _mode(cols, size[1]))
    return x
