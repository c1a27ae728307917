"""Separable resizing in CUDA C; the tables of taps are computed on the CPU (tables.py)."""

import numpy as np

from ...geometry import check_plane
from ..loader import Kernel, array_module, contiguous, i32
from ..planes import over_planes
from ..tables import table

_resize = Kernel("pool/resize.cu", "resize2d")
_rows_adjoint = Kernel("pool/resize.cu", "resize_rows_adjoint")
_cols_adjoint = Kernel("pool/resize.cu", "resize_cols_adjoint")


def _host(taps):
    """(lo, hi, f) as NumPy arrays."""
    return tuple(a if isinstance(a, np.ndarray) else a.get() for a in taps)


def _inverse(xp, taps, size, dtype):
    """Sorted by what they read: (first (size + 1,), from, weight), as resize.cu says; taps of weight 0 are left out."""
    lo, hi, f = _host(taps)
    near, far = 1 - f.astype(dtype), f.astype(dtype)
    to, weight = np.concatenate([lo, hi]), np.concatenate([near, far])
    source = np.tile(np.arange(lo.size), 2)
    kept = np.concatenate([np.ones(lo.size, bool), far != 0])
    order = np.flatnonzero(kept)[np.argsort(to[kept], kind="stable")]
    first = np.searchsorted(to[order], np.arange(size + 1))
    return table(xp, first, "int32"), table(xp, source[order], "int32"), table(xp, weight[order], dtype)


def resize2d(x, rows, cols):
    """y[n,c,i,j] = (1 - f) x[lo] + f x[hi] along rows and columns: one thread a pixel."""
    check_plane("resize2d", x.shape[2:], (len(rows[0]), len(cols[0])))
    x = contiguous(x)
    (N, C, H, W), xp, Ho, Wo = x.shape, array_module(x), len(rows[0]), len(cols[0])
    y = xp.empty((N, C, Ho, Wo), x.dtype)
    taps = []
    for lo, hi, f in map(_host, (rows, cols)):
        taps += table(xp, np.stack([lo, hi]), "int32"), table(xp, f, x.dtype)
    _resize(x, y, *taps, (N * C, H, W, Ho, Wo), **over_planes(N * C, Ho * Wo))
    return y


def resize2d_adjoint(y, rows, cols, size):
    """Adds every y[n,c,i,j] to the pixels it was interpolated from, as gathers along rows and then along columns."""
    check_plane("resize2d_adjoint", size, y.shape[2:])
    y = contiguous(y)
    (N, C, Ho, Wo), xp, (H, W) = y.shape, array_module(y), size
    tall, x = xp.empty((N, C, H, Wo), y.dtype), xp.empty((N, C, H, W), y.dtype)
    taps = _inverse(xp, rows, H, y.dtype)
    _rows_adjoint(y, tall, *taps, (N * C, H, Wo, Ho, Wo), **over_planes(N * C, H * Wo))
    _cols_adjoint(tall, x, *_inverse(xp, cols, W, y.dtype), *i32(N * C * H, W, Wo), **over_planes(N * C * H, W))
    return x
