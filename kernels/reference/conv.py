"""Convolution in NumPy: three matrix products around im2col, one for each argument of a trilinear form.

B(x, w, y) = <conv2d(x, w), y> = <x, conv_transpose2d(y, w)> = <w, conv2d_weight(x, y)>. With the windows of the image
as the columns of a matrix, the three are  W X,  W' Y  and  Y X', one product for every group of channels.
"""

import math

import numpy as np

from .activation import relu
from .im2col import col2im, im2col


def conv2d(x, w, bias, geometry):
    """y[n,o,i,j] = b[o] + sum_ckl w[o,c,k,l] x[n, c, i s + k d - p, j s + l d - p].

    x (N, C, H, W), w (O, C/groups, kh, kw), bias (O,) or None; the result is (N, O, Ho, Wo).
    """
    (N, _, H, W), O, G = x.shape, w.shape[0], geometry.groups
    (Ho, Wo), K = geometry.output_size((H, W)), math.prod(w.shape[1:])
    cols = im2col(x, geometry).reshape(N, G, K, Ho * Wo)
    y = (w.reshape(G, O // G, K) @ cols).reshape(N, O, Ho, Wo)
    return y if bias is None else y + bias[:, None, None]


def conv2d_prepared(x, layer, residual):
    """min(max(conv2d(x, w, bias) + residual, 0), ceiling): the residual and the ceiling may be None."""
    y = conv2d(x, layer.weight, layer.bias, layer.geometry)
    y = y if residual is None else y + residual
    return y if layer.ceiling is None else relu(y, layer.ceiling)


def conv_transpose2d(y, w, bias, size, geometry):
    """x[n,c,h,v] = b[c] + sum of w[o,c,k,l] y[n,o,i,j] over all (i, k), (j, l) with h = i s + k d - p, v = j s + l d - p.

    y (N, O, Ho, Wo), w (O, C/groups, kh, kw), bias (C,) or None; the result is (N, C, *size).
    """
    (N, O, Ho, Wo), G = y.shape, geometry.groups
    w = w.reshape(G, O // G, math.prod(w.shape[1:]))
    cols = w.transpose(0, 2, 1) @ y.reshape(N, G, O // G, Ho * Wo)  # (N, G, C/G kh kw, Ho Wo)
    x = col2im(cols.reshape(N, G * w.shape[2], Ho * Wo), size, geometry)
    return x if bias is None else x + bias[:, None, None]


def conv2d_weight(x, y, geometry):
    """w[o,c,k,l] = sum_nij y[n,o,i,j] x[n, c, i s + k d - p, j s + l d - p]: (O, C/groups, kh, kw)."""
    (N, C), (O, Ho, Wo), G = x.shape[:2], y.shape[1:], geometry.groups
    K = C // G * geometry.kernel[0] * geometry.kernel[1]
    cols = im2col(x, geometry).reshape(N, G, K, Ho * Wo)
    y = y.reshape(N, G, O // G, Ho * Wo)
    w = np.matmul(y, cols.swapaxes(2, 3)).sum(0)
    return w.reshape(O, C // G, *geometry.kernel)
