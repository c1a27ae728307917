"""Splat, blur and slice in Numba, on rows of channels."""

import numpy as np
from numba import get_num_threads, prange

from ..runtime.jit import inner, kernel
from ..simd.transpose import channels_first, channels_last
from .lattice_rows import blur_row, collect_row, gather_row, scatter_row
from .rows import add_row, lanes, padded

ALONE = 2**20  # elements times axes


@inner
def splat(start, end, values, first, vertex, weight, scale, table, lane):
    """table[v] += weight * scale[i] * values[i - first] for the points start..end.

    The table is float64: a vertex sums thousands of points, and in float32 that cost beliefs their fifth decimal.
    """
    for i in range(start, end):
        scatter_row(table, vertex, weight, i, values, i - first, scale[i], lane)


@inner
def slice_(start, end, out, first, vertex, weight, scale, table, lane):
    """out[i - first] += weight * scale[i] * table[v] for the points start..end."""
    for i in range(start, end):
        gather_row(out, i - first, table, vertex, weight, i, scale[i], lane)


@inner
def _collect_rows(start, stop, sums, table, spare, mix, lane):
    """table[m] = mix applied to the bands' sum; mix is (W, W), or (1, W) where it is diagonal."""
    flat = sums.reshape(-1, sums.shape[2])
    for m in range(start, stop):
        if len(mix) == 1:
            collect_row(table, m, flat, mix, lane)
        else:
            spare[m] = table[m] = 0
            for b in range(len(sums)):
                for c in range(sums.shape[2]):
                    spare[m, c] += sums[b, m, c]
            for c in range(len(mix)):
                add_row(table, m, mix, c, spare[m, c], lane)


@inner
def _blur_rows(start, stop, table, spare, neighbour, lane):
    for m in range(start, stop):
        blur_row(spare, m, table, neighbour[m, 0], neighbour[m, 1], lane)


@inner
def _blur_alone(sums, result, spare, neighbour, mix, lane):
    D, M, _ = neighbour.shape
    table, other = (spare, result) if D % 2 else (result, spare)
    _collect_rows(0, M, sums, table, other, mix, lane)
    table[M] = other[M] = 0
    for axis in range(D):
        _blur_rows(0, M, table, other, neighbour[axis], lane)
        table, other = other, table


@kernel
def _blur_each(sums, results, spares, neighbours, mixes, lane):
    for t in prange(len(sums)):
        _blur_alone(sums[t], results[t], spares[t], neighbours[t], mixes[t], lane)


@kernel
def _blur_together(sums, result, spare, neighbour, mix, lane, bands):
    D, M, _ = neighbour.shape
    table, other = (spare, result) if D % 2 else (result, spare)
    for band in prange(bands):
        _collect_rows(band * M // bands, (band + 1) * M // bands, sums, table, other, mix, lane)
    table[M] = other[M] = 0
    for axis in range(D):
        for band in prange(bands):
            _blur_rows(band * M // bands, (band + 1) * M // bands, table, other, neighbour[axis], lane)
        table, other = other, table


def blur(sums, results, spares, neighbours, mixes, lane):
    """For each of some lattices: add up the bands' sums (bands, M + 1, W), apply mix, blur along the axes in their order.

    result and spare are (M + 1, W). A thread takes a lattice, unless one of them is large: dividing every axis among the
    threads, and waking them for each, took longer than the work.
    """
    T = get_num_threads()
    if T == 1 or max(r.size * len(n) for r, n in zip(results, neighbours)) < ALONE:
        _blur_each(sums, results, spares, neighbours, mixes, lane)
    else:
        for each in zip(sums, results, spares, neighbours, mixes):
            _blur_together(*each, lane, T)


@kernel
def _splat_bands(values, vertex, weight, scale, sums, lane):
    bands, N = len(sums), len(values)
    for band in prange(bands):
        sums[band] = 0
        splat(band * N // bands, (band + 1) * N // bands, values, 0, vertex, weight, scale, sums[band], lane)


@kernel
def _slice_bands(out, vertex, weight, scale, table, lane, bands):
    N = len(out)
    for band in prange(bands):
        slice_(band * N // bands, (band + 1) * N // bands, out, 0, vertex, weight, scale, table, lane)


def table_bands(lattice):
    """How many threads splat into tables of their own: together they take at most four times the values' memory."""
    return max(1, min(get_num_threads(), 2 * lattice.points // (lattice.vertices + 1)))


def permutohedral_filter(values, lattice, reverse):
    """Values (C, N) -> slice(blur(splat(values))); see the reference column.

    The order of summation depends on the number of threads, so results agree to rounding, not always to the bit.
    """
    values = np.ascontiguousarray(values)
    C, N = values.shape
    W, lane, dtype = padded(C), lanes(C), values.dtype.type
    rows = channels_last(values, dtype(0), W)
    sums = np.empty((table_bands(lattice), lattice.vertices + 1, W))
    _splat_bands(rows, lattice.vertex, lattice.weight, np.ones(N, dtype), sums, lane)
    result, spare = (np.empty(sums.shape[1:], dtype) for _ in range(2))
    neighbour = np.ascontiguousarray(lattice.neighbour[::-1]) if reverse else lattice.neighbour
    mix = np.full((1, W), 1 / (1 + 2.0**-lattice.dimension), dtype)
    blur((sums,), (result,), (spare,), (neighbour,), (mix,), lane)
    rows[:] = 0
    _slice_bands(rows, lattice.vertex, lattice.weight, np.ones(N, dtype), result, lane, get_num_threads())
    return channels_first(rows, C)
