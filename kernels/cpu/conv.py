"""The three convolutions of the CPU column, and the choice among their algorithms."""

import numpy as np

from . import tiled, tiled_weight, winograd_conv, winograd_weight


def _wino(C, O, g, dtype):
    return (
        g.kernel == (3, 3)
        and g.stride == (1, 1)
        and g.dilation[0] == g.dilation[1]
        and dtype == np.float32
        and min(C, O) // g.groups >= 16
    )


def conv2d(x, w, bias, geometry):
    x, w = np.ascontiguousarray(x), np.ascontiguousarray(w)
    if _wino(x.shape[1], w.shape[0], geometry, x.dtype):
        return winograd_conv.conv2d(x, w, bias, geometry)
    return tiled.conv2d(x, w, bias, geometry)


def conv_transpose2d(y, w, bias, size, geometry):
    y, w = np.ascontiguousarray(y), np.ascontiguousarray(w)
    if _wino(y.shape[1], w.shape[1] * geometry.groups, geometry, y.dtype):
        return winograd_conv.conv_transpose2d(y, w, bias, size, geometry)
    return tiled.conv_transpose2d(y, w, bias, size, geometry)


def conv2d_weight(x, y, geometry):
    x, y = np.ascontiguousarray(x), np.ascontiguousarray(y)
    if _wino(x.shape[1], y.shape[1], geometry, x.dtype):
        return winograd_weight.conv2d_weight(x, y, geometry)
    return tiled_weight.conv2d_weight(x, y, geometry)
