"""ROI Align in NumPy: bilinear samples on a regular grid in every bin of a box, then their mean or their maximum."""

import numpy as np


def samples(start, end, bins, n, ratio, aligned):
    """Where bins x g samples fall along an axis of n pixels: (low, high, weight of high, inside), each (bins, g).

    at = start + (bin + (k + 1/2) / g) (end - start) / bins, with g = ratio, or ceil((end - start) / bins) if that is not
    positive. Samples before -1 or after n are not inside; the others are clamped to 0 ... n - 1.
    """
    length = end - start if aligned else max(end - start, start.dtype.type(1))
    step = length / start.dtype.type(bins)
    g = ratio if ratio > 0 else max(int(np.ceil(step)), 0)
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


def grid(plane, rows, cols):
    """(C, H, W) -> (C, ph, gy, pw, gx): the value at every sample, 0 outside."""
    (top, bottom, v, above), (left, right, u, beside) = rows, cols
    lines = (1 - v)[..., None] * plane[:, top] + v[..., None] * plane[:, bottom]  # (C, ph, gy, W)
    values = (1 - u) * lines[..., left] + u * lines[..., right]
    return np.where(above[..., None, None] & beside, values, 0).astype(plane.dtype)


def roi_align(x, boxes, output_size, scale, ratio, aligned):
    """y[k,c,i,j] = the mean of the samples in bin (i, j) of box k; a bin without samples gives 0.

    boxes (K, 5), of x's dtype: image, x1, y1, x2, y2; scale (minus 1/2 if aligned) takes them to pixels of x.
    """
    y = np.zeros((len(boxes), x.shape[1], *output_size), x.dtype)
    for k, (n, *box) in enumerate(boxes):
        values = grid(x[int(n)], *axes(np.array(box), output_size, x.shape[2:], scale, ratio, aligned))
        y[k] = values.sum((2, 4)) / max(values.shape[2] * values.shape[4], 1)
    return y


def roi_align_adjoint(y, boxes, size, scale, ratio, aligned):
    """Adds y / count back at the four neighbours of every sample, with their weights; size is (N, H, W)."""
    C, *output_size = y.shape[1:]
    x = np.zeros((size[0], C, *size[1:]), y.dtype)
    for k, (n, *box) in enumerate(boxes):
        rows, cols = axes(np.array(box), output_size, size[1:], scale, ratio, aligned)
        count = rows[0].shape[1] * cols[0].shape[1]
        g = y[k][:, :, None, :, None] / y.dtype.type(max(count, 1))  # (C, ph, 1, pw, 1), to every sample
        g = np.where(rows[3][..., None, None] & cols[3], g, 0)
        lines = np.zeros((*g.shape[:3], size[2]), y.dtype)  # (C, ph, gy, W)
        for at, weight in ((cols[0], 1 - cols[2]), (cols[1], cols[2])):
            np.add.at(lines, (..., at), g * weight)
        for at, weight in ((rows[0], 1 - rows[2]), (rows[1], rows[2])):
            np.add.at(x[int(n)], (slice(None), at), lines * weight[..., None])
    return x


def roi_align_max(x, boxes, output_size, scale, ratio, aligned):
    """(y, index, weight): the largest sample of each bin, the first of equal ones, a NaN before all.

    y[k,c,i,j] = sum over t < 4 of weight[k,c,i,j,t] x[n,c].flat[index[k,c,i,j,t]]; index -1 (weight 0) where there is no
    sample, or the winner lies outside.
    """
    K, C, (ph, pw) = len(boxes), x.shape[1], output_size
    y = np.zeros((K, C, ph, pw), x.dtype)
    index, weight = np.full((K, C, ph, pw, 4), -1, np.int32), np.zeros((K, C, ph, pw, 4), x.dtype)
    for k, (n, *box) in enumerate(boxes):
        rows, cols = axes(np.array(box), output_size, x.shape[2:], scale, ratio, aligned)
        values = grid(x[int(n)], rows, cols).swapaxes(2, 3)  # (C, ph, pw, gy, gx)
        gy, gx = values.shape[3:]
        if gy * gx == 0:
            continue
        best = values.reshape(C, ph, pw, gy * gx).argmax(-1)
        y[k] = np.take_along_axis(values.reshape(C, ph, pw, gy * gx), best[..., None], -1)[..., 0]
        (top, bottom, v, above), (left, right, u, beside) = (
            [a[np.arange(len(a)).reshape(shape), at] for a in taps]
            for taps, shape, at in ((rows, (-1, 1), best // gx), (cols, (1, -1), best % gx))
        )
        corners = ((top, left), (top, right), (bottom, left), (bottom, right))
        shares = ((1 - v) * (1 - u), (1 - v) * u, v * (1 - u), v * u)
        inside = above & beside
        for t, ((h, w), share) in enumerate(zip(corners, shares)):
            index[k, ..., t], weight[k, ..., t] = np.where(inside, h * x.shape[3] + w, -1), np.where(inside, share, 0)
    return y, index, weight
