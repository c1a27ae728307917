"""Convolution in CUDA C: depthwise where every group has one input channel, else an implicit matrix product."""

from ..pointwise.activation import relu
from . import depthwise, implicit


def _chosen(geometry, channels):
    return depthwise if channels == geometry.groups else implicit


def conv2d(x, w, bias, geometry):
    """y[n,o,i,j] = b[o] + sum_ckl w[o,c,k,l] x[n, c, i s + k d - p, j s + l d - p]."""
    return _chosen(geometry, x.shape[1]).conv2d(x, w, bias, geometry)


def conv2d_prepared(x, layer, residual):
    """min(max(conv2d(x, w, bias) + residual, 0), ceiling)."""
    y = conv2d(x, layer.weight, layer.bias, layer.geometry)
    y = y if residual is None else y + residual
    return y if layer.ceiling is None else relu(y, layer.ceiling)


def conv_transpose2d(y, w, bias, size, geometry):
    """x[n,c,h,v] = b[c] + sum of w[o,c,k,l] y[n,o,i,j] over all (i, k), (j, l) with h = i s + k d - p, v = j s + l d - p."""
    return _chosen(geometry, w.shape[1] * geometry.groups).conv_transpose2d(y, w, bias, size, geometry)


def conv2d_weight(x, y, geometry):
    """w[o,c,k,l] = sum_nij y[n,o,i,j] x[n, c, i s + k d - p, j s + l d - p]."""
    return _chosen(geometry, x.shape[1]).conv2d_weight(x, y, geometry)
