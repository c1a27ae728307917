"""How the tiled convolutions see an image: taps as shifts, a tile small enough for the second-level cache, its copy.

With stride s, tap (k, l) of window (i, j) reads pixel (i s + k d, j s + l d) after the padding. Write k d = s u + a: that is
row i + u of the sub-image made of every s-th row from row a. So a tile is copied into s x s sub-images, padding included,
and then each tap of *all* windows is one contiguous run of the copy, starting u rows down and v columns in. The matrix that
im2col writes is never formed: its rows are already there, as views that start at `offsets`.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from .microkernel import width

TILE_BYTES = 192 * 1024  # of a tile's copy: under half of a second-level cache


@dataclass(frozen=True)
class Taps:
    """Every tap as a sub-image (a, b) and a shift (u, v), and where the first pixel of sub-image (0, 0) lies."""

    table: np.ndarray  # (taps, 5): tap number, a, b, u, v
    starts: np.ndarray  # taps of output phase f are table[starts[f] : starts[f + 1]]
    step: tuple[int, int]  # distance of a sub-image's pixels in the image
    origin: tuple[int, int]  # the image's row and column under pixel (0, 0) of sub-image (0, 0)
    spread: tuple[int, int]  # the largest shift


def window_taps(geometry):
    """Taps of conv2d: one output phase, sub-images where the stride makes them."""
    (kh, kw), (sh, sw), (dh, dw), (p, q) = geometry.kernel, geometry.stride, geometry.dilation, geometry.padding
    table = [(k * kw + l, k * dh % sh, l * dw % sw, k * dh // sh, l * dw // sw) for k in range(kh) for l in range(kw)]
    table = np.array(table, np.int64)
    return Taps(table, np.array([0, kh * kw]), (sh, sw), (-p, -q), tuple(table[:, 3:].max(0).tolist()))


def adjoint_taps(geometry):
    """Taps of conv_transpose2d: pixel h = i s + a of the result gathers y[i + e], e = (a + p - k d) / s, where that is whole.

    So the transposed convolution is s x s ordinary ones, one for each phase (a, b) of the result, each with its share of taps.
    """
    (kh, kw), (sh, sw), (dh, dw), (p, q) = geometry.kernel, geometry.stride, geometry.dilation, geometry.padding
    table, starts = [], [0]
    for a in range(sh):
        for b in range(sw):
            rows = [(k, (a + p - k * dh) // sh) for k in range(kh) if (a + p - k * dh) % sh == 0]
            cols = [(l, (b + q - l * dw) // sw) for l in range(kw) if (b + q - l * dw) % sw == 0]
            table += [(k * kw + l, 0, 0, e, f) for k, e in rows for l, f in cols]
            starts.append(len(table))
    table = np.array(table, np.int64).reshape(-1, 5)
    origin = table[:, 3:].min(0)
    table[:, 3:] -= origin
    spread = tuple(table[:, 3:].max(0).tolist())
    return Taps(table, np.array(starts), (1, 1), tuple(origin.tolist()), spread)


def tile_size(channels, taps, size, itemsize, others, threads, least=1):
    """(rows, columns) of the tiles that cut a result of `size`: the copy fits the cache, the tiles come out even.

    `others` is how many results of this size there are (images times groups).
    """
    (H, W), (U, V), pixels = size, taps.spread, channels * len(np.unique(taps.table[:, 1:3], axis=0))
    budget = TILE_BYTES // (itemsize * max(pixels, 1))  # pixels of one sub-image
    cols = W
    while (1 + U) * (cols + V) > budget and cols > 64:
        cols = -(-cols // 2)
    rows = min(H, max(1, least, budget // (cols + V) - U))
    across, down = -(-W // cols), -(-H // rows)
    while others * across * down % threads and others * across * down < 8 * threads and down < H:
        down += 1
    return -(-H // down), cols


def sub_images(taps, rows, cols, lanes):
    """(which, offsets, plane, pitch): the sub-images in use, where each tap starts, and the distances of planes and rows.

    A plane is an odd number of cache lines long, so that the same pixel of many channels does not fall on one cache set.
    """
    which, place = np.unique(taps.table[:, 1:3], axis=0, return_inverse=True)
    pitch = cols + taps.spread[1]
    plane = (-(-((rows + taps.spread[0]) * pitch) // lanes) | 1) * lanes
    offsets = place.reshape(-1) * plane + taps.table[:, 3] * pitch + taps.table[:, 4]
    return np.ascontiguousarray(which), offsets, plane, pitch


def lanes_of(dtype):
    return width(np.dtype(dtype))


@njit(cache=True)
def copy_row(row, out, step, first):
    """out[q] = row[first + q step], zero outside the row."""
    W, Q = row.size, out.size
    lo = min(max(0, -(first // step)), Q)
    hi = max(min(Q, -((first - W) // step)), lo)
    out[:lo] = 0
    out[hi:] = 0
    row = row[first + lo * step :] if hi > lo else row[:0]
    if step == 1:
        out[lo:hi] = row[: hi - lo]
    elif step == 2:  # a constant step lets LLVM use vector shuffles
        for q in range(hi - lo):
            out[lo + q] = row[2 * q]
    else:
        for q in range(hi - lo):
            out[lo + q] = row[q * step]


@njit(cache=True)
def copy_tile(x, out, which, plane, pitch, i0, j0, rows, step, origin):
    """Copies the sub-images of every channel of x (C, H, W) that a tile's windows see, padding included.

    for c, (a, b), r, q: out[(c, ab) plane + r pitch + q] = x[c, (i0 + r) s + a - p, (j0 + q) s + b - p]
    """
    C, H, _ = x.shape
    for c in range(C):
        for f in range(which.shape[0]):
            base = (c * which.shape[0] + f) * plane
            for r in range(rows):
                h = (i0 + r) * step[0] + which[f, 0] + origin[0]
                line = out[base + r * pitch : base + (r + 1) * pitch]
                if 0 <= h < H:
                    copy_row(x[c, h], line, step[1], j0 * step[1] + which[f, 1] + origin[1])
                else:
                    line[:] = 0
            out[base + rows * pitch : base + plane] = 0
