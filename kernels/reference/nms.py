"""Greedy non-maximum suppression in NumPy."""

import numpy as np


def nms(boxes, scores, groups, threshold):
    """Indices (int64) of the kept boxes, by decreasing score, equal scores in the order of the boxes.

    In this order a box is kept unless its intersection over union with a kept box of its group exceeds `threshold` (computed
    in the boxes' dtype; 0 / 0 counts as 0). boxes (L, 4): x1, y1, x2, y2; groups (L,) integers.
    """
    order = np.argsort(-scores, kind="stable")
    x1, y1, x2, y2 = boxes[order].T
    group, area = groups[order], (x2 - x1) * (y2 - y1)
    alive = np.ones(len(order), bool)
    for i in range(len(order)):
        if alive[i]:
            rest = slice(i + 1, None)
            width = np.maximum(np.minimum(x2[i], x2[rest]) - np.maximum(x1[i], x1[rest]), 0)
            height = np.maximum(np.minimum(y2[i], y2[rest]) - np.maximum(y1[i], y1[rest]), 0)
            inner = width * height
            with np.errstate(invalid="ignore", divide="ignore"):
                overlap = inner / (area[i] + area[rest] - inner)
            alive[rest] &= ~((overlap.astype(np.float64) > threshold) & (group[rest] == group[i]))
    return order[alive]
