"""Winograd's minimal filtering F(4x4, 3x3): 16 results of a 3x3 convolution from 36 multiplications instead of 144.

Along one axis, 4 results y of a kernel g sliding over 6 pixels d are  y = A' [(G g) * (B' d)]  with the constant matrices
below (Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks", 2016, section 4; they come from evaluating
polynomials at 0, 1, -1, 2, -2 and infinity). In two dimensions each matrix acts on columns, then on rows.

Everything here works on `lanes` channels at once: pixels are transposed on the way in, so that the channels of one pixel
fill a vector, and transposed back on the way out.
"""

from .team import inlined, inner
from .vector import load, store, transpose


@inlined
def input_line(d0, d1, d2, d3, d4, d5):
    """B' d."""
    a, b = d4 - 4 * d2, d3 - 4 * d1
    c, e = d4 - d2, 2 * (d3 - d1)
    return 4 * d0 - 5 * d2 + d4, a + b, a - b, c + e, c - e, 4 * d1 - 5 * d3 + d5


@inlined
def output_line(m0, m1, m2, m3, m4, m5):
    """A' m: from products to results."""
    s, d, p, q = m1 + m2, m1 - m2, m3 + m4, m3 - m4
    return m0 + s + p, d + 2 * q, s + 4 * p, d + 8 * q + m5


@inlined
def spread_line(y0, y1, y2, y3):
    """A y: the adjoint of output_line."""
    s, d, p, q = y0 + y2, y1 + y3, y0 + 4 * y2, 2 * y1 + 8 * y3
    return y0, s + d, s - d, p + q, p - q, y3


@inlined
def kernel_line(g0, g1, g2):
    """G g."""
    s, p = (g0 + g2) * (-1 / 6), g0 * (1 / 24) + g2 * (1 / 6)
    d, q = g1 * (1 / 6), g1 * (1 / 12)
    return 0.25 * g0, s - d, s + d, p + q, p - q, g2


@inlined
def gather_line(u0, u1, u2, u3, u4, u5):
    """G' u: the adjoint of kernel_line."""
    s, d, p, q = u1 + u2, u2 - u1, u3 + u4, u3 - u4
    return 0.25 * u0 - s * (1 / 6) + p * (1 / 24), d * (1 / 6) + q * (1 / 12), (p - s) * (1 / 6) + u5


@inner
def read_strip(x, start, channels, size, pixel, step, rows, cols, lanes, strip):
    """strip[r, q, lane] = x[lane, h + r d, v + q d] with (h, v) = pixel, zero outside the image; x starts at `start`."""
    (H, W), (h, v) = size, pixel
    lo = min(max(0, -(v // step)), cols)
    hi = max(min(cols, -((v - W) // step)), lo)
    whole = step == 1 and channels >= lanes and hi - lo >= lanes
    for r in range(rows):
        row, i = r * cols * lanes, h + r * step
        if i < 0 or i >= H:
            strip[row : row + cols * lanes] = 0
            continue
        strip[row : row + lo * lanes] = 0
        strip[row + hi * lanes : row + cols * lanes] = 0
        source = start + i * W + v
        if whole:
            for q in range(lo, hi - lanes, lanes):
                transpose(x, source + q, H * W, strip, row + q * lanes, lanes)
            q = hi - lanes  # the last block overlaps the one before
            transpose(x, source + q, H * W, strip, row + q * lanes, lanes)
        else:
            for q in range(lo, hi):
                for c in range(lanes):
                    strip[row + q * lanes + c] = x[source + c * H * W + q * step] if c < channels else 0


@inner
def write_strip(strip, rows, cols, lanes, y, start, channels, size, pixel, step):
    """y[lane, h + r d, v + q d] = strip[r, q, lane] with (h, v) = pixel, for as much as lies in the image."""
    (H, W), (h, v) = size, pixel
    hi = max(min(cols, -((v - W) // step)), 0)
    whole = step == 1 and channels >= lanes and hi >= lanes
    for r in range(rows):
        row, i = r * cols * lanes, h + r * step
        if i >= H:
            break
        target = start + i * W + v
        if whole:
            for q in range(0, hi - lanes, lanes):
                transpose(strip, row + q * lanes, lanes, y, target + q, H * W)
            q = hi - lanes
            transpose(strip, row + q * lanes, lanes, y, target + q, H * W)
        else:
            for c in range(min(lanes, channels)):
                for q in range(hi):
                    y[target + c * H * W + q * step] = strip[row + q * lanes + c]


@inner
def input_tiles(strip, columns, tiles, lanes, out, at, plane, pitch):
    """out[6 r + q][tile] = B' d B for the tiles of a strip of 6 rows and 4 tiles + 2 pixels; `columns` is scratch like it."""
    cols = 4 * tiles + 2
    n = cols * lanes
    for j in range(0, n, lanes):
        d = input_line(
            load(strip, j),
            load(strip, n + j),
            load(strip, 2 * n + j),
            load(strip, 3 * n + j),
            load(strip, 4 * n + j),
            load(strip, 5 * n + j),
        )
        for r in range(6):
            store(columns, r * n + j, d[r])
    for r in range(6):
        for t in range(tiles):
            j = r * n + 4 * t * lanes
            d = input_line(
                load(columns, j),
                load(columns, j + lanes),
                load(columns, j + 2 * lanes),
                load(columns, j + 3 * lanes),
                load(columns, j + 4 * lanes),
                load(columns, j + 5 * lanes),
            )
            for q in range(6):
                store(out, (6 * r + q) * plane + at + t * pitch, d[q])


@inner
def output_tiles(m, at, plane, pitch, bias, columns, tiles, lanes, strip):
    """A' m A + bias for tiles given as m[6 r + q][tile]: a strip of 4 rows and 4 tiles pixels; `columns` is scratch."""
    n = 4 * tiles * lanes
    for t in range(tiles):
        for q in range(6):
            j = at + t * pitch + q * plane
            y = output_line(
                load(m, j),
                load(m, j + 6 * plane),
                load(m, j + 12 * plane),
                load(m, j + 18 * plane),
                load(m, j + 24 * plane),
                load(m, j + 30 * plane),
            )
            for r in range(4):
                store(columns, (r * 6 + q) * lanes, y[r])
        for r in range(4):
            j = r * 6 * lanes
            y = output_line(
                load(columns, j),
                load(columns, j + lanes),
                load(columns, j + 2 * lanes),
                load(columns, j + 3 * lanes),
                load(columns, j + 4 * lanes),
                load(columns, j + 5 * lanes),
            )
            for s in range(4):
                store(strip, r * n + (4 * t + s) * lanes, y[s] + bias)


@inner
def spread_tiles(strip, columns, tiles, lanes, out, at, plane, pitch):
    """out[6 r + q][tile] = A y A' for the tiles of a strip of 4 rows and 4 tiles pixels: the adjoint of output_tiles."""
    n = 4 * tiles * lanes
    for j in range(0, n, lanes):
        y = spread_line(load(strip, j), load(strip, n + j), load(strip, 2 * n + j), load(strip, 3 * n + j))
        for r in range(6):
            store(columns, r * n + j, y[r])
    for r in range(6):
        for t in range(tiles):
            j = r * n + 4 * t * lanes
            y = spread_line(
                load(columns, j), load(columns, j + lanes), load(columns, j + 2 * lanes), load(columns, j + 3 * lanes)
            )
            for q in range(6):
                store(out, (6 * r + q) * plane + at + t * pitch, y[q])
