"""im2col and its adjoint in Numba, one (image, channel) plane after another."""

import numpy as np
from numba import prange

from ..runtime.jit import kernel
from ..simd.vector import clear_run
from .packing import copy_row


@kernel
def _im2col(x, size, cols, out_size, kernel, stride, padding, dilation):
    (planes, H, W), (Ho, Wo) = size, out_size
    for p in prange(planes):
        for tap in range(kernel[0] * kernel[1]):
            k, l = tap // kernel[1], tap % kernel[1]
            for i in range(Ho):
                at = ((p * kernel[0] * kernel[1] + tap) * Ho + i) * Wo
                h = i * stride[0] + k * dilation[0] - padding[0]
                if 0 <= h < H:
                    copy_row(x, (p * H + h) * W, W, cols, at, Wo, stride[1], l * dilation[1] - padding[1])
                else:
                    clear_run(cols, at, Wo)


def im2col(x, geometry):
    """for n, c, k, l, i: a row of windows is a row of x, shifted by l d - p and taken every s-th pixel."""
    x, g = np.ascontiguousarray(x), geometry
    (N, C, H, W), (Ho, Wo) = x.shape, g.output_size(x.shape[2:])
    taps = g.kernel[0] * g.kernel[1]
    cols = np.empty((N, C * taps, Ho * Wo), x.dtype)
    sizes = (N * C, H, W), (Ho, Wo)
    _im2col(x.reshape(-1), sizes[0], cols.reshape(-1), sizes[1], g.kernel, g.stride, g.padding, g.dilation)
    return cols


@kernel
def _col2im(cols, x, kernel, stride, padding, dilation):
    (planes, H, W), (Ho, Wo) = x.shape, cols.shape[2:]
    for p in prange(planes):
        x[p] = 0
        for tap in range(kernel[0] * kernel[1]):
            k, l = tap // kernel[1], tap % kernel[1]
            first = l * dilation[1] - padding[1]
            lo, hi = max(0, -(first // stride[1])), min(Wo, -((first - W) // stride[1]))
            for i in range(Ho):
                h = i * stride[0] + k * dilation[0] - padding[0]
                if 0 <= h < H:
                    for j in range(lo, hi):
                        x[p, h, j * stride[1] + first] += cols[p, tap, i, j]


def col2im(cols, size, geometry):
    """for n, c, k, l, i, j: x[n, c, i s + k d - p, j s + l d - p] += cols[n, (c, k, l), (i, j)]; planes never meet."""
    cols, g = np.ascontiguousarray(cols), geometry
    (Ho, Wo), taps = g.output_size(size), g.kernel[0] * g.kernel[1]
    N, C = cols.shape[0], cols.shape[1] // taps
    x = np.empty((N, C, *size), cols.dtype)
    _col2im(cols.reshape(N * C, taps, Ho, Wo), x.reshape(N * C, *size), g.kernel, g.stride, g.padding, g.dilation)
    return x
