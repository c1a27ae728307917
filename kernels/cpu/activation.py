"""The rectifier in Numba: one sweep, all threads.

Zeros are written with their type: beside an integer 0, Numba computes a float32 expression in float64.
"""

import numpy as np
from numba import prange

from .team import kernel


@kernel
def _relu(x, y):
    zero = x.dtype.type(0)
    for j in prange(x.size):
        v = x[j]
        y[j] = zero if v <= zero else v


@kernel
def _relu_backward(g, y, dx):
    zero = y.dtype.type(0)
    for j in prange(g.size):
        v = g[j]  # read before the choice: a load that may not happen does not vectorise well
        dx[j] = zero if y[j] <= zero else v


def relu(x):
    """max(x, 0); NaN stays NaN."""
    x = np.ascontiguousarray(x)
    y = np.empty_like(x)
    _relu(x.reshape(-1), y.reshape(-1))
    return y


def relu_backward(g, y):
    """g where y > 0, else 0; y is the input or the output of relu."""
    g, y = np.ascontiguousarray(g), np.ascontiguousarray(y)
    dx = np.empty_like(g)
    _relu_backward(g.reshape(-1), y.reshape(-1), dx.reshape(-1))
    return dx
