"""The pixels and weights that every box of an ROI Align reads along its rows and columns, computed once for all channels.

A sample is inside if its row and its column are, and its four weights are products, so the mean over a bin is a weighted sum
of rows, then one of columns: y[i, j] = sum_h v[i, h] sum_w u[j, w] x[h, w]. Samples of a bin that share a pixel are merged.
"""

from typing import NamedTuple

import numpy as np

from ..runtime.jit import allocating, inner


class Sampling(NamedTuple):
    """Bins of a box along its height and width, scale from boxes to pixels (in the dtype of the image), samples in a bin."""

    bins: tuple[int, int]
    scale: float
    ratio: int
    aligned: bool


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
    for t in range(at - 1, max(first, at - 4) - 1, -1):  # samples are in order, so an equal pixel is among the last
        if pixels[t] == pixel:
            weights[t] += weight
            return at
    pixels[at], weights[at] = pixel, weight
    return at + 1


@inner
def _box_weights(start, grid, n, begin, pixels, weights, at):
    """Pixels and weights of a box along one axis, written from `at` on: those of bin i lie in begin[i] ... begin[i + 1] - 1.

    grid is what `bin_step` says. The weights hold the division by the number of samples of a bin along this axis.
    """
    T, (step, g), bins = type(start), grid, len(begin) - 1
    scale = T(1) / T(max(g, 1))
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
def bin_weights(boxes, axis, n, sampling):
    """(begin (K, bins + 1), pixels, weights) of all boxes along axis 0 (rows) or 1 (columns), n pixels long."""
    (_, scale, ratio, aligned), bins = sampling, sampling.bins[axis]
    T, K, room = type(scale), len(boxes), 0
    offset = T(0.5) if aligned else T(0)
    for k in range(K):
        start, end = boxes[k, 2 - axis] * scale - offset, boxes[k, 4 - axis] * scale - offset
        room += bins * min(2 * bin_step(start, end, bins, ratio, aligned)[1], 4 * n + 8)
    begin, pixels, weights = np.empty((K, bins + 1), np.int64), np.empty(room, np.int64), np.empty(room, boxes.dtype)
    at = 0
    for k in range(K):
        start, end = boxes[k, 2 - axis] * scale - offset, boxes[k, 4 - axis] * scale - offset
        at = _box_weights(start, bin_step(start, end, bins, ratio, aligned), n, begin[k], pixels, weights, at)
    return begin, pixels[:at], weights[:at]


@allocating
def distinct_pixels(begin, pixels, n):
    """(numbers, used_begin (K + 1,), used): the distinct pixels of each box, and the place of every pixel among them."""
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
def csr_transpose(begin, pixels, weights, n):
    """The transposed table: (used_begin (K + 1,), used, bin_begin, bins, weights), which bins use each pixel.

    Pixels of box k are used[used_begin[k] : used_begin[k + 1]]; those that use used[s] are bins[bin_begin[s] : ... s + 1].
    """
    numbers, used_begin, used = distinct_pixels(begin, pixels, n)
    bin_begin, place = np.zeros(used.size + 1, np.int64), np.empty(used.size, np.int64)
    bins, shares = np.empty(pixels.size, np.int64), np.empty(pixels.size, weights.dtype)
    for k in range(len(begin)):
        for t in range(begin[k, 0], begin[k, -1]):
            bin_begin[used_begin[k] + numbers[t] + 1] += 1
    for s in range(used.size):
        bin_begin[s + 1] += bin_begin[s]
        place[s] = bin_begin[s]
    for k in range(len(begin)):
        for i in range(begin.shape[1] - 1):
            for t in range(begin[k, i], begin[k, i + 1]):
                s = used_begin[k] + numbers[t]
                bins[place[s]], shares[place[s]] = i, weights[t]
                place[s] += 1
    return used_begin, used, bin_begin, bins, shares
