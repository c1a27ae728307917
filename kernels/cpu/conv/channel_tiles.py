"""What channels.py and channels_weight.py share: which pixels are copied, how large a tile is, where its pixels lie."""

import math
from dataclasses import replace
from functools import cache, lru_cache

from ..runtime.jit import inlined, inner
from ..simd.vector import transpose
from .tiles import window_taps

COPY_BYTES = 176 * 1024  # of a copy, at most; and of what is kept for each pixel:
KEPT_BYTES = 160 * 1024  # they stay in the second-level cache


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


@lru_cache(4096)
def tile_shape(chunk, spread, step, strips, size, itemsize, others, threads, most=1 << 30):
    """(rows, columns) of the tiles that cut a result of `size`; `strips` numbers are kept for each of at most `most` pixels.

    The copy of a chunk of channels and the strip stay in cache, the tiles come out even; `others` results are as large.
    """
    (H, W), (U, V) = size, spread
    most = min(most, KEPT_BYTES // (itemsize * strips))

    def fits(rows, cols):
        seen = ((rows - 1) * step[0] + 1 + U) * ((cols - 1) * step[1] + 1 + V)
        return chunk * seen * itemsize <= COPY_BYTES and rows * cols <= most

    across = rows = 1
    while not fits(1, -(-W // across)) and 24 * across < W:
        across += 1
    cols = -(-W // across)
    while rows < H and fits(rows + 1, cols):
        rows += 1
    down = -(-H // rows)
    while others * across * down % threads and others * across * down < 8 * threads and down < H:
        down += 1
    return -(-H // down), -(-W // across)


@inlined
def read_taps(w, start, pitch, count, rows, columns, taps):
    """taps[t columns + j] = w[start + j pitch + t] for t < count; zero for j >= rows."""
    lanes = columns // 2
    if rows >= columns and start + (columns - 1) * pitch + -(-count // lanes) * lanes <= w.size:
        for t in range(0, count, lanes):
            transpose(w, start + t, pitch, taps, t * columns, columns)
            transpose(w, start + lanes * pitch + t, pitch, taps, t * columns + lanes, columns)
    else:
        for t in range(count):
            for j in range(columns):
                taps[t * columns + j] = w[start + j * pitch + t] if j < rows else 0


@inner
def place_tables(rows, cols, step, pitch, apart, pixels, places):
    """Where the pixels of a tile lie in the copy and in the strip; the last one is repeated to whole groups of six."""
    for p in range(pixels.size):
        q = min(p, rows * cols - 1)
        pixels[p], places[p] = q // cols * step[0] * pitch + q % cols * step[1], q * apart
