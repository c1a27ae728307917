"""Greedy non-maximum suppression in CUDA C: overlaps as bits, L^2 / 8 bytes of them, then a walk over the bits."""

import numpy as np

from ..loader import Kernel, array_module, contiguous, i32

EXACT = ("--fmad=false",)  # an overlap at the threshold must fall on the same side in every column
_overlap = Kernel("regions/nms.cu", "nms_overlap", EXACT)
_walk = Kernel("regions/nms.cu", "nms_walk", EXACT)


def nms(boxes, scores, groups, threshold):
    """Indices (int64) of the kept boxes, by decreasing score, equal scores in the order of the boxes."""
    xp, L = array_module(boxes), len(boxes)
    order = xp.argsort(-scores, kind="stable")
    boxes, groups = contiguous(boxes[order], groups[order].astype(np.int64, copy=False))
    words = -(-L // 64)
    bits, struck = xp.empty((L, words), np.uint64), xp.zeros(words, np.uint64)
    stays = xp.empty(L, np.bool_)
    _overlap(boxes, groups, bits, np.int32(L), np.float64(threshold), grid=(words, words), block=64)
    _walk(bits, struck, stays, *i32(L, words), grid=1 if L else 0, block=256)
    return order[stays]
