"""Splat, blur and slice in Numba, on rows of channels."""

import numpy as np
from numba import get_num_threads, njit, prange

from .rows import blur_row, gather_row, padded, scatter_row


@njit(cache=True)
def splat(start, end, values, first, vertex, weight, scale, table):
    """table[v] += weight * scale[i] * values[i - first] for the points start..end.

    The table is float64: a vertex sums thousands of points, and in float32 that cost beliefs their fifth decimal.
    """
    for i in range(start, end):
        scatter_row(table, vertex, weight, i, values, i - first, scale[i])


@njit(cache=True)
def slice_(start, end, out, first, vertex, weight, scale, table):
    """out[i - first] += weight * scale[i] * table[v] for the points start..end."""
    for i in range(start, end):
        gather_row(out, i - first, table, vertex, weight, i, scale[i])


@njit(parallel=True, cache=True)
def gather(sums, table):
    """Add the bands' sums (bands, M + 1, W) up into table (M + 1, W); its last row, the missing neighbour, is zero."""
    M = len(table) - 1
    for m in prange(M):
        for c in range(table.shape[1]):
            total = sums[0, m, c]
            for band in range(1, len(sums)):
                total += sums[band, m, c]
            table[m, c] = total
    table[M] = 0


@njit(parallel=True, cache=True)
def blur(table, spare, neighbour, reverse):
    """Blur along every axis, swapping the two tables; returns the one that holds the result."""
    D, M, _ = neighbour.shape
    spare[M] = 0
    for axis in range(D):
        n = neighbour[D - 1 - axis if reverse else axis]
        for m in prange(M):
            blur_row(spare, m, table, n[m, 0], n[m, 1])
        table, spare = spare, table
    return table


@njit(parallel=True, cache=True)
def to_rows(values, fill, width):
    """(C, N) -> (N, W); the columns beyond C hold `fill`."""
    C, N = values.shape
    rows = np.empty((N, width), values.dtype)
    for block in prange((N + 63) // 64):
        start, stop = 64 * block, min(64 * block + 64, N)
        rows[start:stop, C:] = fill
        for c in range(C):
            for i in range(start, stop):
                rows[i, c] = values[c, i]
    return rows


@njit(parallel=True, cache=True)
def to_planes(rows, C):
    """(N, W) -> (C, N)."""
    N = len(rows)
    values = np.empty((C, N), rows.dtype)
    for block in prange((N + 63) // 64):
        for c in range(C):
            for i in range(64 * block, min(64 * block + 64, N)):
                values[c, i] = rows[i, c]
    return values


@njit(parallel=True, cache=True)
def _splat_bands(values, vertex, weight, scale, sums):
    bands, N = len(sums), len(values)
    for band in prange(bands):
        sums[band] = 0
        splat(band * N // bands, (band + 1) * N // bands, values, 0, vertex, weight, scale, sums[band])


@njit(parallel=True, cache=True)
def _slice_bands(out, vertex, weight, scale, table, bands):
    N = len(out)
    for band in prange(bands):
        slice_(band * N // bands, (band + 1) * N // bands, out, 0, vertex, weight, scale, table)


def table_bands(lattice):
    """How many threads splat into tables of their own: together they take at most four times the values' memory."""
    return max(1, min(get_num_threads(), 2 * lattice.points // (lattice.vertices + 1)))


def permutohedral_filter(values, lattice, reverse):
    """Values (C, N) -> slice(blur(splat(values))); see the reference column.

    The order of summation depends on the number of threads, so results agree to rounding, not always to the bit.
    """
    values = np.ascontiguousarray(values)
    C, N = values.shape
    W, dtype = padded(C), values.dtype.type
    rows = to_rows(values, dtype(0), W)
    sums = np.empty((table_bands(lattice), lattice.vertices + 1, W))
    _splat_bands(rows, lattice.vertex, lattice.weight, np.ones(N, dtype), sums)
    table = np.empty(sums.shape[1:], dtype)
    gather(sums, table)
    table = blur(table, np.empty_like(table), lattice.neighbour, reverse)
    rows[:] = 0
    scale = np.full(N, 1 / (1 + 2.0**-lattice.dimension), dtype)
    _slice_bands(rows, lattice.vertex, lattice.weight, scale, table, get_num_threads())
    return to_planes(rows, C)
