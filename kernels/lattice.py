"""A permutohedral lattice: the vertices around each point, their weights, and the neighbours of each vertex."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, eq=False)
class Lattice:
    """N points of d features between the M occupied vertices of the lattice A*_d (plain arrays of any column).

    - `vertex` (N, d + 1) int32: the corners of the simplex around each point, by remainder 0..d
    - `weight` (N, d + 1) float32: its barycentric coordinates in that simplex; a row sums to 1
    - `neighbour` (d + 1, M, 2) int32: the two neighbours of every vertex along each axis

    The number of an unoccupied neighbour is M: a table of values has M + 1 rows, and the last one is zero.
    """

    vertex: Any
    weight: Any
    neighbour: Any

    @property
    def points(self):
        return self.vertex.shape[0]

    @property
    def dimension(self):
        return self.vertex.shape[1] - 1

    @property
    def vertices(self):
        return self.neighbour.shape[1]
