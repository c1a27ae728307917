"""The permutohedral lattice in CUDA C: built by sorting, filtered on rows of channels."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...lattice import Lattice
from ...reference.permutohedral import check_features, elevation, key_strides
from ..loader import Kernel, array_module, contiguous, i32
from ..tables import table

_embed = Kernel("crf/lattice.cu", "lattice_embed")
_neighbours = Kernel("crf/lattice.cu", "lattice_neighbours")
_splat = Kernel("crf/lattice_filter.cu", "lattice_splat")
_blur = Kernel("crf/lattice_filter.cu", "lattice_blur")
_slice = Kernel("crf/lattice_filter.cu", "lattice_slice")
RUN = 32  # as in lattice_filter.cu


@dataclass(frozen=True, slots=True, eq=False)
class SortedLattice(Lattice):
    """A lattice that also keeps its entries (point, corner), numbered point (d + 1) + corner, in the order of vertices."""

    order: Any


def _ends(features):
    """A NumPy (d, 2) array with the smallest and the largest value of each feature."""
    xp = array_module(features)
    if features.ndim != 2 or 0 in features.shape:
        return np.empty(features.shape, np.float32)
    ends = xp.stack([features.min(axis=1), features.max(axis=1)], axis=1)
    return ends if xp is np else ends.get()


def permutohedral_lattice(features):
    """Embed (d, N) points; vertices are numbered in order of appearance. See the reference column."""
    xp = array_module(features)
    features = contiguous(features.astype(np.float32, copy=False))
    ends = check_features(_ends(features))
    (d, N), D = features.shape, features.shape[0] + 1
    stride = xp.asarray(key_strides(ends))
    code, weight = xp.empty(N * D, np.int64), xp.empty((N, D), np.float32)
    _embed(features, table(xp, elevation(d), np.float32), stride, code, weight, *i32(N, d), threads=N)

    order = xp.argsort(code, kind="stable")  # of equal codes, the entry that appeared first stays first
    code = code[order]
    begins = xp.concatenate([xp.ones(1, bool), code[1:] != code[:-1]])  # where, in this order, a new vertex begins
    first = xp.flatnonzero(begins)
    by_appearance = xp.argsort(order[first])
    M = first.size
    number = xp.empty(M, np.int32)
    number[by_appearance] = xp.arange(M, dtype=np.int32)
    vertex = xp.empty(N * D, np.int32)
    vertex[order] = number[xp.cumsum(begins) - 1]

    neighbour = xp.full((D, M, 2), M, np.int32)
    _neighbours(code[first], number, stride, neighbour, *i32(M, D), grid=(-(-M // 256), D))
    return SortedLattice(vertex.reshape(N, D), weight, neighbour, order.astype(np.int32))


def _order(lattice):
    """The entries in the order of vertices; sorted now if another column built the lattice."""
    if isinstance(lattice, SortedLattice):
        return lattice.order
    xp = array_module(lattice.vertex)
    return xp.argsort(lattice.vertex.reshape(-1), kind="stable").astype(np.int32)


def teams(items, channels):
    """(width, grid): teams of `width` lanes, one for each item, in blocks of 256 threads; see lattice_filter.cu."""
    width = 1
    while width < min(channels, 32):
        width *= 2
    return width, (-(-items * width // 256), -(-channels // width))


def splat_and_blur(rows, scale, lattice, reverse=False):
    """Rows (N, C) -> the blurred table (M + 1, C), whose last row is zero; scale (N,) or None."""
    xp, C, (D, M, _) = array_module(rows), rows.shape[1], lattice.neighbour.shape
    table, spare = xp.zeros((M + 1, C), rows.dtype), xp.zeros((M + 1, C), rows.dtype)
    entries = lattice.vertex.size
    width, grid = teams(-(-entries // RUN), C)
    arrays = rows, scale, _order(lattice), *contiguous(lattice.vertex, lattice.weight), table
    _splat(*arrays, (entries, D, C, width), grid=grid)
    for axis in reversed(range(D)) if reverse else range(D):
        _blur(table, spare, contiguous(lattice.neighbour[axis]), *i32(M, C), threads=M * C)
        table, spare = spare, table
    return table


def slice_rows(table, scale, lattice, base, factor, out):
    """out (N, C) = base + factor scale * the table at the points; scale and base may be None, base may be out."""
    (N, D), C = lattice.vertex.shape, table.shape[1]
    width, grid = teams(N, C)
    arrays = table, scale, *contiguous(lattice.vertex, lattice.weight), base, out
    _slice(*arrays, (N, D, C, width), table.dtype.type(factor), grid=grid)
    return out


def permutohedral_filter(values, lattice, reverse):
    """Values (C, N) -> slice(blur(splat(values))); `reverse` is the exact adjoint. See the reference column."""
    xp = array_module(values)
    rows = xp.ascontiguousarray(values.T)
    table = splat_and_blur(rows, None, lattice, reverse)
    out = slice_rows(table, None, lattice, None, 1 / (1 + 2.0**-lattice.dimension), xp.empty_like(rows))
    return xp.ascontiguousarray(out.T)
