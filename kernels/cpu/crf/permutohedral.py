"""The permutohedral lattice in Numba: embedding in vector lanes; vertices see hash_table.py.

A vertex is identified by a 64-bit code that is linear in its key, so that the codes of the next corner of a simplex and of the
neighbours along an axis need one addition. Results are bit-identical to the reference column.
"""

import numpy as np
from numba import get_num_threads, prange

from ...lattice import Lattice
from ...reference.permutohedral import check_features, elevation, key_strides
from ..runtime.arguments import dense
from ..runtime.jit import kernel
from .hash_table import number_vertices

BLOCK = 64


@kernel
def _embed(features, scale, stride, code, order, weight, bands):
    """Per point: code of the remainder-0 vertex, coordinates by rank (4 bits each), barycentric weights."""
    D = len(stride)
    N = features.shape[1]
    up, down = np.float32(D), np.float32(1) / np.float32(D)
    for band in prange(bands):
        x = np.zeros((D, BLOCK), np.float32)
        origin = np.empty((D, BLOCK), np.float32)
        rank = np.empty((D, BLOCK), np.int32)
        total = np.empty(BLOCK, np.float32)
        excess = np.empty(BLOCK, np.int32)
        offset = np.empty(D, np.float32)
        end = (band + 1) * N // bands
        for start in range(band * N // bands, end, BLOCK):
            n = min(BLOCK, end - start)
            total[:] = np.float32(0)
            for j in range(D - 1, 0, -1):
                f, s, times, xj = features[j - 1, start : start + n], scale[j - 1], np.float32(j), x[j]
                for i in range(n):
                    scaled = f[i] * s
                    xj[i] = total[i] - times * scaled
                    total[i] += scaled
            x[0, :] = total
            excess[:] = 0
            rank[:] = 0
            for j in range(D):
                xj, oj = x[j], origin[j]
                for i in range(BLOCK):
                    step = np.rint(down * xj[i])
                    oj[i] = step * up
                    excess[i] += np.int32(step)
            for j in range(D):
                for k in range(j + 1, D):
                    xj, xk, oj, ok, rj, rk = x[j], x[k], origin[j], origin[k], rank[j], rank[k]
                    for i in range(BLOCK):
                        less = np.int32(xj[i] - oj[i] < xk[i] - ok[i])
                        rj[i] += less
                        rk[i] += np.int32(1) - less
            here, ranks = code[start : start + n], order[start : start + n]
            here[:] = 0
            ranks[:] = 0
            for j in range(D):
                xj, oj, rj = x[j], origin[j], rank[j]
                for i in range(n):
                    r = rj[i] + excess[i]
                    shift = np.int32(r < 0) - np.int32(r >= D)
                    rj[i] = r + shift * D
                    oj[i] += np.float32(shift) * up
                    xj[i] = (xj[i] - oj[i]) * down
                    ranks[i] |= np.int64(j) << np.int64(4 * rj[i])
                    here[i] += np.int64(oj[i]) * stride[j]
            for i in range(n):
                for j in range(D):
                    offset[D - 1 - rank[j, i]] = x[j, i]  # from the highest rank down
                weight[start + i, 0] = offset[0] + (np.float32(1) - offset[D - 1])
                for r in range(1, D):
                    weight[start + i, r] = offset[r] - offset[r - 1]


def permutohedral_lattice(features):
    """Embed (d, N) points; see the reference column."""
    features = dense(check_features(features))
    d, N = features.shape
    stride = key_strides(features)
    code, order = np.empty(N, np.int64), np.empty(N, np.int64)
    weight = np.empty((N, d + 1), np.float32)
    _embed(features, elevation(d), stride, code, order, weight, min(4 * get_num_threads(), N))
    vertex, neighbour = number_vertices(code, order, stride, min(get_num_threads(), N))
    return Lattice(vertex, weight, neighbour)
