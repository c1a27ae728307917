"""The three convolutions of the CPU column, and the choice among their algorithms."""

import numpy as np

from . import tiled, tiled_weight


def conv2d(x, w, bias, geometry):
    x, w = np.ascontiguousarray(x), np.ascontiguousarray(w)
    return tiled.conv2d(x, w, bias, geometry)


def conv_transpose2d(y, w, bias, size, geometry):
    y, w = np.ascontiguousarray(y), np.ascontiguousarray(w)
    return tiled.conv_transpose2d(y, w, bias, size, geometry)


def conv2d_weight(x, y, geometry):
    x, y = np.ascontiguousarray(x), np.ascontiguousarray(y)
    return tiled_weight.conv2d_weight(x, y, geometry)
