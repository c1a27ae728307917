"""Which object a box is answerable for, and which boxes a training step looks at (Ren et al. 2015, section 3.1.2)."""

from __future__ import annotations

import numpy as np

from ...typing import Array

BELOW, BETWEEN = -1, -2  # instead of an object's number: background, and too near to either to count


def match(iou: Array, high: float, low: float, keep_best: bool = False) -> Array:
    """For each of B boxes the object (0..K-1) it overlaps most, BELOW where that is < low, BETWEEN where < high.

    iou: K x B. keep_best: a box that some object overlaps more than (or as much as) any other box stays with the object
    that it overlaps most, however little that is, so that no object goes without. Without objects all are BELOW.
    """
    if low > high:
        raise ValueError(f"match: low {low} is above high {high}")
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
    """(positive, negative): sorted indices of at most `size` labels > 0 and = 0 drawn without replacement.

    At most size * positive_fraction are positive; negatives fill up, as far as there are any. Labels < 0 never count.
    """
    positive, negative = np.flatnonzero(labels > 0), np.flatnonzero(labels == 0)
    positive = rng.permutation(positive)[: int(size * positive_fraction)]
    negative = rng.permutation(negative)[: size - len(positive)]
    return np.sort(positive), np.sort(negative)
