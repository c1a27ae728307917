"""Wrong answers to paste_mask."""

import numpy as np


def _paste(mask, box, size, position=None, inside=None, flip=False, clamp=True):
    M, (x1, y1, x2, y2) = len(mask), box
    out = np.zeros(size)
    position = position or (lambda i, s, e: (i + 0.5 - s) / (e - s) * M - 0.5)
    inside = inside or (lambda i, s, e: s <= i + 0.5 <= e)
    for i in range(size[0]):
        for j in range(size[1]):
            if not (inside(i, y1, y2) and inside(j, x1, x2)):
                continue
            r, c = position(i, y1, y2), position(j, x1, x2)
            if clamp:
                r, c = min(max(r, 0), M - 1), min(max(c, 0), M - 1)
            h, w = int(np.floor(r)), int(np.floor(c))
            v, u = r - h, c - w
            if flip:
                v, u = 1 - v, 1 - u
            h2, w2 = min(h + 1, M - 1), min(w + 1, M - 1)
            out[i, j] = (1 - v) * (1 - u) * mask[h, w] + (1 - v) * u * mask[h, w2]
            out[i, j] += v * (1 - u) * mask[h2, w] + v * u * mask[h2, w2]
    return out


def swapped(mask, box, size):
    "x and y are exchanged"
    return _paste(mask, box[[1, 0, 3, 2]], size)


def transposed(mask, box, size):
    "mask is transposed"
    return _paste(mask.T, box, size)


def rounded(mask, box, size):
    "rounded"
    return _paste(mask, np.round(box), size)


def no_half_in_the_mask(mask, box, size):
    "half pixel of the mask"
    return _paste(mask, box, size, position=lambda i, s, e: (i + 0.5 - s) / (e - s) * len(mask))


def exchanged(mask, box, size):
    "f and 1 - f"
    return _paste(mask, box, size, flip=True)


def everywhere(mask, box, size):
    "outside the box"
    return _paste(mask, box, size, inside=lambda i, s, e: True)


def thresholded(mask, box, size):
    "threshold"
    return (_paste(mask, box, size) > 0.5).astype(float)


def boolean(mask, box, size):
    "bool"
    return _paste(mask, box, size) > 0.5


def nearest(mask, box, size):
    "nearest"
    return _paste(mask, box, size, position=lambda i, s, e: np.floor((i + 0.5 - s) / (e - s) * len(mask)))


def wide(mask, box, size):
    "x, y, width, height"
    return _paste(mask, np.array([box[0], box[1], box[0] + box[2], box[1] + box[3]]), size)


def wraps(mask, box, size):
    "other end"
    return _paste(mask, box, size, clamp=False)


def aligned_corners(mask, box, size):
    "corners are aligned"
    M = len(mask)
    x1, y1, x2, y2 = box

    def along(n, s, e):
        c = np.arange(n) + 0.5
        at = np.clip((c - s) / (e - s) * (M - 1), 0, M - 1)
        lo = np.floor(at).astype(int)
        return (lo, np.minimum(lo + 1, M - 1), at - lo, (c >= s) & (c <= e))

    h, b, v, r = (a[:, None] for a in along(size[0], y1, y2))
    w, d, u, c = along(size[1], x1, x2)
    return ((1 - v) * ((1 - u) * mask[h, w] + u * mask[h, d]) + v * ((1 - u) * mask[b, w] + u * mask[b, d])) * (r & c)
