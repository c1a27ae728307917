"""What every box of an ROI Align reads, worked out once for all channels: pixels and weights along its rows and columns.

A sample is inside if its row and its column are, and its four weights are products, so the mean over a bin is a mix of
rows, then a mix of columns: y[i, j] = sum_h v[i, h] sum_w u[j, w] x[h, w]. Samples of a bin that share a pixel are merged.
"""

import numpy as np

from ..runtime.jit import allocating, inner


@inner
def bin_step(start, end, bins, ratio, aligned):
    """(size of a bin, samples in it) along an axis."""
    T = type(start)
    length = end - start
    if not aligned:
        length = max(length, T(1))
    step = length / T(bins)
    return step, ratio if ratio > 0 else max(int(np.ceil(step)), 0)


@inner
def sample(start, step, i, k, g, n):
    """(low, weight of the upper neighbour, inside) of sample k of bin i, on an axis of n pixels."""
    T = type(start)
    at = start + T(i) * step + (T(k) + T(0.5)) * step / T(g)
    if not (at >= T(-1) and at <= T(n)):
        return 0, T(0), False
    at = min(max(at, T(0)), T(n - 1))
    low = int(at)
    return low, at - T(low), True


@inner
def _add(pixels, weights, first, at, pixel, weight):
    """Adds a pixel to the list of a bin, which starts at `first` and ends before `at`; returns the new end."""
    for t in range(at - 1, max(first, at - 4) - 1, -1):  # samples go one way, so an equal pixel is among the last
        if pixels[t] == pixel:
            weights[t] += weight
            return at
    pixels[at], weights[at] = pixel, weight
    return at + 1


@inner
def _mixes(start, end, bins, n, ratio, aligned, scale, begin, pixels, weights, at):
    """Pixels and weights of each bin along one axis: those of bin i lie in begin[i] ... begin[i + 1] - 1."""
    T = type(start)
    step, g = bin_step(start, end, bins, ratio, aligned)
    for i in range(bins):
        begin[i] = first = at
        for k in range(g):
            low, f, inside = sample(start, step, i, k, g, n)
            if inside:
                at = _add(pixels, weights, first, at, low, (T(1) - f) * scale)
                at = _add(pixels, weights, first, at, min(low + 1, n - 1), f * scale)
    begin[bins] = at
    return at


@allocating
def mixes(boxes, axis, bins, n, scale, ratio, aligned):
    """(begin (K, bins + 1), pixels, weights) of all boxes along axis 0 (rows) or 1 (columns), n pixels long.

    The weights hold the division by the number of samples of a bin along this axis.
    """
    T, K, room = type(scale), len(boxes), 0
    offset = T(0.5) if aligned else T(0)
    for k in range(K):
        start, end = boxes[k, 2 - axis] * scale - offset, boxes[k, 4 - axis] * scale - offset
        room += bins * min(2 * bin_step(start, end, bins, ratio, aligned)[1], 4 * n + 8)
    begin, pixels, weights = np.empty((K, bins + 1), np.int64), np.empty(room, np.int64), np.empty(room, boxes.dtype)
    at = 0
    for k in range(K):
        start, end = boxes[k, 2 - axis] * scale - offset, boxes[k, 4 - axis] * scale - offset
        g = bin_step(start, end, bins, ratio, aligned)[1]
        at = _mixes(start, end, bins, n, ratio, aligned, T(1) / T(max(g, 1)), begin[k], pixels, weights, at)
    return begin, pixels[:at], weights[:at]


@allocating
def numbered(begin, pixels, n):
    """(numbers, used_begin (K + 1,), used): the pixels of each box without repetition, and every pixel's place there."""
    K, number = len(begin), np.full(n, -1)
    numbers, used_begin, used = (
        np.empty(pixels.size, np.int64),
        np.zeros(K + 1, np.int64),
        np.empty(pixels.size, np.int64),
    )
    at = 0
    for k in range(K):
        for t in range(begin[k, 0], begin[k, -1]):
            if number[pixels[t]] < 0:
                number[pixels[t]] = at - used_begin[k]
                used[at] = pixels[t]
                at += 1
            numbers[t] = number[pixels[t]]
        used_begin[k + 1] = at
        number[used[used_begin[k] : at]] = -1
    return numbers, used_begin, used[:at]


@allocating
def turned(begin, pixels, weights, n):
    """The mixes read backwards: (used_begin (K + 1,), used, turned_begin, bins, weights), which bins use each pixel.

    Pixels of box k are used[used_begin[k] : used_begin[k + 1]]; those that use used[s] are bins[turned_begin[s] : ... s + 1].
    """
    numbers, used_begin, used = numbered(begin, pixels, n)
    turned_begin, place = np.zeros(used.size + 1, np.int64), np.empty(used.size, np.int64)
    bins, shares = np.empty(pixels.size, np.int64), np.empty(pixels.size, weights.dtype)
    for k in range(len(begin)):
        for t in range(begin[k, 0], begin[k, -1]):
            turned_begin[used_begin[k] + numbers[t] + 1] += 1
    for s in range(used.size):
        turned_begin[s + 1] += turned_begin[s]
        place[s] = turned_begin[s]
    for k in range(len(begin)):
        for i in range(begin.shape[1] - 1):
            for t in range(begin[k, i], begin[k, i + 1]):
                s = used_begin[k] + numbers[t]
                bins[place[s]], shares[place[s]] = i, weights[t]
                place[s] += 1
    return used_begin, used, turned_begin, bins, shares
