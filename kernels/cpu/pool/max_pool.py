"""Max-pooling in Numba. Work is cut by rows of the result; the inner loop runs along a row, at a constant stride.

A window is taken apart into taps: tap (k, l) of all windows of an output row is one strided row of the input, so the
loops over taps are outside and the loop that LLVM turns into vector instructions is inside. Whole arrays and positions
are passed down, not rows: cutting a row out of an array counts references, which costs more than pooling a short one.
"""

import numpy as np
from numba import prange

from ...geometry import Geometry
from ..runtime.jit import allocating, inner, kernel
from ..runtime.threads import threads_for
from .avg_pool import edges
from .max_pool_2x2 import halves, largest_by_halves, overlapping

# Windows with vector loops of their own, and the question whether a plane suits them.
BY_HALVES = {Geometry((2, 2), (2, 2)): halves, Geometry((3, 3), (2, 2), (1, 1)): overlapping}


@inner
def _larger_tap(line, start, step, ramp, shift, best, place, source, target):
    """Row target of (best, place) = row source or the tap line[start::step] at ramp + shift, whichever is larger.

    source is not target: LLVM would turn "keep what is there" into masked stores, which are slow.
    """
    start, step = np.uintp(start), np.uintp(step)  # a signed index would be tested for being negative: no vectors
    for j in range(np.uintp(ramp.size)):
        v, m, k, at = line[start + j * step], best[source, j], place[source, j], np.int32(ramp[j] + shift)
        better = (v > m) | (v != v)
        best[target, j] = v if better else m
        place[target, j] = at if better else k


@inner
def _larger_row(best, place, a, b, target):
    """Row target = row a, or row b where that is larger."""
    for j in range(best.shape[1]):
        m, k, v, at = best[a, j], place[a, j], best[b, j], place[b, j]
        better = (v > m) | (v != v)
        best[target, j] = v if better else m
        place[target, j] = at if better else k


@inner
def _row_maxima(x, group, h, line, ramp, first, best, place, slot, kernel, stride, padding, dilation):
    """Row slot of (best, place) = the maximum of row h of some planes under every window, and its flat position."""
    begin, end, pitch = group
    W, spare = x.shape[2], best.shape[0] - 3
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
            _larger_tap(line, start, 1, ramp, shift, best, place, source, target)
        elif stride == 2:
            _larger_tap(line, start, 2, ramp, shift, best, place, source, target)
        else:
            _larger_tap(line, start, stride, ramp, shift, best, place, source, target)
        source = target


@allocating
def _max_rows(begin, end, x, y, index, ramp, first, G, kernel, stride, padding, dilation):
    """Rows begin .. end of groups of G planes: maxima along rows, held while windows need them, then down the columns.

    In this order a tie keeps the upper row, and within it the left column: the first maximum. `line` is a row of x with
    -inf where windows hang over its ends. Narrow planes lie side by side in it, so that vectors are filled.
    """
    (P, H, _), (Ho, Wo) = x.shape, y.shape[1:]
    ring, pitch = (kernel[0] - 1) * dilation[0] + 1, ramp.size // G
    line = np.full(ramp.size * stride[1] + (kernel[1] - 1) * dilation[1], -np.inf, x.dtype)
    best, place = np.full((ring + 3, ramp.size), -np.inf, x.dtype), np.empty((ring + 3, ramp.size), np.int32)
    held = np.full(ring, -1)  # the row, counted over all groups, that each slot holds
    for r in range(begin, end):
        q, i = r // Ho, r % Ho
        group = q * G, min(q * G + G, P), pitch
        top = i * stride[0] - padding[0]
        for h in range(top, top + ring, dilation[0]):
            if 0 <= h < H and held[h % ring] != q * H + h:
                args = kernel[1], stride[1], padding[1], dilation[1]
                _row_maxima(x, group, h, line, ramp, first, best, place, h % ring, *args)
                held[h % ring] = q * H + h
        source, spare = -1, ring
        for h in range(top, top + ring, dilation[0]):
            if 0 <= h < H and source < 0:
                source = h % ring
            elif 0 <= h < H:
                _larger_row(best, place, source, h % ring, spare)
                source, spare = spare, 2 * ring + 1 - spare
        for p in range(group[0], group[1]):
            at = np.uintp((p - group[0]) * pitch)
            for j in range(np.uintp(Wo)):
                y[p, i, j], index[p, i, j] = best[source, at + j], place[source, at + j]
            if source < 0 or dilation[1] > 1:  # only dilation steps over an image
                for j in range(Wo):
                    if source < 0 or first[j] < 0:
                        y[p, i, j], index[p, i, j] = -np.inf, -1


@kernel
def _max_pool(T, x, y, index, ramp, first, G, kernel, stride, padding, dilation):
    P, Ho, _ = y.shape
    R = (P + G - 1) // G * Ho
    for t in prange(T):
        _max_rows(t * R // T, (t + 1) * R // T, x, y, index, ramp, first, G, kernel, stride, padding, dilation)


def _columns(P, W, Wo, geometry):
    """(j stride, column of window j's first tap in the image or -1, G): the tables of G planes side by side."""
    stride, step, extent = geometry.stride[1], geometry.dilation[1], geometry.extent[1]
    ramp = np.arange(-(-((Wo - 1) * stride + extent) // stride)) * stride  # so long that no window meets the next plane
    start = ramp - geometry.padding[1]
    first = np.where(start < 0, start + -(start // step) * step, start)
    first = np.where(first < np.minimum(start + extent, W), first, -1)
    G = max(1, min(256 // len(ramp), P))
    return np.tile(ramp, G).astype(np.int32), np.tile(first, G).astype(np.int32), G


def max_pool2d(x, geometry, output_size):
    """(y, index): maxima along rows, then down columns, kh + kw comparisons; stride 2 mostly by halves."""
    x, g = np.ascontiguousarray(x), geometry
    N, C, _, W = x.shape
    y = np.empty((N, C, *output_size), x.dtype)
    index = np.empty(y.shape, np.int32)
    if g in BY_HALVES and BY_HALVES[g](x.shape[2:], y):
        largest_by_halves(x, y, index, BY_HALVES[g] is overlapping)
        return y, index
    arrays = (a.reshape(N * C, *a.shape[2:]) for a in (x, y, index))
    _max_pool(
        threads_for(x.size), *arrays, *_columns(N * C, W, output_size[1], g), g.kernel, g.stride, g.padding, g.dilation
    )
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
    """(y, index) over windows floor(i H / Ho) .. ceil((i + 1) H / Ho)."""
    x = np.ascontiguousarray(x)
    N, C, H, W = x.shape
    y = np.empty((N, C, *output_size), x.dtype)
    index = np.empty(y.shape, np.int32)
    planes = (N * C, *output_size)
    rows, cols = edges(H, output_size[0]), edges(W, output_size[1])
    _adaptive_max(x.reshape(N * C, H, W), y.reshape(planes), index.reshape(planes), rows, cols)
    return y, index
