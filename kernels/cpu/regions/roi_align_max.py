"""ROI Align with the largest sample of a bin in Numba: sampling points once per box, then all channels."""

import numpy as np
from numba import prange

from ...geometry import check_boxes
from ..runtime.jit import inner, kernel
from ..runtime.threads import threads_for
from .roi_weights import Sampling, bin_step, sample


@inner
def _points(low, upper, start, step, g, n):
    """Lower neighbour (-1 outside) and weight of the upper one for all samples along an axis, (bins, g)."""
    for i in range(low.shape[0]):
        for k in range(g):
            at, f, inside = sample(start, step, i, k, g, n)
            low[i, k], upper[i, k] = at if inside else -1, f


@inner
def _largest(x, n, c, i, j, rows, cols):
    """The largest sample of bin (i, j), the first of equal ones, NaN before all: (value, its row sample, its column sample)."""
    (low_y, v), (low_x, u) = rows, cols
    H, W = x.shape[2:]
    one, best, a, b = x.dtype.type(1), x.dtype.type(0), -1, -1
    for p in range(low_y.shape[1]):
        for q in range(low_x.shape[1]):
            top, left = low_y[i, p], low_x[j, q]
            value = x.dtype.type(0)
            if top >= 0 and left >= 0:
                bottom, right = min(top + 1, H - 1), min(left + 1, W - 1)
                lhs = (one - v[i, p]) * x[n, c, top, left] + v[i, p] * x[n, c, bottom, left]
                rhs = (one - v[i, p]) * x[n, c, top, right] + v[i, p] * x[n, c, bottom, right]
                value = (one - u[j, q]) * lhs + u[j, q] * rhs
            if a < 0 or value > best or (value != value and best == best):
                best, a, b = value, p, q
    return best, a, b


@kernel
def _align_max(T, x, boxes, sampling, y, index, weight):
    (C, H, W), K, one = x.shape[1:], len(boxes), x.dtype.type(1)
    (ph, pw), scale, ratio, aligned = sampling
    offset = x.dtype.type(0.5) if aligned else x.dtype.type(0)
    for t in prange(T):
        for k in range(t * K // T, (t + 1) * K // T):
            x1, y1 = boxes[k, 1] * scale - offset, boxes[k, 2] * scale - offset
            x2, y2 = boxes[k, 3] * scale - offset, boxes[k, 4] * scale - offset
            down, gy = bin_step(y1, y2, ph, ratio, aligned)
            across, gx = bin_step(x1, x2, pw, ratio, aligned)
            low_y, v = np.empty((ph, gy), np.int64), np.empty((ph, gy), x.dtype)
            low_x, u = np.empty((pw, gx), np.int64), np.empty((pw, gx), x.dtype)
            _points(low_y, v, y1, down, gy, H)
            _points(low_x, u, x1, across, gx, W)
            n = int(boxes[k, 0])
            for c in range(C):
                for i in range(ph):
                    for j in range(pw):
                        y[k, c, i, j], a, b = _largest(x, n, c, i, j, (low_y, v), (low_x, u))
                        index[k, c, i, j], weight[k, c, i, j] = -1, 0
                        if a >= 0 and low_y[i, a] >= 0 and low_x[j, b] >= 0:
                            f, e, top, left = v[i, a], u[j, b], low_y[i, a], low_x[j, b]
                            bottom, right = min(top + 1, H - 1), min(left + 1, W - 1)
                            at, share = index[k, c, i, j], weight[k, c, i, j]
                            at[0], share[0] = top * W + left, (one - f) * (one - e)
                            at[1], share[1] = top * W + right, (one - f) * e
                            at[2], share[2] = bottom * W + left, f * (one - e)
                            at[3], share[3] = bottom * W + right, f * e


def roi_align_max(x, boxes, output_size, scale, ratio, aligned):
    """(y, index, weight): the largest sample of each bin, and the places and weights of its four neighbours."""
    check_boxes("roi_align_max", boxes[:, 0], len(x), x.shape[2:])
    y = np.empty((len(boxes), x.shape[1], *output_size), x.dtype)
    index, weight = np.empty((*y.shape, 4), np.int32), np.empty((*y.shape, 4), x.dtype)
    sampling = Sampling(y.shape[2:], x.dtype.type(scale), int(ratio), bool(aligned))
    _align_max(threads_for(4 * y.size), x, boxes, sampling, y, index, weight)
    return y, index, weight
