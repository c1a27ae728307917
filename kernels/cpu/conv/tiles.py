"""Tiles: copies of pixels that fit the second-level cache, padding included.

A tile is copied into its s x s sub-images (taps.py), and then each tap of *all* windows is one contiguous run of the copy,
starting u rows down and v columns in. The matrix that im2col writes is never formed: its rows are already there, as views that
start at the offsets that `layout` gives.
"""

from dataclasses import replace
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np

from ..runtime.jit import inner
from ..simd.prefetch import prefetch_range
from ..simd.vector import clear_run
from .packing import PREFETCH_DISTANCE, copy_row
from .taps import window_taps

TILE_BYTES = 192 * 1024  # of a tile's copy where pixels fill the vectors: under half of a second-level cache
MIN_PIXELS = 160  # of such a tile, even if its copy is larger: the weights are read once for each tile
COPY_BYTES = 176 * 1024  # of a tile's copy where channels fill the vectors, at most
STRIP_BYTES = 160 * 1024  # of the accumulators of such a tile: copy and accumulators stay in the second-level cache


class Tile(NamedTuple):
    """A tile of results, and the copy of the pixels that they see, one plane for each channel and sub-image."""

    rows: int  # of results
    cols: int
    seen: int  # rows of pixels in the copy
    plane: int  # distance of planes in the copy
    pitch: int  # distance of rows in the copy
    origins: np.ndarray  # (sub-images, 2): the first pixel of each in the image
    step_rows: int  # distance in the image of neighbours in a sub-image
    step_cols: int


@cache
def dense_taps(geometry):
    """Taps of conv2d in a copy of every pixel, and the step between windows; of 1x1 kernels, of the pixels they see."""
    if geometry.kernel == (1, 1):
        return window_taps(geometry), (1, 1)
    return window_taps(replace(geometry, stride=(1, 1))), geometry.stride


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


@inner
def copy_tile(x, start, channels, tile, copy, i0, j0):
    """Copies the sub-images of every channel that a tile's windows see, padding included; channel 0 begins at `start`.

    for c, (a, b), r, q: copy[(c, ab) plane + r pitch + q] = x[c, (i0 + r) s + a, (j0 + q) s + b]
    """
    H, W, plane, pitch = x.height, x.width, tile.plane, tile.pitch
    for c in range(channels):
        for f in range(tile.origins.shape[0]):
            at = (c * tile.origins.shape[0] + f) * plane
            first = j0 * tile.step_cols + tile.origins[f, 1]
            for r in range(tile.seen):
                h = (i0 + r) * tile.step_rows + tile.origins[f, 0]
                if 0 <= h < H:
                    ahead = start + ((c + PREFETCH_DISTANCE) * H + h) * W + first
                    prefetch_range(x.data, ahead, pitch * tile.step_cols)
                    copy_row(x.data, start + (c * H + h) * W, W, copy, at + r * pitch, pitch, tile.step_cols, first)
                else:
                    clear_run(copy, at + r * pitch, pitch)
            clear_run(copy, at + tile.seen * pitch, plane - tile.seen * pitch)


@inner
def place_tables(tile, step, result_pitch, pixels, places):
    """Where the windows of a tile lie in the copy and in the strip; the last one is repeated, to a multiple of MR."""
    for p in range(pixels.size):
        q = min(p, tile.rows * tile.cols - 1)
        pixels[p], places[p] = q // tile.cols * step[0] * tile.pitch + q % tile.cols * step[1], q * result_pitch
