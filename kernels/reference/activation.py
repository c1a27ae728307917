"""The rectifier in NumPy; other activations are elementwise functions of `minidl.functional`."""

import numpy as np


def limits(ceiling, dtype):
    """(low, high) limits of a rectifier: 0 and its ceiling, or NaN, which no value exceeds, without a rectifier."""
    none = ceiling is None
    return dtype.type(np.nan if none else 0), dtype.type(np.nan if none or ceiling == np.inf else ceiling)


def relu(x, ceiling=np.inf):
    """min(max(x, 0), ceiling), the ceiling infinity for ReLU and 6 for ReLU6; NaN stays NaN."""
    return np.asarray(np.clip(x, x.dtype.type(0), x.dtype.type(ceiling)))


def relu_backward(g, y, ceiling=np.inf):
    """g where 0 < y < ceiling, else 0 (so 0 at the kinks); y is the input or the output of relu."""
    low, high = limits(ceiling, y.dtype)
    return np.where((y <= low) | (y >= high), g.dtype.type(0), g)
