"""Channels by points into points by channels and back: transposed in squares of one vector's length."""

import numpy as np
from numba import get_num_threads, prange

from ..runtime.jit import inner, kernel
from .vector import lanes_of, transpose


@inner
def _turn(a, b, start, stop):
    """b[j, i] = a[i, j] for the columns start <= j < stop of a (C, N); the last squares overlap those before them."""
    (C, N), W, flat, turned = a.shape, b.shape[1], a.reshape(-1), b.reshape(-1)
    lanes = lanes_of(flat)
    if lanes > C or stop - start < lanes:
        for j in range(start, stop):
            for i in range(C):
                b[j, i] = a[i, j]
        return
    for j in range(start, stop, lanes):
        j = min(j, stop - lanes)
        for i in range(0, C, lanes):
            i = min(i, C - lanes)
            transpose(flat, i * N + j, N, turned, j * W + i, W)


@kernel
def _to_rows(values, fill, rows, T):
    C, N = values.shape
    for t in prange(T):
        start, stop = t * N // T, (t + 1) * N // T
        if rows.shape[1] > C:
            for i in range(start, stop):
                for c in range(C, rows.shape[1]):
                    rows[i, c] = fill
        _turn(values, rows, start, stop)


def to_rows(values, fill, width):
    """(C, N) -> (N, W); the columns beyond C hold `fill`."""
    rows = np.empty((values.shape[1], width), values.dtype)
    _to_rows(values, fill, rows, get_num_threads())
    return rows


@kernel
def _to_planes(rows, values, T):
    (C, N), W = values.shape, rows.shape[1]
    flat, turned = rows.reshape(-1), values.reshape(-1)
    lanes = lanes_of(flat)
    for t in prange(T):
        start, stop = t * N // T, (t + 1) * N // T
        if lanes > C or stop - start < lanes:
            for c in range(C):
                for i in range(start, stop):
                    values[c, i] = rows[i, c]
        else:
            for i in range(start, stop, lanes):
                i = min(i, stop - lanes)
                for c in range(0, C, lanes):
                    c = min(c, C - lanes)
                    transpose(flat, i * W + c, W, turned, c * N + i, N)


def to_planes(rows, C):
    """(N, W) -> (C, N)."""
    values = np.empty((C, len(rows)), rows.dtype)
    _to_planes(rows, values, get_num_threads())
    return values
