"""Which convolutions Winograd's six points serve, and which pixels their tiles read and write.

F(m x m, r x r) computes m x m results of an r x r kernel from 6 x 6 pixels, m + r = 7. With stride 1, r x r is the kernel;
dilation only spreads the pixels of a tile, and the tiles cut every sub-image of each d-th pixel.

With stride s, write k - p = s e + a for tap k of an axis: then the convolution adds up s x s convolutions of stride 1, of the
sub-images (a, b) of x with at most ceil(k / s) taps e each, and all meet in one product, as if they were more channels. A 4x4
kernel of stride 2 is four 2x2 kernels: F(5x5, 2x2) takes 144 multiplications for 25 results instead of 400. The adjoint turns
this round: its results fall into s x s phases, h = i s + a, each a convolution of y with taps e = (a + p - k) / s of its own,
and all of them read the same tiles.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

RESULTS = {2: 5, 3: 4, 5: 2}  # of a tile along an axis, by the taps of a phase
SEGMENT = 8  # tiles that are transformed at a time, or a few more: their pixels stay in the first-level cache


@dataclass(frozen=True)
class Plan:
    """A tile at (i, j) reads from pixel (i, j) scale + origin on, 6 x 6 pixels `step` apart, and writes alike."""

    results: int  # of a tile, along each axis
    numbers: np.ndarray  # (phases written, phases read, r, r): a tap's number in the kernel, or -1
    read: tuple[int, int]  # scale, step
    origins: np.ndarray  # (phases read, 2)
    write: tuple[int, int]  # scale, step
    targets: np.ndarray  # (phases written, 2): their origins
    grid: tuple[np.ndarray, np.ndarray, int, int]  # of grid_of

    @property
    def wide(self):
        """Pixels in a row that tiles transformed together read or write, at most."""
        (_, _, group, most), (scale, step) = self.grid, self.read
        columns = (most // group - 1) * self.results * group + group
        return max(scale * columns + 5 * step, most // group * self.results * self.write[1])

    @property
    def tiles(self):
        """Tiles that cut the result of one image."""
        return self.grid[0].size * self.grid[1].size


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
    """(rows, columns, group, most): where the tiles begin that cut a result of `size`; each covers every step-th pixel.

    `group` = step tiles in a row are interleaved, and cover a run of results * step pixels; `most` are transformed together.
    """
    grid = []
    for n in size:
        first = np.add.outer(np.arange(0, n, results * step), np.arange(step)).reshape(-1)
        grid.append(first[first < n])
    return *grid, step, max(1, SEGMENT // step) * step


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
        read, origins = (s, max(s, d)), firsts * s + phase
        write, targets = (1, d), np.zeros((1, 2), np.int64)
    else:
        least = firsts.min((0, 1))
        read, origins = (1, d), least[None]
        write, targets = (s, max(s, d)), (least - firsts) * s + phase
        needed = -(-(np.array(out) - phase) // s) + firsts - least  # so far must the tiles reach for each phase
        size = tuple(int(n) for n in np.where(np.array(out) - phase > 0, needed, 0).max((0, 1)))
    numbers = numbers.reshape(s * s, 1, r, r) if adjoint else numbers.reshape(1, s * s, r, r)
    grid = grid_of(size, d, RESULTS[r])
    return Plan(RESULTS[r], numbers, read, origins.reshape(-1, 2), write, targets.reshape(-1, 2), grid)


def share(geometry, size, adjoint):
    """Winograd's multiplications over those of the sum itself; `size` of the convolution's input."""
    pixels = math.prod(geometry.output_size(size))
    tiles = plan(geometry, tuple(size) if adjoint else geometry.output_size(size), adjoint).tiles
    phases = geometry.stride[0] * geometry.stride[1]
    return 36 * phases * tiles / max(1, math.prod(geometry.kernel) * pixels)
