"""How the tiled convolutions see an image: taps as shifts, a tile small enough for the second-level cache, its copy.

With stride s, tap (k, l) of window (i, j) reads pixel (i s + k d, j s + l d) after the padding. Write k d = s u + a: that is
row i + u of the sub-image made of every s-th row from row a. So a tile is copied into s x s sub-images, padding included,
and then each tap of *all* windows is one contiguous run of the copy, starting u rows down and v columns in. The matrix that
im2col writes is never formed: its rows are already there, as views that start at `offsets`.
"""

from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np

from ..runtime.jit import inlined, inner
from ..simd.prefetch import ask
from ..simd.vector import clear_run, copy_run, lanes_of, load_second, store

TILE_BYTES = 192 * 1024  # of a tile's copy: under half of a second-level cache
AHEAD = 4  # channels whose pixels are asked for in advance: they lie on other pages, where the processor does not look
LEAST_PIXELS = 160  # of a tile, even if its copy is larger: each number of the weights is read once for so many


@dataclass(frozen=True)
class Taps:
    """Every tap as a sub-image and a shift (u, v) in it, and where the first pixel of sub-image (0, 0) lies."""

    table: np.ndarray  # (taps, 3): the tap's number in the kernel, u, v
    image: np.ndarray  # (taps,): the sub-image that a tap uses
    starts: np.ndarray  # taps of output phase f are table[starts[f] : starts[f + 1]]
    images: np.ndarray  # (sub-images, 2): the row and column of their first pixels
    step: tuple[int, int]  # the distance of their pixels
    rows: np.ndarray  # (taps,): row of the image under a tap of window (0, 0)

    @cached_property
    def spread(self):
        """The largest shifts."""
        return tuple(self.table[:, 1:].max(0).tolist())

    @cached_property
    def most(self):
        """The most taps that a phase has."""
        return int(np.diff(self.starts).max())

    @cached_property
    def shifts(self):
        """(taps, 2): where each tap lies from the pixel of its window, in pixels."""
        return self.images[self.image] + self.table[:, 1:] * np.array(self.step)

    @cached_property
    def in_place(self):
        """Whether there is one tap, at the window's own pixel."""
        return len(self.table) == 1 and not self.images.any()

    @cached_property
    def numbers(self):
        """(taps,): every tap's number in the kernel."""
        return self.table[:, 0].copy()


def _taps(rows, step, apart):
    """rows: (phase, number, a, u, b, v) of each tap, which reads pixel (i + u) step + a of window i.

    `apart` gives every shift a sub-image of its own: for dilations that reach beyond a tile.
    """
    phase, number, a, u, b, v = np.array(rows, np.int64).T
    if apart:
        a, u, b, v = a + u * step[0], 0 * u, b + v * step[1], 0 * v
    images, image = np.unique(np.stack([a, b], 1), axis=0, return_inverse=True)
    starts = np.searchsorted(phase, np.arange(phase.max() + 2))
    return Taps(np.stack([number, u, v], 1), image.reshape(-1), starts, images, step, a + u * step[0])


@cache
def window_taps(geometry, apart=False):
    """Taps of conv2d: sub-images where the stride makes them."""
    (kh, kw), (sh, sw), (dh, dw), (p, q) = geometry.kernel, geometry.stride, geometry.dilation, geometry.padding
    taps = [(k * kw + l, k * dh, l * dw) for k in range(kh) for l in range(kw)]
    rows = [(0, t, h % sh - p, h // sh, v % sw - q, v // sw) for t, h, v in taps]
    return _taps(rows, (sh, sw), apart)


@cache
def adjoint_taps(geometry, apart=False):
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
    taps = _taps([(f, t, top, e - top, left, g - left) for f, t, e, g in rows], (1, 1), apart)
    return replace(taps, starts=np.searchsorted([r[0] for r in rows], np.arange(sh * sw + 1)))


def tile_size(channels, taps, size, itemsize, others, threads):
    """(rows, columns) of the tiles that cut a result of `size`: the copy fits the cache, the tiles come out even.

    `others` is how many results of this size there are (images times groups).
    """
    (H, W), (U, V), pixels = size, taps.spread, channels * len(taps.images)
    budget = TILE_BYTES // (itemsize * max(pixels, 1))  # pixels of one sub-image
    cols = W
    while (1 + U) * (cols + V) > budget and cols > 64:
        cols = -(-cols // 2)
    rows = min(H, max(1, budget // (cols + V) - U, -(-LEAST_PIXELS // cols)))
    across, down = -(-W // cols), -(-H // rows)
    while others * across * down % threads and others * across * down < 8 * threads and down < H:
        down += 1
    return -(-H // down), cols


def layout(taps, rows, cols, lanes):
    """(offsets, plane, pitch): where each tap starts, and the distances of sub-images and rows.

    A plane is an odd number of cache lines long, so that the same pixel of many channels does not fall on one cache set.
    """
    U, V = taps.spread
    pitch = cols + V
    plane = (-(-((rows + U) * pitch) // lanes) | 1) * lanes
    return taps.image * plane + taps.table[:, 1] * pitch + taps.table[:, 2], plane, pitch


@inlined
def copy_row(x, start, W, out, at, count, step, first):
    """out[at + q] = x[start + first + q step] for q < count, zero outside the row's W pixels; both arrays are flat."""
    lo, hi = (-first, W - first) if step == 1 else (-(first // step), -((first - W) // step))  # divisions take long
    lo = min(max(0, lo), count)
    hi = max(min(count, hi), lo)
    clear_run(out, at, lo)
    clear_run(out, at + hi, count - hi)
    source = start + first
    if step == 1:
        copy_run(x, source + lo, out, at + lo, hi - lo)
    elif step == 2:
        lanes, q = lanes_of(x), lo
        while q + lanes < hi:  # not <=: the last vector reads one number more than it keeps
            store(out, at + q, load_second(x, source + 2 * q))
            q += lanes
        while q < hi:
            out[at + q] = x[source + 2 * q]
            q += 1
    else:
        for q in range(lo, hi):
            out[at + q] = x[source + step * q]


@inner
def copy_tile(x, start, size, out, images, plane, pitch, i0, j0, rows, step):
    """Copies the sub-images of every channel that a tile's windows see, padding included; x starts at `start`.

    for c, (a, b), r, q: out[(c, ab) plane + r pitch + q] = x[c, (i0 + r) s + a, (j0 + q) s + b]
    """
    C, H, W = size
    for c in range(C):
        for f in range(images.shape[0]):
            at = (c * images.shape[0] + f) * plane
            first = j0 * step[1] + images[f, 1]
            for r in range(rows):
                h = (i0 + r) * step[0] + images[f, 0]
                if 0 <= h < H:
                    ask(x, start + ((c + AHEAD) * H + h) * W + first, pitch * step[1])
                    copy_row(x, start + (c * H + h) * W, W, out, at + r * pitch, pitch, step[1], first)
                else:
                    clear_run(out, at + r * pitch, pitch)
            clear_run(out, at + rows * pitch, plane - rows * pitch)
