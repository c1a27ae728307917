"""Splat, blur and slice in Numba, on rows of channels."""

import numpy as np
from numba import get_num_threads, prange

from ..runtime.arguments import dense
from ..runtime.jit import inner, kernel
from ..simd.transpose import channels_first, channels_last
from .lattice_rows import Corners, blur_row, collect_row, gather_row, scatter_row
from .rows import add_row, lanes, padded

PARALLEL = 2**20  # elements times axes of a lattice that all threads blur together
PARTS = 4  # at most, of the points, each splatted into a separate table


@inner
def splat(start, end, values, first, corners, scale, table, lane):
    """table[v] += weight * scale[i] * values[i - first] for the points start..end.

    The table is float64: a vertex sums thousands of points, and float32 sums change the fifth decimal of beliefs.
    """
    for i in range(start, end):
        scatter_row(table, corners, i, values, i - first, scale[i], lane)


@inner
def slice_(start, end, out, first, corners, scale, table, lane):
    """out[i - first] += weight * scale[i] * table[v] for the points start..end."""
    for i in range(start, end):
        gather_row(out, i - first, table, corners, i, scale[i], lane)


@inner
def _collect_rows(start, stop, sums, table, spare, mix, lane):
    """table[m] = mix applied to the sum of the parts; mix is (W, W), or (1, W) where it is diagonal."""
    flat = sums.reshape(-1, sums.shape[2])
    for m in range(start, stop):
        if len(mix) == 1:
            collect_row(table, m, flat, mix, lane)
        else:
            spare[m] = table[m] = 0
            for part in range(len(sums)):
                for c in range(sums.shape[2]):
                    spare[m, c] += sums[part, m, c]
            for c in range(len(mix)):
                add_row(table, m, mix, c, spare[m, c], lane)


@inner
def _blur_rows(start, stop, table, spare, neighbour, lane):
    for m in range(start, stop):
        blur_row(spare, m, table, neighbour[m, 0], neighbour[m, 1], lane)


@inner
def _blur_serial(sums, result, spare, neighbour, mix, lane):
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
        _blur_serial(sums[t], results[t], spares[t], neighbours[t], mixes[t], lane)


@kernel
def _blur_parallel(sums, result, spare, neighbour, mix, lane, bands):
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
    """For each of some lattices: add up the parts' sums (parts, M + 1, W), apply mix, blur along the axes in their order.

    result and spare are (M + 1, W). Each thread blurs whole lattices, unless one of them is large: for small ones, starting the
    threads once for every axis takes longer than the work. The order of additions is the same in both cases.
    """
    T = get_num_threads()
    if T == 1 or max(r.size * len(n) for r, n in zip(results, neighbours)) < PARALLEL:
        _blur_each(sums, results, spares, neighbours, mixes, lane)
    else:
        for each in zip(sums, results, spares, neighbours, mixes):
            _blur_parallel(*each, lane, T)


@kernel
def _splat_parts(values, corners, scale, sums, lane):
    parts, N = len(sums), len(values)
    for part in prange(parts):
        sums[part] = 0
        splat(part * N // parts, (part + 1) * N // parts, values, 0, corners, scale, sums[part], lane)


@kernel
def _slice_bands(out, corners, scale, table, lane, bands):
    N = len(out)
    for band in prange(bands):
        slice_(band * N // bands, (band + 1) * N // bands, out, 0, corners, scale, table, lane)


def parts_of(lattice):
    """The number of parts of the points that are splatted separately; their tables take at most four times the values' memory.

    It depends on the lattice alone, so sums are added in the same order for any number of threads.
    """
    return max(1, min(PARTS, 2 * lattice.points // (lattice.vertices + 1)))


def corners_of(lattice):
    """The `Corners` of a lattice."""
    return Corners(dense(lattice.vertex), dense(lattice.weight))


def permutohedral_filter(values, lattice, reverse):
    """Values (C, N) -> slice(blur(splat(values))); see the reference column."""
    C, N = values.shape
    W, lane, dtype = padded(C), lanes(C), values.dtype.type
    rows = channels_last(values, dtype(0), W)
    corners, ones = corners_of(lattice), np.ones(N, dtype)
    sums = np.empty((parts_of(lattice), lattice.vertices + 1, W))
    _splat_parts(rows, corners, ones, sums, lane)
    result, spare = (np.empty(sums.shape[1:], dtype) for _ in range(2))
    neighbour = dense(lattice.neighbour[::-1] if reverse else lattice.neighbour)
    mix = np.full((1, W), 1 / (1 + 2.0**-lattice.dimension), dtype)
    blur((sums,), (result,), (spare,), (neighbour,), (mix,), lane)
    rows[:] = 0
    _slice_bands(rows, corners, ones, result, lane, get_num_threads())
    return channels_first(rows, C)
