"""Bilinear sampling at points in Numba: every point's corner and weights once, then all channels."""

import numpy as np
from numba import prange

from ..runtime.jit import inner, kernel
from ..runtime.threads import threads_for


@inner
def _corner(x, y, H, W):
    """(column, row, u, v): the upper left neighbour and the weights of the right and lower ones; column -2 if all are outside.

    NaN and infinity are outside, too.
    """
    if not (x >= -1 and x < W and y >= -1 and y < H):
        return -2, -2, type(x)(0), type(y)(0)
    left, top = int(np.floor(x)), int(np.floor(y))
    return left, top, x - type(x)(left), y - type(y)(top)


@inner
def _tables(points, n, H, W, place, weight):
    """Flat places (4, L) of the neighbours of image n's points, -1 outside, and their weights (4, L)."""
    one = points.dtype.type(1)
    for p in range(points.shape[1]):
        left, top, u, v = _corner(points[n, p, 0], points[n, p, 1], H, W)
        for t in range(4):
            h, w = top + t // 2, left + t % 2
            place[t, p] = h * W + w if 0 <= h < H and 0 <= w < W else -1
            weight[t, p] = (v if t // 2 else one - v) * (u if t % 2 else one - u)


@kernel
def _sample(T, x, points, size, y):
    N, C, L = y.shape
    for t in prange(T):
        place, weight, image = np.empty((4, L), np.int64), np.empty((4, L), x.dtype), -1
        for r in range(t * N * C // T, (t + 1) * N * C // T):
            n, c = r // C, r % C
            if n != image:
                _tables(points, n, size[0], size[1], place, weight)
                image = n
            for p in range(L):
                total = x.dtype.type(0)
                for q in range(4):
                    if place[q, p] >= 0:
                        total += weight[q, p] * x[n, c, np.uintp(place[q, p])]
                y[n, c, p] = total


@kernel
def _adjoint(T, y, points, size, x):
    N, C, L = y.shape
    for t in prange(T):
        place, weight, image = np.empty((4, L), np.int64), np.empty((4, L), x.dtype), -1
        for r in range(t * N * C // T, (t + 1) * N * C // T):
            n, c = r // C, r % C
            if n != image:
                _tables(points, n, size[0], size[1], place, weight)
                image = n
            x[n, c] = 0
            for p in range(L):
                for q in range(4):
                    if place[q, p] >= 0:
                        x[n, c, np.uintp(place[q, p])] += weight[q, p] * y[n, c, p]


@kernel
def _slope(T, y, x, points, size, slope):
    (N, C, L), (H, W) = y.shape, size
    for t in prange(T):
        at = np.empty(4, np.int64)
        for r in range(t * N * L // T, (t + 1) * N * L // T):
            n, p = r // L, r % L
            left, top, u, v = _corner(points[n, p, 0], points[n, p, 1], H, W)
            for q in range(4):
                h, w = top + q // 2, left + q % 2
                at[q] = h * W + w if 0 <= h < H and 0 <= w < W else -1
            in_x, in_y = x.dtype.type(0), x.dtype.type(0)
            for c in range(C):
                zero = x.dtype.type(0)
                a0 = x[n, c, at[0]] if at[0] >= 0 else zero
                b0 = x[n, c, at[1]] if at[1] >= 0 else zero
                a1 = x[n, c, at[2]] if at[2] >= 0 else zero
                b1 = x[n, c, at[3]] if at[3] >= 0 else zero
                in_x += y[n, c, p] * ((1 - v) * (b0 - a0) + v * (b1 - a1))
                in_y += y[n, c, p] * ((1 - u) * (a1 - a0) + u * (b1 - b0))
            slope[n, p, 0], slope[n, p, 1] = in_x, in_y


def _flat(a, axes):
    """The array with its last `axes` axes joined."""
    kept = a.shape[: a.ndim - axes]
    return a.reshape(*kept, int(np.prod(a.shape[a.ndim - axes :])))


def _listed(points):
    """(N, Ho, Wo, 2) -> (N, Ho Wo, 2)."""
    return points.reshape(len(points), points.shape[1] * points.shape[2], 2)


def grid_sample(x, points):
    """y[n,c,i,j] = x[n,c] at points[n,i,j], bilinear; outside the image is 0."""
    y = np.empty((*x.shape[:2], *points.shape[1:3]), x.dtype)
    _sample(threads_for(4 * y.size), _flat(x, 2), _listed(points), x.shape[2:], _flat(y, 2))
    return y


def grid_sample_adjoint(y, points, size):
    """Adds y at the four neighbours of every point; a plane is written by one thread, so the order is always the same."""
    x = np.empty((*y.shape[:2], *size), y.dtype)
    _adjoint(threads_for(4 * y.size + x.size), _flat(y, 2), _listed(points), (int(size[0]), int(size[1])), _flat(x, 2))
    return x


def grid_sample_slope(y, x, points):
    """The derivative of <y, grid_sample(x, points)> in points: point by point, over all channels."""
    slope = np.empty(points.shape, x.dtype)
    _slope(threads_for(4 * y.size), _flat(y, 2), _flat(x, 2), _listed(points), x.shape[2:], _listed(slope))
    return slope
