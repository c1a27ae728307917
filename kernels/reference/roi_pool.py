"""ROI Pool in NumPy, and gather and scatter between boxes and the planes of the images they lie on."""

import numpy as np

from ..geometry import check_boxes


def roi_pool(x, boxes, output_size, scale):
    """(y, index): the largest pixel of each bin of a box whose corners and bins are rounded to pixels, and its position.

    Corners round half away from zero and belong to the box (size x2 - x1 + 1, at least 1); bin i is the pixels
    floor(i size / bins) ... ceil((i + 1) size / bins) - 1 of the box that lie in the image. An empty bin has the value 0
    and index -1; of equal pixels the first is taken, and NaN counts as the largest. index is int32, flat in the H x W plane.
    """
    check_boxes("roi_pool", boxes[:, 0], len(x))
    (K, _), (C, H, W), (ph, pw) = boxes.shape, x.shape[1:], output_size
    y, index = np.zeros((K, C, ph, pw), x.dtype), np.full((K, C, ph, pw), -1, np.int32)
    for k, (n, *box) in enumerate(boxes):
        left, top, right, bottom = _rounded(np.array(box) * boxes.dtype.type(scale))
        rows, cols = _bins(top, bottom, ph, H, boxes.dtype), _bins(left, right, pw, W, boxes.dtype)
        for i, (h, h_end) in enumerate(rows):
            for j, (w, w_end) in enumerate(cols):
                if h < h_end and w < w_end:
                    pixels = x[int(n), :, h:h_end, w:w_end].reshape(C, (h_end - h) * (w_end - w))
                    best = pixels.argmax(1)
                    y[k, :, i, j] = pixels[np.arange(C), best]
                    index[k, :, i, j] = (h + best // (w_end - w)) * W + w + best % (w_end - w)
    return y, index


def _rounded(v):
    """Nearest integers, halves away from zero (NumPy rounds halves to even)."""
    whole = np.trunc(v)
    return (whole + np.sign(v) * (np.abs(v - whole) >= 0.5)).astype(np.int64)


def _bins(start, end, count, n, dtype):
    """(count, 2): the first pixel of each bin and the one after its last, clamped to 0 ... n."""
    size = dtype.type(max(end - start + 1, 1)) / dtype.type(count)
    i = np.arange(count).astype(dtype)
    edges = np.stack([np.floor(i * size), np.ceil((i + 1) * size)], 1).astype(np.int64)
    return np.clip(start + edges, 0, n)


def _check(name, index, size):
    wrong = index[(index < -1) | (index >= size)]
    if wrong.size:
        raise IndexError(f"{name}: index holds {wrong[0]}, the plane has {size} positions (-1 stands for none)")


def roi_gather(x, batch, index):
    """y[k,c,...] = x[batch[k],c].flat[index[k,c,...]]; index -1 gives 0; IndexError outside the plane."""
    N, C, H, W = x.shape
    check_boxes("roi_gather", batch, N)
    _check("roi_gather", index, H * W)
    image, channel = batch.reshape(-1, 1, 1), np.arange(C)[:, None]
    flat = index.reshape(len(batch), C, -1) if index.size else index.reshape(len(batch), C, 0)
    y = x.reshape(N, C, H * W)[image, channel, np.maximum(flat, 0)]
    return np.where(flat < 0, x.dtype.type(0), y).reshape(index.shape)


def roi_scatter(y, batch, index, size):
    """x[batch[k],c].flat[index[k,c,...]] += y[k,c,...]; index -1 adds nothing; size is (N, H, W)."""
    N, H, W = size
    K, C = y.shape[:2]
    check_boxes("roi_scatter", batch, N)
    _check("roi_scatter", index, H * W)
    x = np.zeros((N, C, H * W), y.dtype)
    flat = index.reshape(K, C, -1) if index.size else index.reshape(K, C, 0)
    k, c, at = np.nonzero(flat >= 0)
    np.add.at(x, (batch[k], c, flat[k, c, at]), y.reshape(flat.shape)[k, c, at])
    return x.reshape(N, C, H, W)
