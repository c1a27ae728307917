"""ROI Align in NumPy: bilinear samples on a regular grid in every bin of a box, then their mean or their maximum.

Memory is bounded: for the mean, samples are added up along one axis at a time; for the maximum, blocks of at most ROOM numbers
are compared. Raises ValueError for a box of more than MAX_SAMPLES samples along an axis.
"""

import numpy as np

from ..geometry import check_boxes

MAX_SAMPLES, ROOM = 2**24, 2**20


def samples(start, end, bins, n, ratio, aligned):
    """The neighbours of bins x g samples along an axis of n pixels: (low, high, weight of high, inside), each (bins, g).

    at = start + (bin + (k + 1/2) / g) (end - start) / bins, with g = ratio, or ceil((end - start) / bins) if that is not
    positive. Samples before -1 or after n are not inside; the others are clamped to 0 ... n - 1.
    """
    length = end - start if aligned else max(end - start, start.dtype.type(1))
    step = length / start.dtype.type(bins)
    g = ratio if ratio > 0 else max(int(np.ceil(step)), 0)
    if bins * g > MAX_SAMPLES:
        raise ValueError(
            f"roi_align: a box has {bins * g} samples along an axis; needed at most {MAX_SAMPLES} in the reference column"
        )
    k = (np.arange(g) + 0.5).astype(start.dtype)
    at = start + np.arange(bins).astype(start.dtype)[:, None] * step + k * step / start.dtype.type(max(g, 1))
    inside = (at >= -1) & (at <= n)
    at = np.clip(at, 0, n - 1)
    low = at.astype(np.int64)
    return low, np.minimum(low + 1, n - 1), at - low.astype(at.dtype), inside


def axes(box, output_size, size, scale, ratio, aligned):
    """The samples of one box (x1, y1, x2, y2) along its rows and along its columns."""
    x1, y1, x2, y2 = box * box.dtype.type(scale) - box.dtype.type(0.5 if aligned else 0)
    rows = samples(y1, y2, output_size[0], size[0], ratio, aligned)
    return rows, samples(x1, x2, output_size[1], size[1], ratio, aligned)


def bin_weights(taps):
    """For every bin along an axis: the distinct pixels that its samples read, and their weights in the mean."""
    for low, high, weight, inside in zip(*taps):
        pixels = np.concatenate([low[inside], high[inside]])
        weights = np.concatenate([1 - weight[inside], weight[inside]]) / weight.dtype.type(max(len(low), 1))
        used, place = np.unique(pixels, return_inverse=True)
        total = np.zeros(len(used))
        np.add.at(total, place, weights)
        yield used, total.astype(weight.dtype)


def roi_align(x, boxes, output_size, scale, ratio, aligned):
    """y[k,c,i,j] = the mean of the samples in bin (i, j) of box k; 0 for a bin without samples.

    boxes (K, 5), of x's dtype: image, x1, y1, x2, y2; times scale (minus 1/2 if aligned) they are in pixels of x. A sample is a
    product of weights along rows and columns, so the mean is a weighted sum of rows, then one of columns.
    """
    check_boxes("roi_align", boxes[:, 0], len(x), x.shape[2:])
    y = np.zeros((len(boxes), x.shape[1], *output_size), x.dtype)
    for k, (n, *box) in enumerate(boxes):
        rows, cols = axes(np.array(box), output_size, x.shape[2:], scale, ratio, aligned)
        for i, (pixels, weights) in enumerate(bin_weights(rows)):
            line = np.einsum("h,chw->cw", weights, x[int(n)][:, pixels])
            for j, (used, along) in enumerate(bin_weights(cols)):
                y[k, :, i, j] = line[:, used] @ along
    return y


def roi_align_adjoint(y, boxes, size, scale, ratio, aligned):
    """Adds every y[k,c,i,j] to the pixels of its bin, times their weights in its mean; size is (N, H, W)."""
    check_boxes("roi_align_adjoint", boxes[:, 0], size[0], size[1:])
    x = np.zeros((size[0], y.shape[1], *size[1:]), y.dtype)
    for k, (n, *box) in enumerate(boxes):
        rows, cols = axes(np.array(box), y.shape[2:], size[1:], scale, ratio, aligned)
        for i, (pixels, weights) in enumerate(bin_weights(rows)):
            line = np.zeros((y.shape[1], size[2]), y.dtype)
            for j, (used, along) in enumerate(bin_weights(cols)):
                line[:, used] += y[k, :, i, j, None] * along
            x[int(n)][:, pixels] += weights[:, None] * line[:, None]
    return x


def _grid(plane, rows, cols):
    """(C, H, W) -> (C, gy, gx): the value at every sample of a bin, 0 outside."""
    (top, bottom, v, above), (left, right, u, beside) = rows, cols
    lines = (1 - v)[:, None] * plane[:, top] + v[:, None] * plane[:, bottom]  # (C, gy, W)
    values = (1 - u) * lines[..., left] + u * lines[..., right]
    return np.where(above[:, None] & beside, values, 0).astype(plane.dtype)


def _decisive(along):
    """The samples of a bin along an axis that are inside, and the first outside, to which all others outside are equal."""
    inside = along[3]
    kept = inside | (np.cumsum(~inside) == 1)
    return [a[kept] for a in along]


def _largest(plane, rows, cols):
    """(value, position) of each channel's largest sample of a bin, the first of equal ones; NaN counts as the largest."""
    C, gy, gx = len(plane), len(rows[0]), len(cols[0])
    best, place = np.zeros(C, plane.dtype), np.full(C, -1)
    step = max(1, ROOM // max(C * max(gx, plane.shape[2]), 1))
    for first in range(0, gy if gx else 0, step):
        values = _grid(plane, [a[first : first + step] for a in rows], cols)
        values = values.reshape(C, values.shape[1] * gx)
        at = values.argmax(1)
        value = values[np.arange(C), at]
        better = (place < 0) | (value > best) | (np.isnan(value) & ~np.isnan(best))
        best, place = np.where(better, value, best), np.where(better, first * gx + at, place)
    return best, place


def roi_align_max(x, boxes, output_size, scale, ratio, aligned):
    """(y, index, weight): the largest sample of each bin, the first of equal ones; NaN counts as the largest.

    y[k,c,i,j] = sum over t < 4 of weight[k,c,i,j,t] x[n,c].flat[index[k,c,i,j,t]]; index -1 (weight 0) where there is no
    sample, or the largest lies outside.
    """
    check_boxes("roi_align_max", boxes[:, 0], len(x), x.shape[2:])
    K, C, (ph, pw) = len(boxes), x.shape[1], output_size
    y = np.zeros((K, C, ph, pw), x.dtype)
    index, weight = np.full((K, C, ph, pw, 4), -1, np.int32), np.zeros((K, C, ph, pw, 4), x.dtype)
    for k, (n, *box) in enumerate(boxes):
        taps = axes(np.array(box), output_size, x.shape[2:], scale, ratio, aligned)
        for i, j in np.ndindex(ph, pw):
            rows, cols = (_decisive([a[bin] for a in along]) for along, bin in zip(taps, (i, j)))
            y[k, :, i, j], best = _largest(x[int(n)], rows, cols)
            gx = len(cols[0])
            if not C or best[0] < 0:
                continue
            (top, bottom, v, above), (left, right, u, beside) = (
                [a[at] for a in along] for along, at in ((rows, best // gx), (cols, best % gx))
            )
            corners = ((top, left), (top, right), (bottom, left), (bottom, right))
            shares = ((1 - v) * (1 - u), (1 - v) * u, v * (1 - u), v * u)
            inside = above & beside
            for t, ((h, w), share) in enumerate(zip(corners, shares)):
                index[k, :, i, j, t] = np.where(inside, h * x.shape[3] + w, -1)
                weight[k, :, i, j, t] = np.where(inside, share, 0)
    return y, index, weight
