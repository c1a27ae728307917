"""Tiles of pixels with all of their classes: the largest class and the sum of exponentials along axis 1 of (N, C, L).

Pixels are processed in tiles of TILE neighbours, classes in the outer loop and pixels in the inner one, so the inner loops are
contiguous and a tile of 21 classes stays in the first-level cache while it is read for the maximum, the sum and the result.
Sums over classes are blocked: BLOCK classes in the array's dtype, the blocks in float64. The 1 of the largest class is left
out of the sum of the exponentials: beside it the others would lose their digits where p of that class is near 1.
"""

from typing import NamedTuple

import numpy as np

from ..runtime.jit import inner
from ..simd.exp_log import exp_below_zero, log1p_above_zero
from ..simd.vector import copy_run

TILE, BLOCK = 1024, 128


class Scratch(NamedTuple):
    """Per pixel of a tile: the maximum, the sum of a block of classes, a value of the largest class, the blocks before."""

    m: np.ndarray
    s: np.ndarray
    top: np.ndarray
    blocks: np.ndarray


@inner
def _maximum(x, a, m):
    """m = largest class of every pixel of the tile x[:, a : a + m.size]; a NaN is found by the sum that follows."""
    copy_run(x[0], a, m, 0, m.size)
    for c in range(1, x.shape[0]):
        row = x[c, a : a + m.size]
        for j in range(m.size):
            m[j] = row[j] if row[j] > m[j] else m[j]


@inner
def start_block(c, s, blocks):
    """At the first class of a block of classes: adds the last block's sums s to `blocks` and sets s to zero."""
    if c == 0:
        blocks[:] = 0
        s[:] = 0
    elif c % BLOCK == 0:
        for j in range(s.size):
            blocks[j] += s[j]
        s[:] = 0


@inner
def end_blocks(C, s, blocks):
    """s = the sum over all classes."""
    if C > BLOCK:
        for j in range(s.size):
            s[j] = s.dtype.type(blocks[j] + s[j])


@inner
def log_sum(x, a, scratch):
    """m = max_c x and s = log sum_c exp(x - m) of every pixel of the tile; apart, since in m + s a large m rounds s off."""
    m, s, top, blocks = scratch
    _maximum(x, a, m)
    zero, one = x.dtype.type(0), x.dtype.type(1)
    top[:] = -one
    for c in range(x.shape[0]):
        start_block(c, s, blocks)
        row = x[c, a : a + m.size]
        for j in range(m.size):
            d = row[j] - m[j]
            s[j] += zero if d == zero else exp_below_zero(d)
            top[j] += one if d == zero else zero
    end_blocks(x.shape[0], s, blocks)
    for j in range(m.size):
        s[j] = log1p_above_zero(s[j] + top[j])


@inner
def exponentials(x, a, y, scratch):
    """m = max_c x, y = exp(x - m), s = sum_c y without the 1 of one maximum, for every pixel of the tile."""
    m, s, top, blocks = scratch
    _maximum(x, a, m)
    zero, one = x.dtype.type(0), x.dtype.type(1)
    top[:] = -one
    for c in range(x.shape[0]):
        start_block(c, s, blocks)
        row, out = x[c, a : a + m.size], y[c, a : a + m.size]
        for j in range(m.size):
            d = row[j] - m[j]
            e = exp_below_zero(d)
            out[j] = e
            s[j] += zero if d == zero else e
            top[j] += one if d == zero else zero
    end_blocks(x.shape[0], s, blocks)
    for j in range(m.size):
        s[j] += top[j]


@inner
def scale(y, a, s):
    """Multiplies every class by s; 0 where s is 0, whatever y holds."""
    zero = s.dtype.type(0)
    for c in range(y.shape[0]):
        row = y[c, a : a + s.size]
        for j in range(s.size):
            row[j] = zero if s[j] == zero else row[j] * s[j]


def wide(x):
    """(N, C, L) with a short L as (1, C, N L), so that tiles are full; otherwise as it is."""
    N, C, L = x.shape
    if L < TILE // 8 and N > 1:
        x = x.transpose(1, 0, 2).reshape(1, C, N * L)
    return np.ascontiguousarray(x)


def narrow(y, shape):
    """Undoes `_wide`."""
    N, C, L = shape
    if y.shape != shape:
        y = np.ascontiguousarray(y.reshape(C, N, L).transpose(1, 0, 2))
    return y
