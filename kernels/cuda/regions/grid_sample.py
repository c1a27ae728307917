"""Bilinear sampling at points in CUDA C: one thread a point."""

from ..loader import Kernel, array_module, contiguous

_sample = Kernel("regions/grid_sample.cu", "grid_sample")
_adjoint = Kernel("regions/grid_sample.cu", "grid_sample_adjoint")
_slope = Kernel("regions/grid_sample.cu", "grid_sample_slope")


def _launch(N, C, L):
    """Blocks of 256 points; rows of blocks share out the channels, about eight to a thread."""
    return {"grid": (-(-N * L // 256), min(-(-C // 8), 65535)), "block": 256}


def grid_sample(x, points):
    """y[n,c,i,j] = x[n,c] at points[n,i,j] = (x, y), in pixels, bilinear; outside the image is 0."""
    x, points = contiguous(x, points)
    (N, C, H, W), (_, Ho, Wo, _) = x.shape, points.shape
    y = array_module(x).empty((N, C, Ho, Wo), x.dtype)
    _sample(x, points, y, (N, C, H, W, Ho * Wo), **_launch(N, C, Ho * Wo))
    return y


def grid_sample_adjoint(y, points, size):
    """Adds y at the four neighbours of every point, with their weights."""
    y, points = contiguous(y, points)
    (N, C, Ho, Wo), (H, W) = y.shape, size
    x = array_module(y).zeros((N, C, H, W), y.dtype)
    _adjoint(y, points, x, (N, C, H, W, Ho * Wo), **_launch(N, C, Ho * Wo))
    return x


def grid_sample_slope(y, x, points):
    """The derivative of <y, grid_sample(x, points)> in points, (N, Ho, Wo, 2)."""
    y, x, points = contiguous(y, x, points)
    (N, C, H, W), slope = x.shape, array_module(x).empty_like(points)
    _slope(y, x, points, slope, (N, C, H, W, points.shape[1] * points.shape[2]), threads=points.size // 2)
    return slope
