"""The exact Gaussian filter in Numba: O(N^2), in tiles of the N x N matrix that stay in the cache.

Sums are blocked: over the points of a tile, then over the tiles.
"""

import numpy as np
from numba import prange

from ..runtime.arguments import dense
from ..runtime.jit import njit
from ..simd.exp_log import exp_below_zero
from ..simd.transpose import channels_first, channels_last
from .rows import add_row, lanes, padded

TILE = 256


@njit(parallel=True, cache=True, fastmath={"contract"})
def _sum(rows, features, out, lane):
    (d, N), one = features.shape, rows.dtype.type(1)
    for block in prange((N + TILE - 1) // TILE):
        kernel, part = np.empty(TILE, rows.dtype), np.empty((1, out.shape[1]), out.dtype)
        for start in range(0, N, TILE):
            n = min(TILE, N - start)
            for i in range(TILE * block, min(TILE * block + TILE, N)):
                kernel[:] = 0
                for k in range(d):
                    f, here = features[k, start : start + n], features[k, i]
                    for j in range(n):
                        kernel[j] += (f[j] - here) * (f[j] - here)
                for j in range(n):
                    kernel[j] = exp_below_zero(rows.dtype.type(-0.5) * kernel[j])
                part[:] = 0
                for j in range(n):
                    add_row(part, 0, rows, start + j, kernel[j], lane)
                add_row(out, i, part, 0, one, lane)


def gaussian_sum(values, features):
    """Values (C, N), features (d, N) -> out[c,i] = sum_j exp(-|f_i - f_j|^2 / 2) v[c,j]; see the reference column."""
    rows = channels_last(values, values.dtype.type(0), padded(len(values)))
    out = np.zeros_like(rows)
    _sum(rows, dense(np.asarray(features, values.dtype)), out, lanes(len(values)))
    return channels_first(out, len(values))
