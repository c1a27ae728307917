"""Splat, blur and slice in Numba, on rows of channels."""

import numpy as np
from numba import get_num_threads, njit, prange

from .rows import blur_row, gather_row, padded, scatter_row

ALONE = 2**20  # elements times axes


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


@njit(cache=True)
def _gather_rows(start, stop, sums, table):
    for m in range(start, stop):
        for c in range(table.shape[1]):
            total = sums[0, m, c]
            for band in range(1, len(sums)):
                total += sums[band, m, c]
            table[m, c] = total


@njit(cache=True)
def _blur_rows(start, stop, table, spare, neighbour):
    for m in range(start, stop):
        blur_row(spare, m, table, neighbour[m, 0], neighbour[m, 1])


@njit(cache=True)
def _blur_alone(sums, table, spare, neighbour, reverse):
    D, M, _ = neighbour.shape
    _gather_rows(0, M, sums, table)
    table[M] = spare[M] = 0
    for axis in range(D):
        _blur_rows(0, M, table, spare, neighbour[D - 1 - axis if reverse else axis])
        table, spare = spare, table
    return table


@njit(parallel=True, cache=True)
def _blur_together(sums, table, spare, neighbour, reverse, bands):
    D, M, _ = neighbour.shape
    for band in prange(bands):
        _gather_rows(band * M // bands, (band + 1) * M // bands, sums, table)
    table[M] = spare[M] = 0
    for axis in range(D):
        n = neighbour[D - 1 - axis if reverse else axis]
        for band in prange(bands):
            _blur_rows(band * M // bands, (band + 1) * M // bands, table, spare, n)
        table, spare = spare, table
    return table


def blur(sums, table, spare, lattice, reverse):
    """Add up the bands' sums (bands, M + 1, W) and blur along every axis, swapping table and spare, both (M + 1, W).

    Returns the one that holds the result. A small lattice is blurred by one thread: waking the others took 60 us an axis,
    longer than the work.
    """
    if table.size * lattice.dimension < ALONE:
        return _blur_alone(sums, table, spare, lattice.neighbour, reverse)
    return _blur_together(sums, table, spare, lattice.neighbour, reverse, get_num_threads())


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
    table = blur(sums, table, np.empty_like(table), lattice, reverse)
    rows[:] = 0
    scale = np.full(N, 1 / (1 + 2.0**-lattice.dimension), dtype)
    _slice_bands(rows, lattice.vertex, lattice.weight, scale, table, get_num_threads())
    return to_planes(rows, C)
