"""Gather and scatter inside a plane by flat positions: the two directions of max-pooling, in NumPy."""

import numpy as np


def _check(name, index, size):
    wrong = index[(index < -1) | (index >= size)]
    if wrong.size:
        raise IndexError(f"{name}: index holds {wrong[0]}, the plane has {size} positions (-1 stands for none)")


def plane_gather(x, index):
    """y[n,c,i,j] = x[n,c].flat[index[n,c,i,j]]; index -1 gives 0; IndexError outside the plane."""
    N, C, H, W = x.shape
    _check("plane_gather", index, H * W)
    flat = index.reshape(N * C, index.shape[2] * index.shape[3])
    plane, at = np.nonzero(flat >= 0)
    y = np.zeros(flat.shape, x.dtype)
    y[plane, at] = x.reshape(N * C, H * W)[plane, flat[plane, at]]
    return y.reshape(index.shape)


def plane_scatter(y, index, size):
    """x[n,c].flat[index[n,c,i,j]] += y[n,c,i,j]; index -1 adds nothing; IndexError outside the plane."""
    N, C = y.shape[:2]
    _check("plane_scatter", index, size[0] * size[1])
    x = np.zeros((N * C, size[0] * size[1]), y.dtype)
    flat = index.reshape(N * C, index.shape[2] * index.shape[3])
    plane, at = np.nonzero(flat >= 0)
    np.add.at(x, (plane, flat[plane, at]), y.reshape(flat.shape)[plane, at])
    return x.reshape(N, C, *size)
