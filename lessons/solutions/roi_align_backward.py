"""Solution: what a sample took from four pixels goes back to the same four, with the same weights."""

import numpy as np

from minidl.exercises import check


def roi_align_backward(g, x, boxes, size, ratio):
    H, W = x.shape[2:]
    dx = np.zeros_like(x)
    for k, (n, x1, y1, x2, y2) in enumerate(boxes):
        for i, j, p, q in np.ndindex(*size, ratio, ratio):
            row = y1 - 0.5 + (i + (p + 0.5) / ratio) * (y2 - y1) / size[0]
            col = x1 - 0.5 + (j + (q + 0.5) / ratio) * (x2 - x1) / size[1]
            if -1 <= row <= H and -1 <= col <= W:
                row, col = min(max(row, 0), H - 1), min(max(col, 0), W - 1)
                h, w = int(row), int(col)
                below, beside = min(h + 1, H - 1), min(w + 1, W - 1)
                v, u, plane = row - h, col - w, dx[int(n)]
                share = g[k, :, i, j] / ratio**2
                plane[:, h, w] += (1 - v) * (1 - u) * share
                plane[:, h, beside] += (1 - v) * u * share
                plane[:, below, w] += v * (1 - u) * share
                plane[:, below, beside] += v * u * share
    return dx


if __name__ == "__main__":
    raise SystemExit(not check("roi_align_backward", roi_align_backward))
