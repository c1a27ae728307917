"""The occupied vertices of the permutohedral lattice: a hash table from a vertex's 64-bit code to its number.

Every thread numbers the corners of its own band of points, then the bands are merged in order: vertices are numbered by first
appearance, for any number of threads.
"""

import numpy as np
from numba import prange

from ..runtime.jit import allocating, inner, kernel, njit

GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # Fibonacci hashing (Knuth, volume 3, section 6.4)
MIX = np.int64(0x2545F4914F6CDD1D)  # spreads the few bits of an order over 64
RECENT = 11  # bits: the simplices that a small cache keeps


@njit(inline="always")
def _slot(code, size):
    return np.int64(((np.uint64(code) * GOLDEN) >> np.uint64(32)) & np.uint64(size - 1))


@inner
def _find(code, codes, table):
    """The slot that holds `code`, or the empty one (-1) where it belongs: open addressing, linear probing."""
    h = _slot(code, len(table))
    while table[h] >= 0 and codes[table[h]] != code:
        h = (h + 1) & (len(table) - 1)
    return h


@allocating
def _table(codes, M, room):
    """A table of the first M codes, with space for `room` more at a load of one half."""
    size = 4096
    while size < 2 * (M + room):
        size *= 2
    table = np.full(size, -1, np.int32)
    for m in range(M):
        table[_find(codes[m], codes, table)] = m
    return table


@allocating
def _number_band(code, order, stride, vertex, codes):
    """Number the corners of a band's simplices: fills vertex and codes, returns how many there are."""
    (N, D), diagonal, M = vertex.shape, stride.sum(), 0
    table = _table(codes, 0, 0)
    recent = np.full(1 << RECENT, -1, np.int32)
    for i in range(N):
        c = code[i]
        s = _slot(c ^ (order[i] * MIX), len(recent))
        twin = recent[s]
        if twin >= 0 and code[twin] == c and order[twin] == order[i]:  # a simplex among the most recent ones
            for r in range(D):
                vertex[i, r] = vertex[twin, r]
            continue
        recent[s] = i
        if len(table) < 2 * (M + D):
            table = _table(codes, M, M + D)
        for r in range(D):
            h = _find(c, codes, table)
            if table[h] < 0:
                table[h] = M
                codes[M] = c
                M += 1
            vertex[i, r] = table[h]
            c += diagonal - D * stride[(order[i] >> (4 * (D - 1 - r))) & 15]
    return M


@kernel
def _number_bands(code, order, stride, vertex, codes, counts):
    (N, D), bands = vertex.shape, len(counts)
    for band in prange(bands):
        a, b = band * N // bands, (band + 1) * N // bands
        counts[band] = _number_band(code[a:b], order[a:b], stride, vertex[a:b], codes[a * D : b * D])


@njit(cache=True)
def _merge(codes, counts, vertex):
    """The codes of all bands without repetition, their table, and the number of each band's first point and vertices."""
    (N, D), bands, M = vertex.shape, len(counts), counts[0]
    table = _table(codes, M, counts.sum() - M)
    renumber = np.empty(counts.sum(), np.int32)
    at = M
    for band in range(1, bands):
        first = band * N // bands * D
        for m in range(first, first + counts[band]):
            h = _find(codes[m], codes, table)
            if table[h] < 0:
                table[h] = M
                codes[M] = codes[m]  # M <= m: the overwritten entry was read before
                M += 1
            renumber[at] = table[h]
            at += 1
    return codes[:M].copy(), table, renumber


@kernel
def _finish(codes, table, stride, counts, renumber, vertex):
    """The vertices' final numbers in every band but the first, and the neighbours of all vertices."""
    (N, D), bands, M = vertex.shape, len(counts), len(codes)
    neighbour = np.full((D, M, 2), M, np.int32)
    diagonal = stride.sum()
    for band in prange(bands):
        new = renumber[counts[:band].sum() :]
        for i in range(band * N // bands, (band + 1) * N // bands if band else 0):
            for r in range(D):
                vertex[i, r] = new[vertex[i, r]]
        for m in range(band * M // bands, (band + 1) * M // bands):
            for j in range(D):
                n = table[_find(codes[m] - diagonal + D * stride[j], codes, table)]
                if n >= 0:  # the first neighbour of m, whose second neighbour is m
                    neighbour[j, m, 0] = n
                    neighbour[j, n, 1] = m
    return neighbour


def number_vertices(code, order, stride, bands):
    """Codes of the remainder-0 vertices (N,), orders of the coordinates -> vertex (N, d + 1), neighbour (d + 1, M, 2)."""
    N, D = len(code), len(stride)
    vertex, codes, counts = np.empty((N, D), np.int32), np.empty(N * D, np.int64), np.empty(bands, np.int64)
    _number_bands(code, order, stride, vertex, codes, counts)
    codes, table, renumber = _merge(codes, counts, vertex)
    return vertex, _finish(codes, table, stride, counts, renumber, vertex)
