"""Greedy non-maximum suppression in Numba: every box that is kept suppresses its neighbours, which lie in few tiles.

Boxes of a group are divided into tiles of TILE neighbours. A box can overlap a box of a tile only if it overlaps the tile's
bounding box, so a box that is kept is compared with the bounding boxes, then in vectors with all boxes of the tiles that it
overlaps. Memory: a few numbers for each box.
"""

import numpy as np

from ..runtime.jit import allocating, inner, njit

TILE = 64


@inner
def _suppress(boxes, i, begin, end, threshold, suppressed):
    """Marks the boxes begin ... end - 1 that overlap box i by more than the threshold (box i among them)."""
    x1, y1, x2, y2, area = boxes[0, i], boxes[1, i], boxes[2, i], boxes[3, i], boxes[4, i]
    zero = boxes.dtype.type(0)
    for j in range(np.uintp(begin), np.uintp(end)):
        left, top, right, bottom = boxes[0, j], boxes[1, j], boxes[2, j], boxes[3, j]
        left, top = x1 if x1 > left else left, y1 if y1 > top else top
        right, bottom = x2 if x2 < right else right, y2 if y2 < bottom else bottom
        width, height = right - left, bottom - top
        shared = (width if width > zero else zero) * (height if height > zero else zero)
        suppressed[j] |= shared / (area + boxes[4, j] - shared) > threshold


@allocating
def _tiles(boxes, group):
    """(begin, bounding boxes (tiles, 4), first tile of each box's group, last + 1): a tile holds boxes of one group."""
    L = len(group)
    begin, first, last = np.empty(L + 1, np.int64), np.empty(L, np.int64), np.empty(L, np.int64)
    tiles = start = 0
    for i in range(L):
        if i == 0 or group[i] != group[i - 1]:
            start = tiles
        if start == tiles or i - begin[tiles - 1] == TILE:
            begin[tiles] = i
            tiles += 1
        first[i] = start
    begin[tiles] = L
    for i in range(L - 1, -1, -1):
        last[i] = tiles if i == L - 1 else last[i + 1] if group[i] == group[i + 1] else first[i + 1]
    bounds = np.empty((tiles, 4), boxes.dtype)
    for m in range(tiles):
        for k in range(4):
            side = boxes[k, begin[m] : begin[m + 1]]
            bounds[m, k] = side.min() if k < 2 else side.max()
    return begin[: tiles + 1], bounds, first, last


@njit(cache=True, error_model="numpy")
def _greedy(boxes, group, place, threshold):
    """Which boxes are kept, from the best: box number r by score is boxes[:, place[r]]."""
    begin, bounds, first, last = _tiles(boxes, group)
    suppressed, kept = np.zeros(len(group), np.int32), np.zeros(len(group), np.bool_)
    for r in range(len(place)):
        i = place[r]
        if not suppressed[i]:
            kept[r] = True
            for m in range(first[i], last[i]):
                overlaps = bounds[m, 0] < boxes[2, i] and boxes[0, i] < bounds[m, 2]
                overlaps = overlaps and bounds[m, 1] < boxes[3, i] and boxes[1, i] < bounds[m, 3]
                if overlaps or threshold < 0:  # below 0, boxes that do not overlap suppress each other, too
                    _suppress(boxes, i, begin[m], begin[m + 1], threshold, suppressed)
    return kept


def _neighbours(boxes, groups):
    """Box numbers by group, then in columns about as wide as a tile, then from top to bottom."""
    x, y = boxes[:, 0] + boxes[:, 2], boxes[:, 1] + boxes[:, 3]
    order = np.lexsort((x, groups))
    _, start, count = np.unique(groups[order], return_index=True, return_counts=True)
    within = np.arange(len(order)) - np.repeat(start, count)
    column = within // np.ceil(np.sqrt(np.repeat(count, count) * float(TILE))).astype(np.int64)
    return order[np.lexsort((y[order], column, groups[order]))]


def nms(boxes, scores, groups, threshold):
    """Indices (int64) of the boxes that are kept, by decreasing score, of equal scores the first one first.

    overlap > threshold in float64 is overlap > the largest number not above the threshold in the boxes' dtype.
    """
    limit = boxes.dtype.type(threshold)
    limit = limit if float(limit) <= threshold else np.nextafter(limit, boxes.dtype.type(-np.inf))
    near, order = _neighbours(boxes, groups), np.argsort(-scores, kind="stable")
    where = np.empty(len(near), np.int64)
    where[near] = np.arange(len(near))
    x1, y1, x2, y2 = boxes[near].T
    sides = np.stack([x1, y1, x2, y2, (x2 - x1) * (y2 - y1)])
    return order[_greedy(sides, groups[near], where[order], limit)]
