"""Wrong answers to roi_align_backward."""

import numpy as np


def _back(g, x, boxes, size, ratio, half=0.5, share=None, assign=False, flip=False, image=None, read=None):
    H, W = x.shape[2:]
    dx = np.zeros(x.shape)
    for k, box in enumerate(boxes):
        n, x1, y1, x2, y2 = read(box) if read else box
        n = int(n) if image is None else image
        bh, bw = (y2 - y1) / size[0], (x2 - x1) / size[1]
        for i, j, p, q in np.ndindex(*size, ratio, ratio):
            r = y1 - half + (i + (p + 0.5) / ratio) * bh
            c = x1 - half + (j + (q + 0.5) / ratio) * bw
            if r < -1 or r > H or c < -1 or c > W:
                continue
            r, c = np.clip(r, 0, H - 1), np.clip(c, 0, W - 1)
            h, w = int(r), int(c)
            v, u = r - h, c - w
            if flip:
                v, u = 1 - v, 1 - u
            h2, w2 = min(h + 1, H - 1), min(w + 1, W - 1)
            s = g[k, :, i, j] / (ratio * ratio if share is None else share)
            for a, b, f in ((h, w, (1 - v) * (1 - u)), (h, w2, (1 - v) * u), (h2, w, v * (1 - u)), (h2, w2, v * u)):
                dx[n, :, a, b] = f * s + (0 if assign else dx[n, :, a, b])
    return dx


def assigned(g, x, boxes, size, ratio):
    "overwrites"
    return _back(g, x, boxes, size, ratio, assign=True)


def undivided(g, x, boxes, size, ratio):
    "division by ratio * ratio"
    return _back(g, x, boxes, size, ratio, share=1)


def by_ratio(g, x, boxes, size, ratio):
    "divided by ratio"
    return _back(g, x, boxes, size, ratio, share=ratio)


def no_half(g, x, boxes, size, ratio):
    "half pixel is missing"
    return _back(g, x, boxes, size, ratio, half=0)


def exchanged_weights(g, x, boxes, size, ratio):
    "f and 1 - f"
    return _back(g, x, boxes, size, ratio, flip=True)


def first_image(g, x, boxes, size, ratio):
    "first image"
    return _back(g, x, boxes, size, ratio, image=0)


def width_height(g, x, boxes, size, ratio):
    "x, y, width, height"
    return _back(g, x, boxes, size, ratio, read=lambda b: (b[0], b[1], b[2], b[1] + b[3], b[2] + b[4]))


def times_x(g, x, boxes, size, ratio):
    "x multiplies"
    return _back(g, x, boxes, size, ratio) * x


def _scattered(g, x, boxes, size, ratio, last=False, nearest=False):
    H, W = x.shape[2:]
    dx = np.zeros_like(x)
    for k, (n, x1, y1, x2, y2) in enumerate(boxes):
        if last:
            dx[:] = 0
        for i, j, p, q in np.ndindex(*size, ratio, ratio):
            row = y1 - 0.5 + (i + (p + 0.5) / ratio) * (y2 - y1) / size[0]
            col = x1 - 0.5 + (j + (q + 0.5) / ratio) * (x2 - x1) / size[1]
            if -1 <= row <= H and -1 <= col <= W:
                row, col = (min(max(row, 0), H - 1), min(max(col, 0), W - 1))
                h, w = (int(row), int(col))
                below, beside = (min(h + 1, H - 1), min(w + 1, W - 1))
                v, u, plane = (row - h, col - w, dx[int(n)])
                share = g[k, :, i, j] / ratio**2
                if nearest:
                    plane[:, int(np.rint(row)), int(np.rint(col))] += share
                    continue
                plane[:, h, w] += (1 - v) * (1 - u) * share
                plane[:, h, beside] += (1 - v) * u * share
                plane[:, below, w] += v * (1 - u) * share
                plane[:, below, beside] += v * u * share
    return dx


def last_box(g, x, boxes, size, ratio):
    "only the last box"
    return _scattered(g, x, boxes, size, ratio, last=True)


def to_the_nearest(g, x, boxes, size, ratio):
    "nearest pixel"
    return _scattered(g, x, boxes, size, ratio, nearest=True)
