"""ROI Pool in Numba, and gather and scatter between boxes and planes: a plane of an image is processed by one thread."""

import numpy as np
from numba import prange

from ...geometry import check_boxes
from ..runtime.jit import inner, kernel
from ..runtime.threads import threads_for
from .roi_align import by_image


@inner
def _rounded(v):
    """The nearest integer, halves away from zero."""
    whole = int(v)
    return whole + (1 if v - whole >= 0.5 else -1 if v - whole <= -0.5 else 0)


@inner
def _edges(low, high, scale, count, n, edges):
    """edges[i] = the first pixel of bin i and the one after its last, cut to 0 ... n."""
    T = type(scale)
    start, end = _rounded(low * scale), _rounded(high * scale)
    size = T(max(end - start + 1, 1)) / T(count)
    for i in range(count):
        edges[i, 0] = min(max(start + int(np.floor(T(i) * size)), 0), n)
        edges[i, 1] = min(max(start + int(np.ceil(T(i + 1) * size)), 0), n)


@kernel
def _pool(T, x, boxes, scale, order, begin, y, index):
    N, C, H, W = x.shape
    K, ph, pw = len(boxes), y.shape[2], y.shape[3]
    rows, cols = np.empty((K, ph, 2), np.int64), np.empty((K, pw, 2), np.int64)
    for k in range(K):
        _edges(boxes[k, 2], boxes[k, 4], scale, ph, H, rows[k])
        _edges(boxes[k, 1], boxes[k, 3], scale, pw, W, cols[k])
    for t in prange(T):
        for r in range(t * N * C // T, (t + 1) * N * C // T):
            n, c = r % N, r // N
            for q in range(begin[n], begin[n + 1]):
                k = order[q]
                for i in range(ph):
                    for j in range(pw):
                        best, at = x.dtype.type(0), -1
                        for h in range(rows[k, i, 0], rows[k, i, 1]):
                            for w in range(cols[k, j, 0], cols[k, j, 1]):
                                v = x[n, c, h, w]
                                if at < 0 or v > best or (v != v and best == best):
                                    best, at = v, h * W + w
                        y[k, c, i, j], index[k, c, i, j] = best, at


def roi_pool(x, boxes, output_size, scale):
    """(y, index): bins of rounded boxes; edges once per box, then plane by plane."""
    check_boxes("roi_pool", boxes[:, 0], len(x))
    y = np.empty((len(boxes), x.shape[1], *output_size), x.dtype)
    index = np.empty(y.shape, np.int32)
    _pool(threads_for(x.size + y.size), x, boxes, x.dtype.type(scale), *by_image(boxes[:, 0], len(x)), y, index)
    return y, index


@kernel
def _gather(T, x, batch, index, y, bad):
    K, C, L = index.shape
    for t in prange(T):
        for r in range(t * K * C // T, (t + 1) * K * C // T):
            k, c = r // C, r % C
            for l in range(L):
                at = index[k, c, l]
                if at < -1 or at >= x.shape[2]:
                    bad[t] = True
                    at = -1
                y[k, c, l] = x[batch[k], c, at] if at >= 0 else 0


@kernel
def _scatter(T, y, index, order, begin, x, bad):
    N, C, P = x.shape
    for t in prange(T):
        for r in range(t * N * C // T, (t + 1) * N * C // T):
            n, c = r % N, r // N
            x[n, c] = 0
            for q in range(begin[n], begin[n + 1]):
                k = order[q]
                for l in range(index.shape[2]):
                    at = index[k, c, l]
                    if at < -1 or at >= P:
                        bad[t] = True
                    elif at >= 0:
                        x[n, c, at] += y[k, c, l]


def _check(name, bad, index, size):
    if bad.any():
        wrong = index[(index < -1) | (index >= size)].flat[0]
        raise IndexError(f"{name}: index holds {wrong}, the plane has {size} positions (-1 stands for none)")


def _flat(a):
    """(K, C, ...) as (K, C, L)."""
    return a.reshape(*a.shape[:2], int(np.prod(a.shape[2:])))


def roi_gather(x, batch, index):
    """y[k,c,...] = x[batch[k],c].flat[index[k,c,...]]; index -1 gives 0; IndexError outside the plane."""
    y, T = np.empty(index.shape, x.dtype), threads_for(index.size)
    check_boxes("roi_gather", batch, len(x))
    bad = np.zeros(T, np.bool_)
    _gather(T, _flat(x), batch, _flat(index), _flat(y), bad)
    _check("roi_gather", bad, index, x.shape[2] * x.shape[3])
    return y


def roi_scatter(y, batch, index, size):
    """x[batch[k],c].flat[index[k,c,...]] += y[k,c,...], box after box in every plane; size is (N, H, W)."""
    check_boxes("roi_scatter", batch, size[0])
    x, T = (
        np.empty((size[0], y.shape[1], *size[1:]), y.dtype),
        threads_for(index.size + y.shape[1] * int(np.prod(size))),
    )
    bad = np.zeros(T, np.bool_)
    _scatter(T, _flat(y), _flat(index), *by_image(batch, size[0]), _flat(x), bad)
    _check("roi_scatter", bad, index, size[1] * size[2])
    return x
