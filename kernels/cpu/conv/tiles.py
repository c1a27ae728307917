"""Taps as shifts, and tiles whose pixels fit the second-level cache.

With stride s, tap (k, l) of window (i, j) reads pixel (i s + k d, j s + l d) after the padding. Write k d = s u + a: that is
row i + u of the sub-image made of every s-th row from row a. So a tile is copied into s x s sub-images, padding included,
and then each tap of *all* windows is one contiguous run of the copy, starting u rows down and v columns in. The matrix that
im2col writes is never formed: its rows are already there, as views that start at `offsets`.
"""

import math
from dataclasses import dataclass, replace
from functools import cache, cached_property, lru_cache

import numpy as np

from .packing import Tile

TILE_BYTES = 192 * 1024  # of a tile's copy where pixels fill the vectors: under half of a second-level cache
MIN_PIXELS = 160  # of such a tile, even if its copy is larger: the weights are read once for each tile
COPY_BYTES = 176 * 1024  # of a tile's copy where channels fill the vectors, at most
STRIP_BYTES = 160 * 1024  # of the accumulators of such a tile: copy and accumulators stay in the second-level cache


@dataclass(frozen=True)
class Taps:
    """Every tap as a sub-image and a shift (u, v) in it, and where the first pixel of sub-image (0, 0) lies."""

    table: np.ndarray  # (taps, 3): the tap's number in the kernel, u, v
    image: np.ndarray  # (taps,): the sub-image that a tap uses
    starts: np.ndarray  # taps of output phase f are table[starts[f] : starts[f + 1]]
    origins: np.ndarray  # (sub-images, 2): the row and column of their first pixels
    step: tuple[int, int]  # the distance of their pixels
    rows: np.ndarray  # (taps,): row of the image under a tap of window (0, 0)

    @cached_property
    def halo(self):
        """The largest shifts: a tile's copy has so many more rows and columns than the tile."""
        return tuple(self.table[:, 1:].max(0).tolist())

    @cached_property
    def most(self):
        """The most taps that a phase has."""
        return int(np.diff(self.starts).max())

    @cached_property
    def shifts(self):
        """(taps, 2): where each tap lies from the pixel of its window, in pixels."""
        return self.origins[self.image] + self.table[:, 1:] * np.array(self.step)

    @cached_property
    def in_place(self):
        """Whether there is one tap, at the window's own pixel."""
        return len(self.table) == 1 and not self.origins.any()

    @cached_property
    def numbers(self):
        """(taps,): every tap's number in the kernel."""
        return self.table[:, 0].copy()


def _taps(rows, step, separate):
    """rows: (phase, number, a, u, b, v) of each tap, which reads pixel (i + u) step + a of window i.

    `separate` gives every shift a sub-image of its own: for dilations that reach beyond a tile.
    """
    phase, number, a, u, b, v = np.array(rows, np.int64).T
    if separate:
        a, u, b, v = a + u * step[0], 0 * u, b + v * step[1], 0 * v
    origins, image = np.unique(np.stack([a, b], 1), axis=0, return_inverse=True)
    starts = np.searchsorted(phase, np.arange(phase.max() + 2))
    return Taps(np.stack([number, u, v], 1), image.reshape(-1), starts, origins, step, a + u * step[0])


@cache
def window_taps(geometry, separate=False):
    """Taps of conv2d: s x s sub-images."""
    (kh, kw), (sh, sw), (dh, dw), (p, q) = geometry.kernel, geometry.stride, geometry.dilation, geometry.padding
    taps = [(k * kw + l, k * dh, l * dw) for k in range(kh) for l in range(kw)]
    rows = [(0, t, h % sh - p, h // sh, v % sw - q, v // sw) for t, h, v in taps]
    return _taps(rows, (sh, sw), separate)


@cache
def adjoint_taps(geometry, separate=False):
    """Taps of conv_transpose2d: pixel h = i s + a of the result gathers y[i + e], e = (a + p - k d) / s, where that is whole.

    So the transposed convolution is s x s ordinary ones, one for each phase (a, b) of the result, each with its share of taps.
    """
    (kh, kw), (sh, sw), (dh, dw), (p, q) = geometry.kernel, geometry.stride, geometry.dilation, geometry.padding
    rows = []
    for f in range(sh * sw):
        for k in range(kh):
            for l in range(kw):
                (e, off), (g, aside) = divmod(f // sw + p - k * dh, sh), divmod(f % sw + q - l * dw, sw)
                if off == aside == 0:
                    rows.append((f, k * kw + l, e, g))
    top, left = min(r[2] for r in rows), min(r[3] for r in rows)
    taps = _taps([(f, t, top, e - top, left, g - left) for f, t, e, g in rows], (1, 1), separate)
    return replace(taps, starts=np.searchsorted([r[0] for r in rows], np.arange(sh * sw + 1)))


@cache
def dense_taps(geometry):
    """Taps of conv2d in a copy of every pixel, and the step between windows; of 1x1 kernels, of the pixels they see."""
    if geometry.kernel == (1, 1):
        return window_taps(geometry), (1, 1)
    return window_taps(replace(geometry, stride=(1, 1))), geometry.stride


def one_row(taps, x, y):
    """x and y with all pixels in one row, if every pixel of y sees just the one of x at its place."""
    if not taps.in_place or x.shape[2:] != y.shape[2:]:
        return x, y
    size = 1, math.prod(y.shape[2:])
    return x.reshape(*x.shape[:2], *size), y.reshape(*y.shape[:2], *size)


def balanced(rows, height, tasks, threads):
    """At most `rows` rows of a tile: a result of so many rows is cut into equal shares; each tile row makes `tasks` tasks."""
    down = -(-height // rows)
    while tasks * down % threads and tasks * down < 8 * threads and down < height:
        down += 1
    return -(-height // down)


def pixel_tile(planes, taps, size, itemsize, others, threads):
    """(rows, columns) of tiles whose pixels fill vectors: the copy of so many planes fits the cache, the tiles come out even.

    `others` is how many results of this size there are (images times groups).
    """
    (H, W), (U, V), pixels = size, taps.halo, planes * len(taps.origins)
    budget = TILE_BYTES // (itemsize * max(pixels, 1))  # pixels of one sub-image
    cols = W
    while (1 + U) * (cols + V) > budget and cols > 64:
        cols = -(-cols // 2)
    rows = min(H, max(1, budget // (cols + V) - U, -(-MIN_PIXELS // cols)))
    return balanced(rows, H, others * -(-W // cols), threads), cols


@lru_cache(4096)
def channel_tile(chunk, halo, step, kept, size, most):
    """(rows, columns) of tiles whose channels fill vectors: the copy of a chunk of channels and the accumulators fit the cache.

    kept is the bytes of accumulators for each of at most `most` pixels, chunk the bytes of a pixel's channels.
    """
    (H, W), (U, V) = size, halo
    most = min(most, STRIP_BYTES // kept)

    def fits(rows, cols):
        seen = ((rows - 1) * step[0] + 1 + U) * ((cols - 1) * step[1] + 1 + V)
        return chunk * seen <= COPY_BYTES and rows * cols <= most

    across = rows = 1
    while not fits(1, -(-W // across)) and 24 * across < W:
        across += 1
    cols = -(-W // across)
    while rows < H and fits(rows + 1, cols):
        rows += 1
    return rows, cols


def odd_lines(pixels, lanes):
    """At least so many pixels, an odd number of vectors: so the same pixel of many channels falls into many cache sets."""
    return (-(-pixels // lanes) | 1) * lanes


def layout(taps, size, step, lanes):
    """(offsets, Tile): where each tap starts in the copy of a tile of `size` results, whose windows are `step` pixels apart."""
    rows, cols = ((n - 1) * s + 1 + halo for n, s, halo in zip(size, step, taps.halo))
    plane = odd_lines(rows * cols, lanes)
    tile = Tile(*size, rows, plane, cols, taps.origins, *taps.step)
    return taps.image * plane + taps.table[:, 1] * cols + taps.table[:, 2], tile
