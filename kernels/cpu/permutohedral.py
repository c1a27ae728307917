"""The permutohedral lattice in Numba: embedding in vector lanes, vertices in a hash table, neighbours in parallel.

A vertex is known by one 64-bit code that is linear in its key: the next corner of a simplex and the neighbours along an
axis are then one addition away. Results equal the reference column to the last bit.
"""

import numpy as np
from numba import get_num_threads, njit, prange

from ..lattice import Lattice
from ..reference.permutohedral import check_features, elevation

BLOCK = 64
GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # Fibonacci hashing (Knuth, volume 3, section 6.4)
MIX = np.int64(0x2545F4914F6CDD1D)  # spreads the few bits of an order over 64
RECENT = 12  # bits: how many simplices the shortcut remembers


def key_strides(features):
    """(d + 1,) int64: what one step of each key coordinate adds to the code of a vertex; the last has no coordinate.

    Mixed radix while the ranges of all coordinates fit 62 bits, neighbours included: codes are then exact. Beyond (very
    small standard deviations), odd random multipliers: M vertices collide with a chance of about M^2 / 2^65.
    """
    d = len(features)
    scale = elevation(d).astype(float)
    ends = np.sort(np.stack([features.min(axis=1), features.max(axis=1)]) * scale, axis=0)  # (2, d): lowest, highest
    stride, total = [], 1
    for j in range(d):
        spread = ends[1, j:].sum() - ends[0, j:].sum() + (j * (ends[1, j - 1] - ends[0, j - 1]) if j else 0)
        stride.append(total)
        total *= int(spread) + 4 * d + 8
    if total >= 2**62:
        stride = np.random.default_rng(d).integers(0, 2**63, d) | 1
    return np.array([*stride, 0], np.int64)


@njit(parallel=True, cache=True)
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
        b = np.empty(D + 1, np.float32)
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
            for j in range(D):
                oj, rj = origin[j], rank[j]
                for i in range(BLOCK):
                    r = rj[i] + excess[i]
                    shift = np.int32(r < 0) - np.int32(r >= D)
                    rj[i] = r + shift * D
                    oj[i] += np.float32(shift) * up
            for i in range(n):
                b[:] = np.float32(0)
                c = np.int64(0)
                by_rank = np.int64(0)
                for j in range(D):
                    r = rank[j, i]
                    v = (x[j, i] - origin[j, i]) * down
                    b[D - 1 - r] += v
                    b[D - r] -= v
                    by_rank |= np.int64(j) << (4 * r)
                    c += np.int64(origin[j, i]) * stride[j]
                b[0] += np.float32(1) + b[D]
                for j in range(D):
                    weight[start + i, j] = b[j]
                code[start + i] = c
                order[start + i] = by_rank


@njit(inline="always")
def _slot(code, bits):
    return np.int64((np.uint64(code) * GOLDEN) >> np.uint64(64 - bits))


@njit(cache=True)
def _find(code, codes, table, bits):
    """The slot that holds `code`, or the empty one (-1) where it belongs: open addressing, linear probing."""
    h = _slot(code, bits)
    while table[h] >= 0 and codes[table[h]] != code:
        h = (h + 1) & (len(table) - 1)
    return h


@njit(cache=True)
def _number(code, order, stride, vertex):
    """Give every corner of every simplex its vertex number. Returns the vertices' codes and the hash table."""
    N, D = vertex.shape
    diagonal = stride.sum()
    bits, M = 12, 0
    table = np.full(1 << bits, -1, np.int32)
    codes = np.empty(1 << (bits - 1), np.int64)
    recent = np.full(1 << RECENT, -1, np.int32)
    for i in range(N):
        c = code[i]
        s = _slot(c ^ (order[i] * MIX), RECENT)
        twin = recent[s]
        if twin >= 0 and code[twin] == c and order[twin] == order[i]:  # a simplex that was met just before
            for r in range(D):
                vertex[i, r] = vertex[twin, r]
            continue
        recent[s] = i
        if len(codes) < M + D:
            bits += 1
            wider = np.empty(2 * len(codes), np.int64)
            wider[:M] = codes[:M]
            codes = wider
            table = np.full(1 << bits, -1, np.int32)
            for m in range(M):
                table[_find(codes[m], codes, table, bits)] = m
        for r in range(D):
            h = _find(c, codes, table, bits)
            if table[h] < 0:
                table[h] = M
                codes[M] = c
                M += 1
            vertex[i, r] = table[h]
            c += diagonal - D * stride[(order[i] >> (4 * (D - 1 - r))) & 15]
    return codes[:M].copy(), table, bits


@njit(parallel=True, cache=True)
def _neighbours(codes, table, bits, stride):
    M, D = len(codes), len(stride)
    diagonal = stride.sum()
    neighbour = np.full((D, M, 2), M, np.int32)
    for m in prange(M):
        for j in range(D):
            n = table[_find(codes[m] - diagonal + D * stride[j], codes, table, bits)]
            if n >= 0:  # my first neighbour: I am its second
                neighbour[j, m, 0] = n
                neighbour[j, n, 1] = m
    return neighbour


def permutohedral_lattice(features):
    """Embed (d, N) points; see the reference column."""
    features = check_features(features)
    d, N = features.shape
    stride = key_strides(features)
    code = np.empty(N, np.int64)
    order = np.empty(N, np.int64)
    weight = np.empty((N, d + 1), np.float32)
    vertex = np.empty((N, d + 1), np.int32)
    _embed(features, elevation(d), stride, code, order, weight, min(4 * get_num_threads(), N))
    codes, table, bits = _number(code, order, stride, vertex)
    return Lattice(vertex, weight, _neighbours(codes, table, bits, stride))
