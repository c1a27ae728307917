"""Convolution as three matrix products around im2col: the simplest form, which stores every pixel kh kw times.

On a GPU cuBLAS computes the products, through CuPy's `@`; the simulator uses the tiled product of matmul.cu. The kernels of
implicit.py read the columns from the image during the multiplication.
"""

import numpy as np

from ..loader import array_module
from .im2col import col2im, im2col
from .matmul import matmul


def _products(a, b):
    """(..., M, K) and (..., K, N) -> (..., M, N); leading axes are broadcast."""
    if array_module(a) is not np:
        return a @ b
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    c = np.empty((*batch, a.shape[-2], b.shape[-1]), a.dtype)
    a, b = (np.broadcast_to(m, batch + m.shape[-2:]) for m in (a, b))
    for at in np.ndindex(batch):
        c[at] = matmul(a[at], b[at])
    return c


def conv2d(x, w, bias, geometry):
    """y = W X, with the windows of x as the columns of X, for every image and group."""
    (N, _, H, W), O, G = x.shape, w.shape[0], geometry.groups
    Ho, Wo = geometry.output_size((H, W))
    cols = im2col(x, geometry).reshape(N, G, w[0].size, Ho * Wo)
    y = _products(w.reshape(G, O // G, w[0].size), cols).reshape(N, O, Ho, Wo)
    return y if bias is None else y + bias[:, None, None]


def conv_transpose2d(y, w, bias, size, geometry):
    """col2im(W' Y): the adjoint of conv2d in x."""
    (N, O, Ho, Wo), G = y.shape, geometry.groups
    w = w.reshape(G, O // G, w[0].size)
    cols = _products(w.swapaxes(1, 2), y.reshape(N, G, O // G, Ho * Wo))
    x = col2im(cols.reshape(N, G * w.shape[2], Ho * Wo), size, geometry)
    return x if bias is None else x + bias[:, None, None]


def conv2d_weight(x, y, geometry):
    """Y X', summed over images: the adjoint of conv2d in w."""
    (N, C), (O, Ho, Wo), G = x.shape[:2], y.shape[1:], geometry.groups
    K = C // G * geometry.kernel[0] * geometry.kernel[1]
    cols = im2col(x, geometry).reshape(N, G, K, Ho * Wo)
    w = _products(y.reshape(N, G, O // G, Ho * Wo), cols.swapaxes(2, 3)).sum(0)
    return w.reshape(O, C // G, *geometry.kernel)
