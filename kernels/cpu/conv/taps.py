"""Taps as shifts: which pixel each tap of a kernel reads, in conv2d and in its data gradient.

With stride s, tap (k, l) of window (i, j) reads pixel (i s + k d, j s + l d) after the padding. Write k d = s u + a: that is
row i + u of the sub-image made of every s-th row from row a. So an image is s x s sub-images, and in them a tap is a shift.
"""

import math
from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np


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


def one_row(taps, x, y):
    """x and y with all pixels in one row, if every pixel of y sees just the one of x at its place."""
    if not taps.in_place or x.shape[2:] != y.shape[2:]:
        return x, y
    size = 1, math.prod(y.shape[2:])
    return x.reshape(*x.shape[:2], *size), y.reshape(*y.shape[:2], *size)
