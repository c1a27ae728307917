"""The rectifier in CUDA C."""

from .loader import Kernel, array_module, contiguous, i32

_relu = Kernel("activation.cu", "relu")
_relu_backward = Kernel("activation.cu", "relu_backward")


def relu(x):
    """max(x, 0); NaN stays NaN."""
    x = contiguous(x)
    y = array_module(x).empty_like(x)
    _relu(x, y, *i32(x.size), threads=x.size)
    return y


def relu_backward(g, y):
    """g where y > 0, else 0; y is the input or the output of relu."""
    g, y = contiguous(g, y)
    dx = array_module(g).empty_like(g)
    _relu_backward(g, y, dx, *i32(g.size), threads=g.size)
    return dx
