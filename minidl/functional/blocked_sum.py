"""Sums whose rounding errors do not grow with the number of terms.

NumPy adds pairwise along a contiguous last axis only; along other axes it adds one term after the other, and the float32 sum of
a million rows may be wrong by more than one per cent. Here long axes are summed in blocks, then the sums of the blocks, etc.
"""

from __future__ import annotations

from typing import Any

import numpy as np

BLOCK = 128


def blocked_sum(x: Any, axes: tuple[int, ...]) -> Any:
    """x.sum(axes), with at most BLOCK consecutive additions; arrays of other libraries than NumPy use their own sum."""
    if not isinstance(x, np.ndarray):
        return x.sum(axes)
    if x.flags.c_contiguous:  # reduced axes at the end form one axis, which NumPy sums pairwise
        kept = x.ndim
        while kept - 1 in axes:
            kept -= 1
        if kept < x.ndim:
            x = x.reshape(*x.shape[:kept], -1 if x.size else 0).sum(-1)
            axes = tuple(axis for axis in axes if axis < kept)
    for axis in sorted(axes, reverse=True):
        while x.shape[axis] > BLOCK:
            x = _block_sums(x, axis)
        x = x.sum(axis)
    return x


def _block_sums(x, axis):
    """The sums of the blocks along an axis; the last block may be shorter."""
    whole = x.shape[axis] // BLOCK * BLOCK
    parts = np.split(x, [whole], axis)
    blocks = parts[0].reshape(*x.shape[:axis], whole // BLOCK, BLOCK, *x.shape[axis + 1 :]).sum(axis + 1)
    return np.concatenate([blocks, parts[1].sum(axis, keepdims=True)], axis) if whole < x.shape[axis] else blocks
