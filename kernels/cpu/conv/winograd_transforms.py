"""Winograd's minimal filtering F(4x4, 3x3): 16 results of a 3x3 convolution from 36 multiplications instead of 144.

Along one axis, 4 results y of a kernel g sliding over 6 pixels d are  y = A' [(G g) * (B' d)]  with the constant matrices
below (Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks", 2016, section 4; they come from evaluating
polynomials at 0, 1, -1, 2, -2 and infinity). In two dimensions each matrix acts on columns, then on rows.

The same points serve F(5x5, 2x2) and F(2x2, 5x5): B' stays, rows of A' and columns of G continue with higher powers of the
points. All functions work on one vector of channels at once: pixels are transposed from NCHW to NCHWc when they are read
into a strip, and back when they are written.
"""

from typing import NamedTuple

import numpy as np

from ..runtime.jit import inlined, inner
from ..simd.transpose import nchw_to_nchwc, nchwc_to_nchw
from ..simd.vector import Rows, broadcast, lanes_of, load, reduce_add, store


class Strip(NamedTuple):
    """A few rows of pixels, NCHWc: pixel q of row r is the vector at (r cols + q) lanes.

    Tile t begins at column shift + places[t]; its pixels are `step` columns apart.
    """

    data: np.ndarray
    cols: int
    places: np.ndarray
    shift: int
    step: int


class Points(NamedTuple):
    """36 matrices, one for each product of points: row t of matrix f begins at data[start + f plane + t pitch]."""

    data: np.ndarray
    start: int
    plane: int
    pitch: int


@inlined
def input_line(d0, d1, d2, d3, d4, d5):
    """B' d."""
    a, b = d4 - 4 * d2, d3 - 4 * d1
    c, e = d4 - d2, 2 * (d3 - d1)
    return 4 * d0 - 5 * d2 + d4, a + b, a - b, c + e, c - e, 4 * d1 - 5 * d3 + d5


@inlined
def output_line(m0, m1, m2, m3, m4):
    """A' m for 5 results, or the first 2 or 4 of them; without the point at infinity, which adds to the last result only."""
    s, d, p, q = m1 + m2, m1 - m2, m3 + m4, m3 - m4
    return m0 + s + p, d + 2 * q, s + 4 * p, d + 8 * q, s + 16 * p


@inlined
def kernel_line(g0, g1, g2, g3, g4):
    """G g for 5 taps, or fewer and zeros, without the point at infinity, which is the last tap itself."""
    s, p = (g0 + g2 + g4) * (-1 / 6), g0 * (1 / 24) + g2 * (1 / 6) + g4 * (2 / 3)
    d, q = (g1 + g3) * (1 / 6), g1 * (1 / 12) + g3 * (1 / 3)
    return 0.25 * g0, s - d, s + d, p + q, p - q


@inner
def read_strip(x, start, channels, pixel, step, rows, cols, strip):
    """strip[r, q, lane] = x[lane, h + r step, v + q] with (h, v) = pixel, zero outside; channel 0 of x begins at `start`."""
    (H, W), (h, v), lanes = (x.height, x.width), pixel, lanes_of(strip)
    lo = min(max(0, -v), cols)
    hi = max(min(cols, W - v), lo)
    for r in range(rows):
        row, i = r * cols * lanes, h + r * step
        if i < 0 or i >= H:
            strip[row : row + cols * lanes] = 0
        else:
            strip[row : row + lo * lanes] = 0
            strip[row + hi * lanes : row + cols * lanes] = 0
            source, target = Rows(x.data, start + i * W + v + lo, H * W), Rows(strip, row + lo * lanes, lanes)
            nchw_to_nchwc(source, target, channels, hi - lo)


@inner
def write_strip(strip, rows, cols, y, start, channels, pixel, step):
    """y[lane, h + r step, v + q] = strip[r, q, lane] with (h, v) = pixel, for as much as lies in the image."""
    (H, W), (h, v), lanes = (y.height, y.width), pixel, lanes_of(strip)
    lo = max(0, -v)
    hi = max(min(cols, W - v), lo)
    for r in range(max(0, -(h // step)), min(rows, -((h - H) // step))):
        source = Rows(strip, (r * cols + lo) * lanes, lanes)
        target = Rows(y.data, start + (h + r * step) * W + v + lo, H * W)
        nchwc_to_nchw(source, target, channels, hi - lo)


@inlined
def load_five(x, at, stride):
    """Five vectors, `stride` apart."""
    return (
        load(x, at),
        load(x, at + stride),
        load(x, at + 2 * stride),
        load(x, at + 3 * stride),
        load(x, at + 4 * stride),
    )


@inlined
def load_line(x, at, stride):
    """Six vectors, `stride` apart."""
    return *load_five(x, at, stride), load(x, at + 5 * stride)


@inner
def input_columns(strip, cols, columns):
    """columns = B' d along the columns of a strip of 6 rows: the first half of input_tiles."""
    lanes = lanes_of(strip)
    n = cols * lanes
    for j in range(0, n, lanes):
        d = input_line(*load_line(strip, j, n))
        for r in range(6):
            store(columns, r * n + j, d[r])


@inner
def input_tiles(strip, tiles, out):
    """out[6 r + q][tile] = B' d B for the tiles of a strip that input_columns made."""
    lanes = lanes_of(strip.data)
    for r in range(6):
        for t in range(tiles):
            j, step = (r * strip.cols + strip.shift + strip.places[t]) * lanes, strip.step * lanes
            d = input_line(*load_line(strip.data, j, step))
            for q in range(6):
                store(out.data, out.start + (6 * r + q) * out.plane + t * out.pitch, d[q])


@inlined
def _store_line(out, at, stride, results, y, last):
    """The first `results` of five; the point at infinity adds `last` to the last of them."""
    store(out, at, y[0])
    if results == 2:
        store(out, at + stride, y[1] + last)
        return
    store(out, at + stride, y[1])
    store(out, at + 2 * stride, y[2])
    if results == 4:
        store(out, at + 3 * stride, y[3] + last)
        return
    store(out, at + 3 * stride, y[3])
    store(out, at + 4 * stride, y[4] + last)


@inner
def output_tiles(m, bias, strip, columns, tiles, results):
    """A' m A + bias for the tiles m[6 r + q][tile]: `results` rows and columns of a strip; whether all m are finite.

    The bias goes to the product of the points (1, 1), which counts once in every result. `columns` is scratch.
    """
    lanes = lanes_of(columns)
    check = broadcast(columns, 0)  # 0 m is 0 for a finite m and NaN otherwise
    for t in range(tiles):
        for q in range(6):
            j = m.start + t * m.pitch + q * m.plane
            m0, m1, m2, m3, m4, last = load_line(m.data, j, 6 * m.plane)
            _store_line(columns, q * lanes, 6 * lanes, results, output_line(m0, m1, m2, m3, m4), last)
        for r in range(results):
            m0, m1, m2, m3, m4, last = load_line(columns, r * 6 * lanes, lanes)
            y, pixel = output_line(m0, m1 + bias, m2, m3, m4), (r * strip.cols + strip.shift + strip.places[t]) * lanes
            check = check + 0 * (y[0] + y[3] + last)  # every m is a term of one of these
            _store_line(strip.data, pixel, strip.step * lanes, results, y, last)
    return reduce_add(check, columns.dtype.type(0)) == 0
