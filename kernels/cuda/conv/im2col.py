"""im2col and its adjoint in CUDA C."""

from ..loader import Kernel, array_module, contiguous, i32

_im2col = Kernel("conv/im2col.cu", "im2col")
_col2im = Kernel("conv/im2col.cu", "col2im")


def im2col(x, geometry):
    """cols[n, (c, k, l), (i, j)] = x[n, c, i s + k d - p, j s + l d - p]: one thread an entry."""
    x = contiguous(x)
    (N, C), (Ho, Wo), (kh, kw) = x.shape[:2], geometry.output_size(x.shape[2:]), geometry.kernel
    cols = array_module(x).empty((N, C * kh * kw, Ho * Wo), x.dtype)
    _im2col(x, cols, *i32(cols.size), (N * C, *x.shape[2:], Ho, Wo), window(geometry), threads=cols.size)
    return cols


def col2im(cols, size, geometry):
    """x[n, c, h, w] = the sum of the entries that im2col took from there: one thread a pixel."""
    cols = contiguous(cols)
    (Ho, Wo), (kh, kw) = geometry.output_size(size), geometry.kernel
    x = array_module(cols).empty((cols.shape[0], cols.shape[1] // (kh * kw), *size), cols.dtype)
    planes = x.shape[0] * x.shape[1], *size, Ho, Wo
    _col2im(cols, x, *i32(x.size), planes, window(geometry), threads=x.size)
    return x


def window(geometry):
    """A geometry as the `Window` of window.cuh: kh, kw, sh, sw, ph, pw, dh, dw."""
    return *geometry.kernel, *geometry.stride, *geometry.padding, *geometry.dilation
