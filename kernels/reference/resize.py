"""Separable resizing in NumPy: two taps along each axis."""

import numpy as np

from ..geometry import check_plane


def _interpolate(x, taps, axis):
    lo, hi, f = taps
    if not np.any(f):  # nearest neighbour: a tap of weight 0 is not read, so an infinity does not become NaN
        return np.take(x, lo, axis)
    f = f.astype(x.dtype).reshape((-1, *[1] * (x.ndim - 1 - axis)))
    return (1 - f) * np.take(x, lo, axis) + f * np.take(x, hi, axis)


def _interpolate_adjoint(y, taps, axis, size):
    y = np.moveaxis(y, axis, 0)
    x = np.zeros((size, *y.shape[1:]), y.dtype)
    for row, lo, hi, f in zip(y, *taps):
        f = y.dtype.type(f)
        x[lo] += (1 - f) * row
        if f:
            x[hi] += f * row
    return np.moveaxis(x, 0, axis)


def resize2d(x, rows, cols):
    """y[n,c,i,j] = sum over two taps per axis; along an axis (1 - f[i]) x[lo[i]] + f[i] x[hi[i]].

    rows and cols are (lo, hi, f): int32, int32 and floating arrays of the output's height and width. Nearest
    neighbour is f = 0; bilinear takes lo = floor and f the fraction of the half-pixel (or aligned) coordinate.
    """
    check_plane("resize2d", x.shape[2:], (len(rows[0]), len(cols[0])))
    return np.ascontiguousarray(_interpolate(_interpolate(x, cols, 3), rows, 2))


def resize2d_adjoint(y, rows, cols, size):
    """Adds every y[n,c,i,j] to the up to four pixels of the (H, W) plane that it was interpolated from."""
    check_plane("resize2d_adjoint", size, y.shape[2:])
    x = _interpolate_adjoint(_interpolate_adjoint(y, rows, 2, size[0]), cols, 3, size[1])
    return np.ascontiguousarray(x)
