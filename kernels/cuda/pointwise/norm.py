"""Normalisation per channel of (N, C, L) in CUDA C."""

import numpy as np

from ...reference.activation import limits
from ..loader import Kernel, array_module, contiguous, i32
from ..planes import over_planes

_moment_parts = Kernel("pointwise/norm.cu", "moment_parts")
_moments = Kernel("pointwise/norm.cu", "moments")
_normalize = Kernel("pointwise/norm.cu", "normalize")
_lines = Kernel("pointwise/norm.cu", "norm_lines")
_backward_parts = Kernel("pointwise/norm.cu", "norm_backward_parts")
_backward_sums = Kernel("pointwise/norm.cu", "norm_backward_sums")
_backward = Kernel("pointwise/norm.cu", "norm_backward")
PER_BLOCK = 8192  # elements that a block of 256 threads adds up
LINE = 5  # as in norm.cu


def _parts(x):
    """An array for partial sums (C, blocks, 2) and the launch that fills it."""
    N, C, L = x.shape
    blocks = -(-N * L // PER_BLOCK)
    part = array_module(x).empty((C, blocks, 2), np.float64)
    return part, {"grid": (blocks, min(C, 65535)), "block": 256}


def _statistics(x, *values):
    return [array_module(x).ascontiguousarray(array_module(x).asarray(v, np.float64)) for v in values]


def moments(x):
    """Mean and biased variance of each channel, as two float64 arrays (C,): one sweep."""
    x = contiguous(x)
    (N, C, L), xp = x.shape, array_module(x)
    part, launch = _parts(x)
    mean, var = xp.empty(C, np.float64), xp.empty(C, np.float64)
    size = N, C, L, PER_BLOCK
    _moment_parts(x, part, size, **launch)
    _moments(x, part, mean, var, size, *i32(part.shape[1]), grid=C, block=32)
    return mean, var


def normalize(x, mean, invstd, weight, bias, ceiling):
    """y = (x - mean) invstd weight + bias, then min(max(y, 0), ceiling) unless that is None: one sweep."""
    x, weight, bias = contiguous(x, weight, bias)
    N, C, L = x.shape
    y = array_module(x).empty_like(x)
    arrays = x, *_statistics(x, mean, invstd), weight, bias, y
    _normalize(*arrays, (N, C, L, PER_BLOCK), limits(ceiling, x.dtype), **over_planes(N * C, L))
    return y


def normalize_backward(g, x, mean, invstd, weight, bias, ceiling):
    """(dx, dweight, dbias): one sweep sums g and g (x - mean), the other writes dx."""
    g, x, weight, bias = contiguous(g, x, weight, bias)
    (N, C, L), xp, cut = x.shape, array_module(x), limits(ceiling, x.dtype)
    mean, invstd = _statistics(x, mean, invstd)
    part, launch = _parts(x)
    dx, gradient, line = (xp.empty(s, x.dtype) for s in (x.shape, (2, C), (C, LINE)))
    size = N, C, L, PER_BLOCK
    _lines(mean, invstd, weight, bias, line, *i32(C), threads=C)
    _backward_parts(g, x, line, part, size, cut, **launch)
    _backward_sums(part, mean, invstd, weight, gradient, line, *i32(N * L, part.shape[1]), grid=C, block=32)
    _backward(g, x, line, dx, size, cut, **over_planes(N * C, L))
    return dx, gradient[0], gradient[1]
