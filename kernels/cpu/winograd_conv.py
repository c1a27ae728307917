"""3x3 convolution of stride 1 by Winograd's F(4x4, 3x3), and its data gradient: the same with the kernel turned round.

    u = G w G'  for every pair of channels                                     # (36, O, C), once
    for block of tiles:                                                        # cut evenly among the threads
        v = B' d B  for every tile and input channel                           # (36, tiles, C)
        m[f] = v[f] u[f]'  for each of the 36 products                         # (36, tiles, O): microkernel.outer_tile
        y = A' m A + b  for every tile and output channel

A convolution of dilation d is d x d ordinary ones on the sub-images of every d-th pixel: only `step` and the grid know.
Float32 results lie within 1e-5 of the exact ones, relative to the largest: the constants of B', A' amplify rounding tenfold.
"""

from functools import lru_cache

import numpy as np
from numba import get_num_threads, prange

from .microkernel import outer_tile_4, outer_tile_6, width
from .team import inlined, inner, kernel
from .tiled import panels
from .vector import load, store
from .winograd import input_tiles, kernel_line, output_tiles, read_strip, write_strip

SEGMENT = 8  # tiles that are transformed at a time: their pixels stay in the first-level cache
LEAST_BLOCK, MOST_BLOCK = 768 * 1024, 6 * 1024 * 1024  # bytes of v and m of a block of tiles; between them half of u's:
# all of u is read for each block


@kernel
def transform_kernels(w, strides, turned, O, C, lanes, out, T):
    """out[g, f, run of o, c, o] = (G w G')[f] with w[g, o, c] at `strides`, `turned` by 180 degrees if asked."""
    G, _, R, _, width = out.shape
    flat = out.reshape(-1)
    plane = R * C * width
    for t in prange(T):
        taps = np.zeros(9 * width, w.dtype)
        rows = np.empty(18 * lanes, w.dtype)
        for task in range(t * G * R * C // T, (t + 1) * G * R * C // T):
            g, r, c = task // (R * C), task // C % R, task % C
            for o in range(width):
                source = g * strides[0] + (r * width + o) * strides[1] + c * strides[2]
                for k in range(9):
                    taps[k * width + o] = w[source + (8 - k if turned else k)] if r * width + o < O else 0
            for o in range(0, width, lanes):
                for l in range(3):
                    i = l * width + o
                    u = kernel_line(load(taps, i), load(taps, i + 3 * width), load(taps, i + 6 * width))
                    for k in range(6):
                        store(rows, (3 * k + l) * lanes, u[k])
                for k in range(6):
                    i = 3 * k * lanes
                    u = kernel_line(load(rows, i), load(rows, i + lanes), load(rows, i + 2 * lanes))
                    at = (g * 36 + 6 * k) * plane + (r * C + c) * width + o
                    for l in range(6):
                        store(flat, at + l * plane, u[l])


@lru_cache(256)
def starts(size, step):
    """(first, left): first pixels of the tiles along an axis, sub-image after sub-image, and how many are left of theirs."""
    counts = [-(-(size - a) // (4 * step)) for a in range(min(step, size))]
    first = [4 * t * step + a for a, count in enumerate(counts) for t in range(count)]
    return np.array(first), np.array([count - t for count in counts for t in range(count)])


def grid_of(size, step):
    """(rows, columns, left) of the tiles that cut a result of `size`: where each begins, and how many are left in its row."""
    return starts(size[0], step)[0], *starts(size[1], step)


@inlined
def place(t, grid):
    """Tile t in the order image, row, column -> image, row and column of its first result, tiles left in its row."""
    (rows, columns, left), j = grid, t % grid[1].size
    return t // (rows.size * columns.size), rows[t // columns.size % rows.size], columns[j], left[j]


@inner
def transform_inputs(x, base, C, size, origin, step, t0, t1, grid, lanes, strip, columns, v, plane, pitch):
    """v[f, tile, c] for tiles t0 .. t1 of the C channels of x from `base` on; images are `size[0]` numbers apart."""
    image, H, W = size
    t = t0
    while t < t1:
        n, i, j, left = place(t, grid)
        tiles = min(SEGMENT, left, t1 - t)
        pixel = (i + origin[0], j + origin[1])
        for c in range(0, C, lanes):
            start = base + n * image + c * H * W
            read_strip(x, start, C - c, (H, W), pixel, step, 6, 4 * tiles + 2, lanes, strip)
            input_tiles(strip, columns, tiles, lanes, v, (t - t0) * pitch + c, plane, pitch)
        t += tiles


@inner
def _products(
    v, v_plane, v_pitch, steps, u, u0, u_plane, offsets, C, m, m_plane, m_pitch, tiles, first, last, width, zeros
):
    """m[f] = v[f] u[f]' for the runs first .. last of output channels: 36 matrix products."""
    tall, padded = panels(tiles)
    for f in range(36):
        for run in range(first, last):
            b0 = u0 + f * u_plane + run * C * width
            row = 0
            while row < padded:
                a0, c0 = f * v_plane + row * v_pitch, f * m_plane + row * m_pitch + run * width
                if row < tall:
                    outer_tile_6(v, a0, v_pitch, steps, 0, u, b0, offsets, 0, C, zeros, 0, 1, m, c0, m_pitch)
                    row += 6
                else:
                    outer_tile_4(v, a0, v_pitch, steps, 0, u, b0, offsets, 0, C, zeros, 0, 1, m, c0, m_pitch)
                    row += 4


@kernel
def _winograd(x, u, bias, y, C, O, size, out_size, N, origin, step, grid, block, lanes, T):
    (H, W), (Ho, Wo) = size, out_size
    G, _, R, _, width = u.shape
    tiles = N * grid[0].size * grid[1].size
    blocks = -(-tiles // block)
    parts = 1 if blocks * G >= T else min(R, -(-T // max(1, blocks * G)))  # few tiles: runs of channels are shared out
    tasks = blocks * G * parts
    flat = u.reshape(-1)
    rows = block + 6
    v_pitch, m_pitch = -(-C // lanes) * lanes, R * width
    v_plane, m_plane = rows * v_pitch + width, rows * m_pitch + width  # + width: planes fall on different cache sets
    steps, offsets = np.arange(C), np.arange(C) * width
    zeros = np.zeros(6, x.dtype)
    for t in prange(T):
        v, m = np.empty(36 * v_plane, x.dtype), np.empty(36 * m_plane, x.dtype)
        strip, columns = np.empty((24 * SEGMENT + 12) * lanes, x.dtype), np.empty((24 * SEGMENT + 12) * lanes, x.dtype)
        for task in range(t * tasks // T, (t + 1) * tasks // T):
            part, g, t0 = task % parts, task // parts % G, task // parts // G * block
            t1 = min(t0 + block, tiles)
            first, last = part * R // parts, (part + 1) * R // parts
            image = (G * C * H * W, H, W)
            transform_inputs(
                x, g * C * H * W, C, image, origin, step, t0, t1, grid, lanes, strip, columns, v, v_plane, v_pitch
            )
            u0, u_plane = g * 36 * R * C * width, R * C * width
            sizes = t1 - t0, first, last, width
            _products(v, v_plane, v_pitch, steps, flat, u0, u_plane, offsets, C, m, m_plane, m_pitch, *sizes, zeros)
            s = t0
            while s < t1:
                n, i, j, left = place(s, grid)
                count = min(SEGMENT, left, t1 - s)
                for o in range(first * width, min(last * width, O), lanes):
                    b = load(bias, g * R * width + o)
                    output_tiles(m, (s - t0) * m_pitch + o, m_plane, m_pitch, b, columns, count, lanes, strip)
                    start = ((n * G + g) * O + o) * Ho * Wo
                    write_strip(strip, 4, 4 * count, lanes, y, start, O - o, (Ho, Wo), (i, j), step)
                s += count


def _run(x, w, bias, y, G, strides, turned, origin, step):
    (N, C, O), lanes, threads = (x.shape[0], x.shape[1] // G, y.shape[1] // G), width(x.dtype), get_num_threads()
    R = -(-O // lanes)
    u = np.empty((G, 36, R, C, lanes), x.dtype)
    transform_kernels(w.reshape(-1), strides, turned, O, C, lanes // 2, u, threads)
    b = np.zeros((G, R * lanes), x.dtype)
    if bias is not None:
        b[:, :O] = bias.reshape(G, O)
    grid = grid_of(y.shape[2:], step)
    block = block_size(N * grid[0].size * grid[1].size, C + O, x.itemsize, threads, G, u.nbytes // G)
    _winograd(
        x.reshape(-1), u, b.reshape(-1), y.reshape(-1), C, O, x.shape[2:], y.shape[2:], N, origin, step,
        grid, block, lanes // 2, threads,
    )  # fmt: skip


def block_size(tiles, channels, itemsize, threads, G, u_bytes):
    """Tiles in a block: what fits the cache, in equal shares for the threads."""
    fits = max(12, min(max(u_bytes // 2, LEAST_BLOCK), MOST_BLOCK) // (36 * channels * itemsize))
    blocks = -(-tiles // fits)
    if blocks * G > 1:
        while blocks * G % threads and blocks < tiles:
            blocks += 1
    return max(1, -(-tiles // max(1, blocks)))


def conv2d(x, w, bias, geometry):
    """y = conv2d(x, w) + bias for 3x3 kernels of stride 1 and equal dilations."""
    O, C = w.shape[:2]
    y = np.empty((x.shape[0], O, *geometry.output_size(x.shape[2:])), x.dtype)
    strides = O // geometry.groups * C * 9, C * 9, 9
    origin = -geometry.padding[0], -geometry.padding[1]
    _run(x, w, bias, y, geometry.groups, strides, False, origin, geometry.dilation[0])
    return y


def conv_transpose2d(y, w, bias, size, geometry):
    """x[h] gathers y[h + p - k d]: a convolution with the kernel turned round, padded by 2 d - p."""
    (O, C), d, (p, q) = w.shape[:2], geometry.dilation[0], geometry.padding
    x = np.empty((y.shape[0], C * geometry.groups, *size), y.dtype)
    strides = O // geometry.groups * C * 9, 9, C * 9
    _run(y, w, bias, x, geometry.groups, strides, True, (p - 2 * d, q - 2 * d), d)
    return x
