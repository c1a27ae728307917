"""Which convolutions Winograd's six points serve, and which pixels their tiles read and write.

F(m x m, r x r) computes m x m results of an r x r kernel from 6 x 6 pixels, m + r = 7. With stride 1, r x r is the kernel;
with dilation d, a tile's pixels lie d apart, and the tiles cut each of the d x d sub-images of every d-th pixel.

With stride s, write k - p = s e + a for tap k of an axis: then the convolution adds up s x s convolutions of stride 1, of the
sub-images (a, b) of x with at most ceil(k / s) taps e each. One product computes all of them, as if they were more channels. A
4x4 kernel of stride 2 is four 2x2 kernels: F(5x5, 2x2) takes 144 multiplications for 25 results instead of 400. In the adjoint
the results fall into s x s phases, h = i s + a, each a convolution of y with taps e = (a + p - k) / s of its own, and all of
them read the same tiles.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

RESULTS = {2: 5, 3: 4, 5: 2}  # of a tile along an axis, by the taps of a phase
SEGMENT = 8  # tiles that are transformed together, or a few more: their pixels stay in the first-level cache


class Placement(NamedTuple):
    """Tile (i, j) begins at pixel (i, j) scale + origins[phase]; its pixels are `step` apart."""

    scale: int
    step: int
    origins: np.ndarray  # (phases, 2)


class Grid(NamedTuple):
    """Where the tiles begin that cut a result; each covers every d-th pixel, d the dilation."""

    rows: np.ndarray
    columns: np.ndarray
    interleaved: int  # d tiles in a row are interleaved, and cover a run of results * d pixels
    together: int  # tiles transformed together, at most
    results: int  # of a tile, along each axis


@dataclass(frozen=True)
class Plan:
    """Which taps, which tiles, and where they read and write."""

    numbers: np.ndarray  # (phases written, phases read, r, r): a tap's number in the kernel, or -1
    read: Placement
    write: Placement
    grid: Grid

    @property
    def wide(self):
        """Pixels in a row that tiles transformed together read or write, at most."""
        g = self.grid
        columns = (g.together // g.interleaved - 1) * g.results * g.interleaved + g.interleaved
        return max(
            self.read.scale * columns + 5 * self.read.step,
            g.together // g.interleaved * g.results * self.write.step,
        )

    @property
    def tiles(self):
        """Tiles that cut the result of one image."""
        return self.grid.rows.size * self.grid.columns.size


def taps_of(geometry):
    """Taps of a phase along an axis."""
    return -(-geometry.kernel[0] // geometry.stride[0])


def refusal(geometry, dtype):
    """None, or why Winograd cannot serve."""
    (s, t), (d, e) = geometry.stride, geometry.dilation
    if geometry.kernel[0] != geometry.kernel[1] or s != t or s > 2 or taps_of(geometry) not in RESULTS:
        return "Winograd needs a square kernel with 2, 3 or 5 taps for each phase of a stride of 1 or 2"
    if d != e or s * d > max(s, d):
        return "Winograd needs equal dilations, and none beside a stride"
    if dtype != np.float32:
        return "Winograd would round float64 too coarsely"


def grid_of(size, step, results):
    """The Grid of tiles that cut a result of `size`, each covering every step-th pixel."""
    grid = []
    for n in size:
        first = np.add.outer(np.arange(0, n, results * step), np.arange(step)).reshape(-1)
        grid.append(first[first < n])
    return Grid(*grid, step, max(1, SEGMENT // step) * step, results)


def _phases(kernel, stride, padding, dilation, adjoint):
    """[(first shift e, [tap or -1 for each shift from there on])] of each phase a along one axis."""
    taps, phases = -(-kernel // stride), []
    for a in range(stride):
        shifts = {}
        for k in range(kernel):
            e, rest = (
                divmod(a + padding - k * dilation, stride) if adjoint else divmod(k * dilation - padding - a, stride)
            )
            if rest == 0:
                shifts[e] = k
        first = min(shifts)
        phases.append((first, [shifts.get(first + t * dilation, -1) for t in range(taps)]))
    return phases


@lru_cache(256)
def plan(geometry, out, adjoint):
    """The Plan for a result of `out` pixels, of conv2d or, if adjoint, of conv_transpose2d."""
    s, d, r = geometry.stride[0], geometry.dilation[0], taps_of(geometry)
    down, across = (_phases(geometry.kernel[0], s, p, d, adjoint) for p in geometry.padding)
    numbers = np.full((s, s, r, r), -1)
    for (a, b, k, l), _ in np.ndenumerate(numbers):
        i, j = down[a][1][k], across[b][1][l]
        if min(i, j) >= 0:
            numbers[a, b, k, l] = i * geometry.kernel[1] + j
    firsts = np.array([[(e, f) for f, _ in across] for e, _ in down])
    phase = np.moveaxis(np.indices((s, s)), 0, -1)
    size = out
    if not adjoint:
        read = Placement(s, max(s, d), (firsts * s + phase).reshape(-1, 2))
        write = Placement(1, d, np.zeros((1, 2), np.int64))
    else:
        least = firsts.min((0, 1))
        read = Placement(1, d, least.reshape(-1, 2))
        write = Placement(s, max(s, d), ((least - firsts) * s + phase).reshape(-1, 2))
        needed = -(-(np.array(out) - phase) // s) + firsts - least  # so far must the tiles reach for each phase
        size = tuple(int(n) for n in np.where(np.array(out) - phase > 0, needed, 0).max((0, 1)))
    numbers = numbers.reshape(s * s, 1, r, r) if adjoint else numbers.reshape(1, s * s, r, r)
    return Plan(numbers, read, write, grid_of(size, d, RESULTS[r]))


def multiply_ratio(geometry, size, adjoint):
    """Winograd's multiplications over those of the sum itself; `size` of the convolution's input."""
    pixels = math.prod(geometry.output_size(size))
    tiles = plan(geometry, tuple(size) if adjoint else geometry.output_size(size), adjoint).tiles
    phases = geometry.stride[0] * geometry.stride[1]
    return 36 * phases * tiles / max(1, math.prod(geometry.kernel) * pixels)
