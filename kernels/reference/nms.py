"""Greedy non-maximum suppression in NumPy."""

import numpy as np


def nms(boxes, scores, groups, threshold):
    """Indices (int64) of the boxes that stay, by decreasing score, of equal scores the first one first.

    From the best score down, a box stays unless one that stays, of its own group, overlaps it by more than `threshold`
    (intersection over union in the boxes' dtype; 0 / 0 is no overlap). boxes (L, 4): x1, y1, x2, y2; groups (L,) integers.
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
