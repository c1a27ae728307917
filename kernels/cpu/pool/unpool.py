"""Gather and scatter inside a plane by flat positions: the two directions of max-pooling, in Numba."""

import numpy as np
from numba import prange

from ..runtime.jit import kernel
from .max_pool_2x2 import gather_by_halves, halves, scatter_by_halves


@kernel
def _gather(x, index, y, bad):
    for p in prange(x.shape[0]):
        for j in range(index.shape[1]):
            at = index[p, j]
            if at < -1 or at >= x.shape[1]:
                bad[p] = True
                at = -1
            y[p, j] = x[p, at] if at >= 0 else 0


@kernel
def _scatter(y, index, x, bad):
    for p in prange(x.shape[0]):
        x[p] = 0
        for j in range(index.shape[1]):
            at = np.uintp(index[p, j])  # a negative index becomes larger than any plane
            if at < np.uintp(x.shape[1]):
                x[p, at] += y[p, j]
            elif index[p, j] != -1:
                bad[p] = True


def _check(name, bad, index, size):
    if bad.any():
        wrong = index[(index < -1) | (index >= size)].flat[0]
        raise IndexError(f"{name}: index holds {wrong}, the plane has {size} positions (-1 stands for none)")


def plane_gather(x, index):
    """y[n,c,i,j] = x[n,c].flat[index[n,c,i,j]]; index -1 gives 0; IndexError outside the plane."""
    N, C, H, W = x.shape
    y, bad = np.empty(index.shape, x.dtype), np.zeros(N * C, np.bool_)
    known = index.dtype == np.int32 and index.shape[:2] == (N, C) and halves((H, W), y)
    if known and gather_by_halves(x, index, y):  # as 2x2 pooling at stride 2 writes them
        return y
    L = index.shape[2] * index.shape[3]
    _gather(x.reshape(N * C, H * W), index.reshape(N * C, L), y.reshape(N * C, L), bad)
    _check("plane_gather", bad, index, H * W)
    return y


def plane_scatter(y, index, size):
    """x[n,c].flat[index[n,c,i,j]] += y[n,c,i,j]: one plane belongs to one thread; IndexError outside the plane."""
    N, C, Ho, Wo = y.shape
    x, bad = np.empty((N, C, *size), y.dtype), np.zeros(N * C, np.bool_)
    known = index.dtype == np.int32 and index.shape == y.shape and halves(size, y)
    if known and scatter_by_halves(y, index, x):  # as 2x2 pooling at stride 2 writes them
        return x
    planes = (N * C, Ho * Wo)
    _scatter(y.reshape(planes), index.reshape(planes), x.reshape(N * C, size[0] * size[1]), bad)
    _check("plane_scatter", bad, index, size[0] * size[1])
    return x
