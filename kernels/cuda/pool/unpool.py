"""Gather and scatter inside a plane in CUDA C."""

from ..fault import fault
from ..loader import Kernel, array_module, contiguous, i32
from ..planes import over_planes

_gather = Kernel("pool/unpool.cu", "plane_gather")
_scatter = Kernel("pool/unpool.cu", "plane_scatter")


def check_index(name, bad, index, size):
    """IndexError with the first index that is neither a position nor -1, if the kernel raised its flag."""
    if fault(bad):
        wrong = index[(index < -1) | (index >= size)][0]
        raise IndexError(f"{name}: index holds {wrong}, the plane has {size} positions (-1 stands for none)")


def plane_gather(x, index):
    """y[n,c,i,j] = x[n,c].flat[index[n,c,i,j]]; index -1 gives 0; IndexError outside the plane."""
    x, index = contiguous(x, index)
    (N, C, H, W), L = x.shape, index.shape[2] * index.shape[3]
    y, bad = array_module(x).empty(index.shape, x.dtype), array_module(x).zeros(1, "int32")
    _gather(x, index, y, bad, *i32(N * C, H * W, L), **over_planes(N * C, L))
    check_index("plane_gather", bad, index, H * W)
    return y


def plane_scatter(y, index, size):
    """x[n,c].flat[index[n,c,i,j]] += y[n,c,i,j]; index -1 adds nothing; IndexError outside the plane."""
    y, index = contiguous(y, index)
    N, C, Ho, Wo = y.shape
    x, bad = array_module(y).zeros((N, C, *size), y.dtype), array_module(y).zeros(1, "int32")
    _scatter(y, index, x, bad, *i32(N * C, size[0] * size[1], Ho * Wo), **over_planes(N * C, Ho * Wo))
    check_index("plane_scatter", bad, index, size[0] * size[1])
    return x
