"""Wrong answers to roi_align."""

import numpy as np


def _align(x, boxes, size, ratio, half=0.5, cell=0.5, read=None, outside=None, divide=None, join=np.sum):
    H, W = x.shape[2:]
    y = np.zeros((len(boxes), x.shape[1], *size))
    for k, box in enumerate(boxes):
        n, x1, y1, x2, y2 = read(box) if read else box
        bh, bw = (y2 - y1) / size[0], (x2 - x1) / size[1]
        for i in range(size[0]):
            for j in range(size[1]):
                values = []
                for p in range(ratio):
                    for q in range(ratio):
                        r = y1 - half + (i + (p + cell) / ratio) * bh
                        c = x1 - half + (j + (q + cell) / ratio) * bw
                        out = r < -1 or r > H or c < -1 or c > W
                        if outside:
                            out = outside(r, c, H, W)
                        if out:
                            continue
                        r, c = np.clip(r, 0, H - 1), np.clip(c, 0, W - 1)
                        h, w = int(r), int(c)
                        v, u = r - h, c - w
                        h2, w2 = min(h + 1, H - 1), min(w + 1, W - 1)
                        m = x[int(n)]
                        values.append(
                            (1 - v) * (1 - u) * m[:, h, w]
                            + (1 - v) * u * m[:, h, w2]
                            + v * (1 - u) * m[:, h2, w]
                            + v * u * m[:, h2, w2]
                        )
                if values:
                    count = divide(len(values)) if divide else ratio * ratio
                    y[k, :, i, j] = join(values, axis=0) / count
    return y


def no_half(x, boxes, size, ratio):
    "half pixel is missing"
    return _align(x, boxes, size, ratio, half=0)


def width_height(x, boxes, size, ratio):
    "x, y, width, height"
    return _align(x, boxes, size, ratio, read=lambda b: (b[0], b[1], b[2], b[1] + b[3], b[2] + b[4]))


def swapped(x, boxes, size, ratio):
    "x and y are exchanged"
    return _align(x, boxes, size, ratio, read=lambda b: (b[0], b[2], b[1], b[4], b[3]))


def rounded(x, boxes, size, ratio):
    "rounded"
    return _align(x, boxes, size, ratio, read=lambda b: (b[0], *np.round(b[1:])))


def maximum(x, boxes, size, ratio):
    "maximum"
    return _align(x, boxes, size, ratio, divide=lambda n: 1, join=np.max)


def summed(x, boxes, size, ratio):
    "sum is taken"
    return _align(x, boxes, size, ratio, divide=lambda n: 1)


def inside_only(x, boxes, size, ratio):
    "wrong count"
    return _align(x, boxes, size, ratio, divide=lambda n: n)


def corner_samples(x, boxes, size, ratio):
    "corners of their cells"
    return _align(x, boxes, size, ratio, cell=0)


def strict(x, boxes, size, ratio):
    "between -1 and 0"
    return _align(x, boxes, size, ratio, outside=lambda r, c, H, W: r < 0 or r > H - 1 or c < 0 or c > W - 1)


def clamps_all(x, boxes, size, ratio):
    "clamped to the border"
    return _align(x, boxes, size, ratio, outside=lambda r, c, H, W: False)


def first_image(x, boxes, size, ratio):
    "first image"
    return _align(x[:1], boxes * np.array([0, 1, 1, 1, 1]), size, ratio)


def plus_one(x, boxes, size, ratio):
    "one pixel larger"
    return _align(x, boxes, size, ratio, read=lambda b: (b[0], b[1], b[2], b[3] + 1, b[4] + 1))


def maximum_and_no_half(x, boxes, size, ratio):
    "maximum"
    return _align(x, boxes, size, ratio, half=0, divide=lambda n: 1, join=np.max)


def _sampled(x, boxes, size, ratio, sides_exchanged=False, clip=False, fractions_exchanged=False):
    H, W = x.shape[2:]
    y = np.zeros((len(boxes), x.shape[1], *size))
    for k, (n, x1, y1, x2, y2) in enumerate(boxes):
        if clip:
            x1, x2 = np.clip([x1, x2], 0, W)
            y1, y2 = np.clip([y1, y2], 0, H)
        for i, j, p, q in np.ndindex(*size, ratio, ratio):
            row = y1 - 0.5 + (i + (p + 0.5) / ratio) * (y2 - y1) / size[0]
            col = x1 - 0.5 + (j + (q + 0.5) / ratio) * (x2 - x1) / size[1]
            if -1 <= row <= H and -1 <= col <= W:
                row, col = (
                    min(max(row, 0), (W if sides_exchanged else H) - 1),
                    min(max(col, 0), (H if sides_exchanged else W) - 1),
                )
                h, w = (int(row), int(col))
                h, w = (min(h, H - 1), min(w, W - 1))
                below, beside = (min(h + 1, H - 1), min(w + 1, W - 1))
                v, u, plane = (row - h, col - w, x[int(n)])
                if fractions_exchanged:
                    u, v = (v, u)
                top = (1 - u) * plane[:, h, w] + u * plane[:, h, beside]
                bottom = (1 - u) * plane[:, below, w] + u * plane[:, below, beside]
                y[k, :, i, j] += ((1 - v) * top + v * bottom) / ratio**2
    return y


def clamps_exchanged(x, boxes, size, ratio):
    "clamped with H and W exchanged"
    return _sampled(x, boxes, size, ratio, sides_exchanged=True)


def clips_boxes(x, boxes, size, ratio):
    "clipped to the image first"
    return _sampled(x, boxes, size, ratio, clip=True)


def fractions_exchanged(x, boxes, size, ratio):
    "fractions of rows and columns"
    return _sampled(x, boxes, size, ratio, fractions_exchanged=True)
