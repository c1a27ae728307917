"""Max-pooling in Numba. Work is divided by rows of the result; the inner loop runs along a row, at a constant stride.

Tap (k, l) of all windows of an output row is one strided row of the input, so the loops over taps are outside and the loop
that LLVM turns into vector instructions is inside. Functions take whole arrays and positions, not rows: a slice of an array
counts references, which costs more than the pooling of a short row.
"""

from typing import NamedTuple

import numpy as np
from numba import prange

from ...geometry import Geometry, check_plane
from ..runtime.jit import allocating, inner, kernel
from ..runtime.threads import threads_for
from .avg_pool import edges
from .max_pool_2x2 import halves, largest_by_halves, overlapping
from .window import Axis, Window, window_of

# Windows with vector loops of their own, and the function that says whether a plane suits them.
BY_HALVES = {Geometry((2, 2), (2, 2)): halves, Geometry((3, 3), (2, 2), (1, 1)): overlapping}


class Columns(NamedTuple):
    """Where windows lie along a row of `planes` planes side by side.

    ramp[j] is stride times the number of window j in its plane, first[j] the column of its first tap in the image, or -1;
    `outside` says whether a window of the result has no such tap.
    """

    ramp: np.ndarray
    first: np.ndarray
    planes: int
    outside: bool


class Maxima(NamedTuple):
    """Rows of maxima of windows, and of their flat positions in the plane."""

    best: np.ndarray
    place: np.ndarray


@inner
def _larger_tap(line, start, step, ramp, shift, maxima, source, target):
    """Row target of the maxima = row source or the tap line[start::step] at ramp + shift, whichever is larger.

    source is not target: LLVM would turn a conditional store to the same place into masked stores, which are slow.
    """
    best, place = maxima
    start, step = np.uintp(start), np.uintp(step)  # a test for a negative signed index prevents vectors
    for j in range(np.uintp(ramp.size)):
        v, m, k, at = line[start + j * step], best[source, j], place[source, j], np.int32(ramp[j] + shift)
        better = (v > m) | (v != v)
        best[target, j] = v if better else m
        place[target, j] = at if better else k


@inner
def _larger_row(maxima, a, b, target):
    """Row target = row a, or row b where that is larger."""
    best, place = maxima
    for j in range(best.shape[1]):
        m, k, v, at = best[a, j], place[a, j], best[b, j], place[b, j]
        better = (v > m) | (v != v)
        best[target, j] = v if better else m
        place[target, j] = at if better else k


@inner
def _row_maxima(x, group, h, line, columns, maxima, slot, axis):
    """Row slot of the maxima = the maximum of row h of some planes under every window, and its flat position."""
    begin, end, pitch = group
    kernel, stride, padding, dilation = axis
    ramp, first, place = columns.ramp, columns.first, maxima.place
    W, spare = x.shape[2], place.shape[0] - 3
    for p in range(begin, end):
        at = np.uintp((p - begin) * pitch * stride + padding)
        for j in range(np.uintp(min(W, pitch * stride - padding))):
            line[at + j] = x[p, h, j]
    source = spare + 2  # -inf, at the first tap in the image
    for j in range(first.size):
        place[source, j] = np.int32(first[j] + h * W)
    for l in range(kernel):
        start, target = l * dilation, slot if l == kernel - 1 else spare + l % 2
        shift = h * W + start - padding
        if stride == 1:  # a constant step lets each of the three calls vectorise on its own
            _larger_tap(line, start, 1, ramp, shift, maxima, source, target)
        elif stride == 2:
            _larger_tap(line, start, 2, ramp, shift, maxima, source, target)
        else:
            _larger_tap(line, start, stride, ramp, shift, maxima, source, target)
        source = target


@allocating
def _max_rows(begin, end, x, y, index, columns, window):
    """Rows begin .. end of groups of planes: maxima along rows, kept while windows need them, then down the columns.

    In this order a tie keeps the upper row, and within it the left column: the first maximum. `line` is a row of x with
    -inf where windows extend beyond its ends. Narrow planes lie side by side in it, so that vectors are filled.
    """
    (P, H, _), (Ho, Wo) = x.shape, y.shape[1:]
    kh, kw, sh, sw, ph, pw, dh, dw = window
    across = Axis(kw, sw, pw, dw)
    first, G, width = columns.first, columns.planes, columns.ramp.size
    ring, pitch = (kh - 1) * dh + 1, width // G
    line = np.full(width * sw + (kw - 1) * dw, -np.inf, x.dtype)
    best, place = np.full((ring + 3, width), -np.inf, x.dtype), np.empty((ring + 3, width), np.int32)
    maxima = Maxima(best, place)
    held = np.full(ring, -1)  # the row, counted over all groups, that each slot holds
    for r in range(begin, end):
        q, i = r // Ho, r % Ho
        group = q * G, min(q * G + G, P), pitch
        top = i * sh - ph
        for h in range(top, top + ring, dh):
            if 0 <= h < H and held[h % ring] != q * H + h:
                _row_maxima(x, group, h, line, columns, maxima, h % ring, across)
                held[h % ring] = q * H + h
        source, spare = -1, ring
        for h in range(top, top + ring, dh):
            if 0 <= h < H and source < 0:
                source = h % ring
            elif 0 <= h < H:
                _larger_row(maxima, source, h % ring, spare)
                source, spare = spare, 2 * ring + 1 - spare
        for p in range(group[0], group[1]):
            at = np.uintp((p - group[0]) * pitch)
            for j in range(np.uintp(Wo)):
                y[p, i, j], index[p, i, j] = best[source, at + j], place[source, at + j]
            if source < 0 or columns.outside:
                for j in range(Wo):
                    if source < 0 or first[j] < 0:
                        y[p, i, j], index[p, i, j] = -np.inf, -1


@kernel
def _max_pool(T, x, y, index, columns: Columns, window: Window):
    P, Ho, _ = y.shape
    R = (P + columns.planes - 1) // columns.planes * Ho
    for t in prange(T):
        _max_rows(t * R // T, (t + 1) * R // T, x, y, index, columns, window)


def _columns(P, W, Wo, geometry):
    """The tables of planes side by side, about 256 windows in all."""
    stride, step, extent = geometry.stride[1], geometry.dilation[1], geometry.extent[1]
    ramp = np.arange(-(-((Wo - 1) * stride + extent) // stride)) * stride  # so long that no window meets the next plane
    start = ramp - geometry.padding[1]
    first = np.where(start < 0, start + -(start // step) * step, start)
    first = np.where(first < np.minimum(start + extent, W), first, -1)
    G = max(1, min(256 // len(ramp), P))
    outside = bool((first[:Wo] < 0).any())
    return Columns(np.tile(ramp, G).astype(np.int32), np.tile(first, G).astype(np.int32), G, outside)


def max_pool2d(x, geometry, output_size):
    """(y, index): maxima along rows, then down columns, kh + kw comparisons; most windows of stride 2 in vectors."""
    g = geometry.reduced(output_size)
    N, C, _, W = x.shape
    y = np.empty((N, C, *output_size), x.dtype)
    index = np.empty(y.shape, np.int32)
    if g in BY_HALVES and BY_HALVES[g](x.shape[2:], y):
        largest_by_halves(x, y, index, BY_HALVES[g] is overlapping)
        return y, index
    if y.size:
        arrays = (a.reshape(N * C, *a.shape[2:]) for a in (x, y, index))
        _max_pool(threads_for(x.size), *arrays, _columns(N * C, W, output_size[1], g), window_of(g))
    return y, index


@kernel
def _adaptive_max(x, y, index, rows, cols):
    W = x.shape[2]
    for p in prange(x.shape[0]):
        for i in range(y.shape[1]):
            for j in range(y.shape[2]):
                m, at = x[p, rows[i, 0], cols[j, 0]], rows[i, 0] * W + cols[j, 0]
                for h in range(rows[i, 0], rows[i, 1]):
                    for w in range(cols[j, 0], cols[j, 1]):
                        v = x[p, h, w]
                        if v > m or v != v:
                            m, at = v, h * W + w
                y[p, i, j], index[p, i, j] = m, at


def adaptive_max_pool2d(x, output_size):
    """(y, index) over windows floor(i H / Ho) .. ceil((i + 1) H / Ho); ValueError if planes hold no pixel."""
    N, C, H, W = x.shape
    check_plane("adaptive_max_pool2d", x.shape[2:], output_size)
    y = np.empty((N, C, *output_size), x.dtype)
    index = np.empty(y.shape, np.int32)
    planes = (N * C, *output_size)
    rows, cols = edges(H, output_size[0]), edges(W, output_size[1])
    _adaptive_max(x.reshape(N * C, H, W), y.reshape(planes), index.reshape(planes), rows, cols)
    return y, index
