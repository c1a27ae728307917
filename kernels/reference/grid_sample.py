"""Bilinear samples of an image at arbitrary points, in NumPy: forward, adjoint in the image, derivative in the points."""

import numpy as np


def _corners(points, size):
    """For points (N, Ho, Wo, 2) in pixels (x, y): the four neighbours' flat positions, weights, and weight slopes.

    Yields (at, weight, slope in x, slope in y), each (N, Ho, Wo); a neighbour outside the image has weights 0.
    """
    H, W = size
    x, y = points[..., 0], points[..., 1]
    near = (x >= -1) & (x < W) & (y >= -1) & (y < H)
    x, y = np.where(near, x, 0), np.where(near, y, 0)
    left, top = np.floor(x), np.floor(y)
    u, v = x - left, y - top
    for dy, wy, sy in ((0, 1 - v, -1), (1, v, 1)):
        for dx, wx, sx in ((0, 1 - u, -1), (1, u, 1)):
            h, w = top.astype(np.int64) + dy, left.astype(np.int64) + dx
            inside = near & (h >= 0) & (h < H) & (w >= 0) & (w < W)
            yield np.where(inside, h * W + w, 0), inside * (wy * wx), inside * (sx * wy), inside * (sy * wx)


def _take(x, at):
    """x[n, c].flat[at[n, i, j]] as (N, C, Ho, Wo)."""
    N, C, H, W = x.shape
    places = np.broadcast_to(_listed(at), (N, C, at.shape[1] * at.shape[2]))
    return np.take_along_axis(x.reshape(N, C, H * W), places, 2).reshape(N, C, *at.shape[1:])


def _listed(at):
    """(N, Ho, Wo) -> (N, 1, Ho Wo)."""
    return at.reshape(len(at), 1, at.shape[1] * at.shape[2])


def grid_sample(x, points):
    """y[n,c,i,j] = x[n,c] at points[n,i,j] = (x, y), in pixels, bilinear in the four neighbours; outside x is 0."""
    y = np.zeros((*x.shape[:2], *points.shape[1:3]), x.dtype)
    if not x.size:
        return y
    for at, weight, _, _ in _corners(points, x.shape[2:]):
        y += weight[:, None].astype(x.dtype) * _take(x, at)
    return y


def grid_sample_adjoint(y, points, size):
    """Adds y at the four neighbours of every point, with their weights."""
    N, C = y.shape[:2]
    x = np.zeros((N, C, size[0] * size[1]), y.dtype)
    if not x.size:
        return x.reshape(N, C, *size)
    image, channel = np.arange(N)[:, None, None], np.arange(C)[:, None]
    for at, weight, _, _ in _corners(points, size):
        part = weight[:, None].astype(y.dtype) * y
        np.add.at(x, (image, channel, _listed(at)), part.reshape(N, C, at.shape[1] * at.shape[2]))
    return x.reshape(N, C, *size)


def grid_sample_slope(y, x, points):
    """The derivative of <y, grid_sample(x, points)> in points, (N, Ho, Wo, 2); at whole pixels, the right-hand derivative."""
    slope = np.zeros_like(points)
    if not x.size:
        return slope
    for at, _, in_x, in_y in _corners(points, x.shape[2:]):
        value = (y * _take(x, at)).sum(1)
        slope += np.stack([in_x * value, in_y * value], -1)
    return slope
