"""The rectifier in CUDA C."""

import numpy as np

from ...reference.activation import limits
from ..loader import Kernel, array_module, contiguous, i32

_relu = Kernel("pointwise/activation.cu", "relu")
_relu_backward = Kernel("pointwise/activation.cu", "relu_backward")


def relu(x, ceiling=np.inf):
    """min(max(x, 0), ceiling); NaN stays NaN."""
    x = contiguous(x)
    y = array_module(x).empty_like(x)
    _relu(x, y, limits(ceiling, x.dtype)[1], *i32(x.size), threads=x.size)
    return y


def relu_backward(g, y, ceiling=np.inf):
    """g where 0 < y < ceiling, else 0; y is the input or the output of relu."""
    g, y = contiguous(g, y)
    dx = array_module(g).empty_like(g)
    _relu_backward(g, y, dx, limits(ceiling, g.dtype)[1], *i32(g.size), threads=g.size)
    return dx
