"""Winograd's minimal filtering F(4x4, 3x3): 16 results of a 3x3 convolution from 36 multiplications instead of 144.

Along one axis, 4 results y of a kernel g sliding over 6 pixels d are  y = A' [(G g) * (B' d)]  with the constant matrices
below (Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks", 2016, section 4; they come from evaluating
polynomials at 0, 1, -1, 2, -2 and infinity). In two dimensions each matrix acts on columns, then on rows.

The same points serve F(5x5, 2x2) and F(2x2, 5x5): B' stays, rows of A' and columns of G go on with higher powers of the points.

Everything here works on `lanes` channels at once: pixels are transposed on the way in, so that the channels of one pixel
fill a vector, and transposed back on the way out.
"""

from ..runtime.jit import inlined, inner
from ..simd.transpose import to_planes, to_vectors
from ..simd.vector import load, store


@inlined
def input_line(d0, d1, d2, d3, d4, d5):
    """B' d."""
    a, b = d4 - 4 * d2, d3 - 4 * d1
    c, e = d4 - d2, 2 * (d3 - d1)
    return 4 * d0 - 5 * d2 + d4, a + b, a - b, c + e, c - e, 4 * d1 - 5 * d3 + d5


@inlined
def output_line(m0, m1, m2, m3, m4):
    """A' m: from products to 5 results, or the first 2 or 4 of them, without that of infinity: it is added to the last."""
    s, d, p, q = m1 + m2, m1 - m2, m3 + m4, m3 - m4
    return m0 + s + p, d + 2 * q, s + 4 * p, d + 8 * q, s + 16 * p


@inlined
def spread_line(y0, y1, y2, y3):
    """A y for 4 results: the adjoint of output_line."""
    s, d, p, q = y0 + y2, y1 + y3, y0 + 4 * y2, 2 * y1 + 8 * y3
    return y0, s + d, s - d, p + q, p - q, y3


@inlined
def kernel_line(g0, g1, g2, g3, g4):
    """G g for 5 taps, or fewer and zeros, without the last row: there, at infinity, is the last tap."""
    s, p = (g0 + g2 + g4) * (-1 / 6), g0 * (1 / 24) + g2 * (1 / 6) + g4 * (2 / 3)
    d, q = (g1 + g3) * (1 / 6), g1 * (1 / 12) + g3 * (1 / 3)
    return 0.25 * g0, s - d, s + d, p + q, p - q


@inlined
def gather_line(u0, u1, u2, u3, u4, u5):
    """G' u for 3 taps: the adjoint of kernel_line."""
    s, d, p, q = u1 + u2, u2 - u1, u3 + u4, u3 - u4
    return 0.25 * u0 - s * (1 / 6) + p * (1 / 24), d * (1 / 6) + q * (1 / 12), (p - s) * (1 / 6) + u5


@inner
def read_strip(x, start, channels, size, pixel, step, rows, cols, lanes, strip):
    """strip[r, q, lane] = x[lane, h + r d, v + q] with (h, v) = pixel and d = step, zero outside; x starts at `start`."""
    (H, W), (h, v) = size, pixel
    lo = min(max(0, -v), cols)
    hi = max(min(cols, W - v), lo)
    for r in range(rows):
        row, i = r * cols * lanes, h + r * step
        if i < 0 or i >= H:
            strip[row : row + cols * lanes] = 0
        else:
            strip[row : row + lo * lanes] = 0
            strip[row + hi * lanes : row + cols * lanes] = 0
            to_vectors(x, start + i * W + v + lo, H * W, channels, hi - lo, lanes, strip, row + lo * lanes, lanes)


@inner
def write_strip(strip, rows, cols, lanes, y, start, channels, size, pixel, step):
    """y[lane, h + r d, v + q] = strip[r, q, lane] with (h, v) = pixel and d = step, for as much as lies in the image."""
    (H, W), (h, v) = size, pixel
    lo = max(0, -v)
    hi = max(min(cols, W - v), lo)
    for r in range(max(0, -(h // step)), min(rows, -((h - H) // step))):
        row, target = (r * cols + lo) * lanes, start + (h + r * step) * W + v + lo
        to_planes(strip, row, lanes, hi - lo, channels, lanes, y, target, H * W)


@inlined
def load_line(x, at, apart):
    """Six vectors, `apart`."""
    return (
        load(x, at),
        load(x, at + apart),
        load(x, at + 2 * apart),
        load(x, at + 3 * apart),
        load(x, at + 4 * apart),
        load(x, at + 5 * apart),
    )


@inner
def input_columns(strip, cols, lanes, columns):
    """B' d for every pixel of a strip of 6 rows: the first half of input_tiles."""
    n = cols * lanes
    for j in range(0, n, lanes):
        d = input_line(*load_line(strip, j, n))
        for r in range(6):
            store(columns, r * n + j, d[r])


@inner
def input_tiles(columns, cols, places, shift, apart, tiles, lanes, out, at, plane, pitch):
    """out[6 r + q][tile] = B' d B for tiles at pixels places + shift, with pixels `apart`, from input_columns' result."""
    for r in range(6):
        for t in range(tiles):
            j, step = (r * cols + shift + places[t]) * lanes, apart * lanes
            d = input_line(*load_line(columns, j, step))
            for q in range(6):
                store(out, (6 * r + q) * plane + at + t * pitch, d[q])


@inlined
def _store_line(out, at, apart, results, y, last):
    """The first `results` of five, with what infinity adds to the last of them."""
    store(out, at, y[0])
    if results == 2:
        store(out, at + apart, y[1] + last)
        return
    store(out, at + apart, y[1])
    store(out, at + 2 * apart, y[2])
    if results == 4:
        store(out, at + 3 * apart, y[3] + last)
        return
    store(out, at + 3 * apart, y[3])
    store(out, at + 4 * apart, y[4] + last)


@inner
def output_tiles(m, at, plane, pitch, bias, columns, tiles, results, lanes, strip, cols, places, shift, apart):
    """A' m A + bias for tiles given as m[6 r + q][tile]: `results` rows and pixels of a strip, places as in input_tiles.

    The bias goes to the product of point 1, which counts once in every result. `columns` is scratch.
    """
    for t in range(tiles):
        for q in range(6):
            j = at + t * pitch + q * plane
            m0, m1, m2, m3, m4, last = load_line(m, j, 6 * plane)
            _store_line(columns, q * lanes, 6 * lanes, results, output_line(m0, m1, m2, m3, m4), last)
        for r in range(results):
            m0, m1, m2, m3, m4, last = load_line(columns, r * 6 * lanes, lanes)
            y, pixel = output_line(m0, m1 + bias, m2, m3, m4), (r * cols + shift + places[t]) * lanes
            _store_line(strip, pixel, apart * lanes, results, y, last)


@inner
def spread_tiles(strip, cols, columns, places, apart, tiles, lanes, out, at, plane, pitch):
    """out[6 r + q][tile] = A y A' for tiles of a strip of 4 rows, places as in input_tiles: the adjoint of output_tiles."""
    n, step = cols * lanes, apart * lanes
    for j in range(0, n, lanes):
        y = spread_line(load(strip, j), load(strip, n + j), load(strip, 2 * n + j), load(strip, 3 * n + j))
        for r in range(6):
            store(columns, r * n + j, y[r])
    for r in range(6):
        for t in range(tiles):
            j = r * n + places[t] * lanes
            y = spread_line(
                load(columns, j), load(columns, j + step), load(columns, j + 2 * step), load(columns, j + 3 * step)
            )
            for q in range(6):
                store(out, (6 * r + q) * plane + at + t * pitch, y[q])
