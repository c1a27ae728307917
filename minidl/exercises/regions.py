"""Exercises on ROI Align and its gradient."""

import numpy as np

from .. import functional as F
from ..kernels import reference
from .exercise import Exercise, gradients, numbers


def _samples(shape, boxes, size, ratio, offset=0.5, centre=0.5, whole=False, clamp=False, nearest=False):
    """(box, image, bin row, bin column, four (row, column, weight)) of every sample; the options are mistakes."""
    H, W = shape[2:]
    boxes = np.concatenate([boxes[:, :1], np.round(boxes[:, 1:])], 1) if whole else boxes
    for k, (n, x1, y1, x2, y2) in enumerate(boxes):
        for i, j, p, q in np.ndindex(*size, ratio, ratio):
            y = y1 - offset + (i + (p + centre) / ratio) * (y2 - y1) / size[0]
            x = x1 - offset + (j + (q + centre) / ratio) * (x2 - x1) / size[1]
            inside = -1 <= y <= H and -1 <= x <= W
            y, x = min(max(y, 0), H - 1), min(max(x, 0), W - 1)
            y, x = (np.rint(y), np.rint(x)) if nearest else (y, x)
            h, w = int(y), int(x)
            v, u = y - h, x - w
            below, beside = min(h + 1, H - 1), min(w + 1, W - 1)
            taps = [
                (h, w, (1 - v) * (1 - u)),
                (h, beside, (1 - v) * u),
                (below, w, v * (1 - u)),
                (below, beside, v * u),
            ]
            yield k, int(n), i, j, taps if inside or clamp else []


def _align(x, boxes, size, ratio, inside_only=False, undivided=False, first_image=False, **mistakes):
    y, counts = np.zeros((len(boxes), x.shape[1], *size)), np.zeros((len(boxes), 1, *size))
    for k, n, i, j, taps in _samples(x.shape, boxes, size, ratio, **mistakes):
        counts[k, 0, i, j] += bool(taps)
        for h, w, weight in taps:
            y[k, :, i, j] += weight * x[0 if first_image else n, :, h, w]
    if undivided:
        return y
    return y / (np.maximum(counts, 1) if inside_only else ratio * ratio)


def _back(g, x, boxes, size, ratio, overwrite=False, undivided=False, first_image=False, **mistakes):
    dx = np.zeros_like(x)
    share = g if undivided else g / (ratio * ratio)
    for k, n, i, j, taps in _samples(x.shape, boxes, size, ratio, **mistakes):
        for h, w, weight in taps:
            n = 0 if first_image else n
            dx[n, :, h, w] = weight * share[k, :, i, j] + (0 if overwrite else dx[n, :, h, w])
    return dx


def _turned(boxes):
    return boxes[:, [0, 2, 1, 4, 3]]


def _forward(x, boxes, size, ratio):
    return F.roi_align(x, boxes, size, 1.0, ratio, True)


def _gradient(**arguments):
    return gradients(_forward, "x")(**arguments)[0]


INSIDE = np.array([[0, 1.2, 0.9, 4.3, 3.6]])
HANGING = np.array([[1, 0.8, 1.1, 3.7, 4.6], [0, -4.3, 1.3, 3.9, 7.8], [1, 2.3, -3.2, 8.6, 2.9]])

ALIGN = Exercise(
    name="roi_align",
    signature="x, boxes, size, ratio",
    lesson="09",
    title="ROI Align",
    task="""y[k, c, i, j] = the mean of ratio * ratio bilinear samples of x[n, c] in bin (i, j) of box k. Each row of boxes
(K, 5) is n, x1, y1, x2, y2: the image, then two corners in pixels of x (N, C, H, W), where the first pixel's centre is at
1/2; subtract 1/2 from the corners and nothing need be rounded. The box has size = (ph, pw) bins, a bin ratio * ratio
samples at the centres of equal cells. A sample above -1 or below H (left of -1 or right of W) is 0 and still counts;
others are clamped to 0 ... H - 1.
Returns an array (K, C, ph, pw).""",
    cases=(
        {"x": numbers(0, 1, 1, 5, 5), "boxes": INSIDE, "size": (2, 2), "ratio": 2},
        {"x": numbers(1, 2, 3, 6, 7), "boxes": HANGING, "size": (3, 2), "ratio": 2},
        {"x": numbers(2, 2, 2, 6, 7), "boxes": HANGING[:2], "size": (2, 3), "ratio": 3},
    ),
    expected=lambda x, boxes, size, ratio: reference.roi_align(x, boxes, size, 1.0, ratio, True),
    mistakes={
        "the half pixel is missing: subtract 1/2 from the corners": lambda **k: _align(offset=0.0, **k),
        "the corners are rounded: that is ROI Pool's error, keep their fractions": lambda **k: _align(whole=True, **k),
        "divided by a wrong count: samples outside count, too, so divide by ratio * ratio": (
            lambda **k: _align(inside_only=True, **k)
        ),
        "the sum was taken: divide by ratio * ratio": lambda **k: _align(undivided=True, **k),
        "samples far outside are clamped to the border: beyond -1 and H (W) they are 0": lambda **k: _align(
            clamp=True, **k
        ),
        "samples lie at the corners of their cells: they belong to the centres, add 1/2": (
            lambda **k: _align(centre=0.0, **k)
        ),
        "the nearest pixel was taken: mix the four neighbours": lambda **k: _align(nearest=True, **k),
        "x and y are swapped: a box is n, x1, y1, x2, y2, and x counts columns": (
            lambda boxes, **k: _align(boxes=_turned(boxes), **k)
        ),
        "all boxes are taken from the first image: n says which": lambda **k: _align(first_image=True, **k),
    },
    hints=(
        "Sample p of bin i lies at y1 - 1/2 + (i + (p + 1/2) / ratio) * (y2 - y1) / ph. Columns alike: loops are fine.",
        "Test for -1 <= y <= H first, then clamp y to 0 ... H - 1; h = int(y), below = min(h + 1, H - 1), v = y - h.",
        "Add (1-v)(1-u) x[h, w] + (1-v) u x[h, beside] + v (1-u) x[below, w] + v u x[below, beside]; divide by ratio ** 2.",
    ),
)


def _back_case(seed, shape, boxes, size, ratio):
    g = numbers(seed, len(boxes), shape[1], *size)
    return {"g": g, "x": numbers(seed + 1, *shape), "boxes": boxes, "size": size, "ratio": ratio}


BACKWARD = Exercise(
    name="roi_align_backward",
    signature="g, x, boxes, size, ratio",
    lesson="09",
    title="the gradient of ROI Align",
    task="""The gradient of sum(g * y) in x, where y = roi_align(x, boxes, size, ratio) as in the exercise of that name: every
sample took from four pixels, so a share of g goes back to the same four with the same weights. Boxes get no gradient.
g is (K, C, ph, pw), x (N, C, H, W), boxes (K, 5) are n, x1, y1, x2, y2; bins overlap in pixels, and so do boxes.
Returns the gradient in x, (N, C, H, W).""",
    cases=(
        _back_case(0, (1, 1, 5, 5), INSIDE, (2, 2), 2),
        _back_case(10, (2, 3, 6, 7), HANGING, (3, 2), 2),
        _back_case(20, (2, 2, 6, 7), HANGING[:2], (2, 3), 3),
    ),
    forward=_forward,
    expected=_gradient,
    returns=("x",),
    mistakes={
        "a sample overwrites what others left in its pixels: add to it": lambda **k: _back(overwrite=True, **k),
        "the division by ratio * ratio is missing: each sample has that share of its bin": (
            lambda **k: _back(undivided=True, **k)
        ),
        "the half pixel is missing: subtract 1/2 from the corners": lambda **k: _back(offset=0.0, **k),
        "the corners are rounded: keep their fractions": lambda **k: _back(whole=True, **k),
        "samples far outside give to the border: beyond -1 and H (W) they took nothing": lambda **k: _back(
            clamp=True, **k
        ),
        "the nearest pixel gets everything: share among the four neighbours": lambda **k: _back(nearest=True, **k),
        "x and y are swapped: a box is n, x1, y1, x2, y2, and x counts columns": (
            lambda boxes, **k: _back(boxes=_turned(boxes), **k)
        ),
        "everything goes to the first image: n says which": lambda **k: _back(first_image=True, **k),
    },
    draws="g",
    hints=(
        "Take your roi_align and turn its innermost line round: x[...] is read there, dx[...] is added to here.",
        "The share of one sample is g[k, :, i, j] / ratio ** 2, times the weight of each of its four neighbours.",
        "dx[n, :, h, w] += (1 - v) * (1 - u) * share, and so on; with index arrays use np.add.at, which adds repeats.",
    ),
)

EXERCISES = (ALIGN, BACKWARD)
