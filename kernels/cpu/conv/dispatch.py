"""The three convolutions of the CPU column. choice.py has the table that selects the algorithm of a layer.

| algorithm | supports | description |
|---|---|---|
| winograd        | 3x3, 5x5, 4x4 of stride 2; float32 | a fraction of the multiplications (winograd, winograd_weight) |
| depthwise       | groups = channels in and out | rows added up, no product (depthwise) |
| implicit_gemm   | conv2d; stride 1, 1x1, 2x2 by 2 | one product, blocks of im2col's matrix: for 1x1, 2x2, few pixels |
| direct_channels | everything | packed tiles, output channels in the vectors (direct_channels, direct_channels_weight) |
| dilated         | stride 1 | the same, without the taps that see padding: for large dilations (dilated, dilated_weight) |
| direct_pixels   | conv2d, conv_transpose2d | packed tiles, pixels in the vectors: for few channels |
| im2col          | everything | the reference column: the whole matrix of windows, then NumPy's product |

Float32 results lie within 1e-4 (winograd) or 1e-5 (the rest) of the exact ones, relative to the largest value. Results and
gradients have the same bits on any number of threads.
"""

import numpy as np

from ...reference import conv as im2col
from . import (
    depthwise,
    dilated,
    dilated_weight,
    direct_channels,
    direct_channels_weight,
    direct_pixels,
    implicit_gemm,
    winograd,
    winograd_weight,
)
from .choice import choose

# {algorithm: (modules of conv2d and conv_transpose2d, of conv2d_weight)}
MODULES = {
    "winograd": (winograd, winograd_weight),
    "depthwise": (depthwise, depthwise),
    "direct_channels": (direct_channels, direct_channels_weight),
    "implicit_gemm": (implicit_gemm, None),
    "dilated": (dilated, dilated_weight),
    "direct_pixels": (direct_pixels, None),
    "im2col": (im2col, im2col),
}


def _bias_alone(bias, shape, dtype):
    """The result of an empty sum (no channels, filters or pixels), which no algorithm can divide into tiles."""
    y = np.zeros(shape, dtype)
    if bias is not None:
        y += bias[:, None, None]
    return y


def conv2d(x, w, bias, geometry):
    """y[n,o,i,j] = b[o] + sum_ckl w[o,c,k,l] x[n, c, i s + k d - p, j s + l d - p]."""
    x, w = np.ascontiguousarray(x), np.ascontiguousarray(w)
    shape = x.shape[0], w.shape[0], *geometry.output_size(x.shape[2:])
    if not w.size or 0 in shape:
        return _bias_alone(bias, shape, x.dtype)
    algorithm, *_ = choose(x.shape, w.shape, geometry, x.dtype)
    return MODULES[algorithm][0].conv2d(x, w, bias, geometry)


def conv_transpose2d(y, w, bias, size, geometry):
    """x[n,c,h,v] = b[c] + sum of w[o,c,k,l] y[n,o,i,j] over all (i, k), (j, l) with h = i s + k d - p, v = j s + l d - p."""
    y, w = np.ascontiguousarray(y), np.ascontiguousarray(w)
    shape = y.shape[0], w.shape[1] * geometry.groups, *size
    if not w.size or 0 in shape:
        return _bias_alone(bias, shape, y.dtype)
    algorithm, *_ = choose(shape, w.shape, geometry, y.dtype, "data")
    return MODULES[algorithm][0].conv_transpose2d(y, w, bias, size, geometry)


def conv2d_weight(x, y, geometry):
    """w[o,c,k,l] = sum_nij y[n,o,i,j] x[n, c, i s + k d - p, j s + l d - p]."""
    x, y = np.ascontiguousarray(x), np.ascontiguousarray(y)
    shape = y.shape[1], x.shape[1] // geometry.groups, *geometry.kernel
    if 0 in shape or not y.size or not x.size:
        return np.zeros(shape, x.dtype)
    algorithm, *_ = choose(x.shape, shape, geometry, x.dtype, "weight")
    return MODULES[algorithm][1].conv2d_weight(x, y, geometry)
