"""Matches boxes to objects, and samples the boxes of a training step (Ren et al. 2015, section 3.1.2)."""

from __future__ import annotations

import numpy as np

from ...typing import Array

BELOW, BETWEEN = -1, -2  # in place of an object's index: background, and between the thresholds (ignored by the losses)


def match(iou: Array, high: float, low: float, keep_best: bool = False) -> Array:
    """For each of B boxes the object (0..K-1) of largest IoU, BELOW where that IoU is < low, BETWEEN where it is < high.

    iou: K x B. keep_best: the boxes of largest IoU with some object (all of them, where several are equal) keep the object
    that they overlap most, below the thresholds too, so that every object has a box. Without objects all are BELOW.
    """
    if low > high:
        raise ValueError(f"match: low is {low} and high is {high}; needed low <= high")
    K, B = iou.shape
    if not K or not B:
        return np.full(B, BELOW, np.int64)
    nearest, best = iou.argmax(axis=0), iou.max(axis=0)
    matched = np.where(best >= high, nearest, np.where(best < low, BELOW, BETWEEN))
    if keep_best:
        kept = (iou == iou.max(axis=1, keepdims=True)).any(axis=0)
        matched[kept] = nearest[kept]
    return matched


def sample(labels: Array, size: int, positive_fraction: float, rng: np.random.Generator) -> tuple[Array, Array]:
    """(positive, negative): sorted indices of labels > 0 and of labels = 0, at most `size` in all, drawn without replacement.

    At most size * positive_fraction are positive; negatives fill the rest, if there are enough. Labels < 0 are never drawn.
    """
    positive, negative = np.flatnonzero(labels > 0), np.flatnonzero(labels == 0)
    positive = rng.permutation(positive)[: int(size * positive_fraction)]
    negative = rng.permutation(negative)[: size - len(positive)]
    return np.sort(positive), np.sort(negative)
