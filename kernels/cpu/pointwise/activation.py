"""The rectifier in Numba: one pass, all threads.

Zeros have the type of the array: with an integer 0, Numba computes a float32 expression in float64.
"""

import numpy as np
from numba import prange

from ...reference.activation import limits
from ..runtime.jit import kernel
from ..runtime.threads import threads_for


@kernel
def _relu(x, y, ceiling):
    zero = x.dtype.type(0)
    for j in prange(x.size):
        v = x[j]
        v = zero if v <= zero else v
        y[j] = ceiling if v >= ceiling else v


@kernel
def _relu_backward(g, y, dx, ceiling):
    zero = y.dtype.type(0)
    for j in prange(g.size):
        v, at = g[j], y[j]  # loaded before the selection: conditional loads prevent vectors
        v = zero if at <= zero else v
        dx[j] = zero if at >= ceiling else v


@kernel
def _finish(y, residual, low, high, T):
    summed = residual.size > 0
    for t in prange(T):
        for j in range(t * y.size // T, (t + 1) * y.size // T):
            v = y[j] + residual[j] if summed else y[j]
            v = low if v <= low else v
            y[j] = high if v >= high else v


def finish(y, residual, ceiling):
    """y = min(max(y + residual, 0), ceiling) in place; the residual and the ceiling may be None."""
    if y.size and (residual is not None or ceiling is not None):
        residual = np.empty(0, y.dtype) if residual is None else residual.reshape(-1)
        _finish(y.reshape(-1), residual, *limits(ceiling, y.dtype), threads_for(y.size))


def relu(x, ceiling=np.inf):
    """min(max(x, 0), ceiling); NaN stays NaN."""
    y = np.empty_like(x)
    _relu(x.reshape(-1), y.reshape(-1), limits(ceiling, x.dtype)[1])
    return y


def relu_backward(g, y, ceiling=np.inf):
    """g where 0 < y < ceiling, else 0; y is the input or the output of relu."""
    dx = np.empty_like(g)
    _relu_backward(g.reshape(-1), y.reshape(-1), dx.reshape(-1), limits(ceiling, y.dtype)[1])
    return dx
