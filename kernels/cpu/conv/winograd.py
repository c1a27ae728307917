"""Convolution and its data gradient by Winograd's F(4x4, 3x3), and its relatives for other kernels (winograd_plan.py).

    u = G w G'  for every pair of channels                                     # (36, O, C), once
    for block of tiles:                                                        # cut evenly among the threads
        v = B' d B  for every tile and input channel                           # (36, tiles, C)
        m[f] = v[f] u[f]'  for each of the 36 products                         # (36, tiles, O): microkernel.outer_tile
        y = A' m A + b  for every tile and output channel

With a stride there are s x s phases. Those that a convolution reads are more channels of v; each of those that its data
gradient writes has a u and an m of its own. Float32 results lie within 3e-5 of the exact ones, relative to the largest: the
constants of B', A' amplify rounding tenfold.
"""

import numpy as np
from numba import get_num_threads, prange

from ..runtime.jit import inlined, inner, kernel
from ..simd.micro_kernel import outer_tile_4, outer_tile_6, width
from ..simd.prefetch import aligned, empty
from ..simd.vector import fill, load, store
from .channel_tiles import read_taps
from .direct_pixels import panels
from .winograd_plan import plan
from .winograd_transforms import input_columns, input_tiles, kernel_line, output_tiles, read_strip, write_strip

LEAST_BLOCK, MOST_BLOCK = 768 * 1024, 6 * 1024 * 1024  # bytes of v and m of a block of tiles; between them half of u's:
# all of u is read for each block


@kernel
def transform_kernels(w, strides, count, numbers, O, C, apart, lanes, out, T):
    """out[g, phase, f, run of o, c, o] = (G w G')[f]; w[g, o, c, number] at `strides`, phases read are `apart` in c."""
    G, F, _, R, K, width = out.shape
    phases, r = numbers.shape[1], numbers.shape[2]
    flat, plane, down = out.reshape(-1), R * K * width, 5 * width
    for t in prange(T):
        taps = np.empty((count + lanes) * width, w.dtype)
        square, rows = (
            np.zeros(25 * width, w.dtype),
            np.zeros(30 * lanes, w.dtype),
        )  # of 5 taps: beyond r they stay zero
        for task in range(t * G * R * C // T, (t + 1) * G * R * C // T):
            g, run, c = task // (R * C), task // C % R, task % C
            source = g * strides[0] + run * width * strides[1] + c * strides[2]
            read_taps(w, source, strides[1], count, O - run * width, width, taps)
            for both in range(F * phases):
                f, phase = both // phases, both % phases
                for k in range(r):
                    for l in range(r):
                        number = numbers[f, phase, k, l]
                        for o in range(0, width, lanes):
                            value = load(taps, max(number, 0) * width + o)
                            store(square, (5 * k + l) * width + o, value if number >= 0 else fill(taps, 0))
                for o in range(0, width, lanes):
                    for l in range(r):
                        i = l * width + o
                        u = kernel_line(
                            load(square, i),
                            load(square, i + down),
                            load(square, i + 2 * down),
                            load(square, i + 3 * down),
                            load(square, i + 4 * down),
                        )
                        for k in range(5):
                            store(rows, (5 * k + l) * lanes, u[k])
                        store(rows, (25 + l) * lanes, load(square, i + (r - 1) * down))
                    for k in range(6):
                        i = 5 * k * lanes
                        u = kernel_line(
                            load(rows, i),
                            load(rows, i + lanes),
                            load(rows, i + 2 * lanes),
                            load(rows, i + 3 * lanes),
                            load(rows, i + 4 * lanes),
                        )
                        at = ((g * F + f) * 36 + 6 * k) * plane + (run * K + phase * apart + c) * width + o
                        for l in range(5):
                            store(flat, at + l * plane, u[l])
                        store(flat, at + 5 * plane, load(rows, i + (r - 1) * lanes))


@inlined
def segment(t, end, grid, scale, places):
    """Tiles from t on, in one row: (image, their first row and column, how many); how far each lies from the first, scaled."""
    (rows, columns, group, most), j = grid, t % grid[1].size
    count = min(most - j % group, columns.size - j, end - t)
    for k in range(count):
        places[k] = (columns[j + k] - columns[j]) * scale
    return t // (rows.size * columns.size), rows[t // columns.size % rows.size], columns[j], count


@inner
def transform_inputs(
    x, base, C, size, read, origins, t0, t1, grid, places, lanes, strip, columns, v, plane, pitch, apart
):
    """v[f, tile, c] for tiles t0 .. t1 of the C channels of x from `base` on; images are `size[0]` numbers apart."""
    (image, H, W), (beside, step) = size, read
    t = t0
    while t < t1:
        n, i, j, tiles = segment(t, t1, grid, beside, places)
        cols = places[tiles - 1] + 5 * step + beside
        for phase in range(0, len(origins), beside):  # phases whose pixels lie side by side are read together
            pixel = (
                i * beside + origins[phase, 0],
                j * beside + min(origins[phase, 1], origins[phase + beside - 1, 1]),
            )
            for c in range(0, C, lanes):
                start = base + n * image + c * H * W
                read_strip(x, start, C - c, (H, W), pixel, step, 6, cols, lanes, strip)
                input_columns(strip, cols, lanes, columns)
                for b in range(phase, phase + beside):
                    shift, at = origins[b, 1] + j * beside - pixel[1], (t - t0) * pitch + b * apart + c
                    input_tiles(columns, cols, places, shift, step, tiles, lanes, v, at, plane, pitch)
        t += tiles


@inner
def _products(
    v, v_plane, v_pitch, steps, u, u0, u_plane, offsets, K, m, m0, m_plane, m_pitch, tiles, first, last, width, zeros
):
    """m[f] = v[f] u[f]' for the runs first .. last of output channels: 36 matrix products."""
    tall, padded = panels(tiles)
    for f in range(36):
        for run in range(first, last):
            b0 = u0 + f * u_plane + run * K * width
            row = 0
            while row < padded:
                a0, c0 = f * v_plane + row * v_pitch, m0 + f * m_plane + row * m_pitch + run * width
                if row < tall:
                    outer_tile_6(v, a0, v_pitch, steps, 0, u, b0, offsets, 0, K, zeros, 0, 1, m, c0, m_pitch)
                    row += 6
                else:
                    outer_tile_4(v, a0, v_pitch, steps, 0, u, b0, offsets, 0, K, zeros, 0, 1, m, c0, m_pitch)
                    row += 4


@inner
def transform_outputs(
    m, plane, pitch, bias, b0, y, base, size, channels, write, targets, t0, t1, grid, results, places, lanes, columns, strip
):  # fmt: skip
    """y = A' m A + b for tiles t0 .. t1 and `channels`, first and last; phases whose pixels lie side by side go together."""
    (image, H, W), (beside, step), (first, last) = size, write, channels
    left_most = min(targets[0, 1], targets[beside - 1, 1])
    t = t0
    while t < t1:
        n, i, j, tiles = segment(t, t1, grid, beside, places)
        pixel = (i * beside + targets[0, 0], j * beside + left_most)
        cols = -(-tiles // grid[2]) * results * step
        for o in range(first, last, lanes):
            value = load(bias, b0 + o)
            for b in range(beside):
                at, shift = b * 36 * plane + (t - t0) * pitch + o, targets[b, 1] - left_most
                where = strip, cols, places, shift, step
                output_tiles(m, at, plane, pitch, value, columns, tiles, results, lanes, *where)
            write_strip(strip, results, cols, lanes, y, base + n * image + o * H * W, last - o, (H, W), pixel, step)
        t += tiles


@kernel
def _winograd(
    x, u, bias, y, C, O, size, out, N, results, read, origins, write, targets, grid, wide, block, apart, lanes, T
):
    (H, W), (Ho, Wo) = size, out
    G, F, _, R, K, width = u.shape
    tiles = N * grid[0].size * grid[1].size
    blocks = -(-tiles // block)
    parts = 1 if blocks * G >= T else min(R, -(-T // max(1, blocks * G)))  # few tiles: runs of channels are shared out
    tasks = blocks * G * parts
    flat = u.reshape(-1)
    rows = block + 6
    v_pitch, m_pitch = -(-K // lanes) * lanes, R * width
    v_plane, m_plane = rows * v_pitch + width, rows * m_pitch + width  # + width: planes fall on different cache sets
    steps, offsets = np.arange(K), np.arange(K) * width
    zeros, beside = np.zeros(6, x.dtype), write[0]
    for t in prange(T):
        v, m = aligned(36 * v_plane, x.dtype), aligned(beside * 36 * m_plane, x.dtype)
        strip, columns = aligned(6 * wide * lanes, x.dtype), aligned(6 * wide * lanes, x.dtype)
        places = np.empty(grid[3], np.int64)
        for task in range(t * tasks // T, (t + 1) * tasks // T):
            part, g, t0 = task % parts, task // parts % G, task // parts // G * block
            t1 = min(t0 + block, tiles)
            first, last = part * R // parts, (part + 1) * R // parts
            transform_inputs(
                x, g * C * H * W, C, (G * C * H * W, H, W), read, origins, t0, t1, grid, places, lanes,
                strip, columns, v, v_plane, v_pitch, apart,
            )  # fmt: skip
            for f in range(0, F, beside):  # phases whose pixels lie side by side are written together
                for b in range(beside):
                    _products(
                        v, v_plane, v_pitch, steps, flat, (g * F + f + b) * 36 * R * K * width, R * K * width, offsets, K,
                        m, b * 36 * m_plane, m_plane, m_pitch, t1 - t0, first, last, width, zeros,
                    )  # fmt: skip
                transform_outputs(
                    m, m_plane, m_pitch, bias, g * R * width, y, g * O * Ho * Wo, (G * O * Ho * Wo, Ho, Wo),
                    (first * width, min(last * width, O)), write, targets[f : f + beside], t0, t1, grid, results, places, lanes,
                    columns, strip,
                )  # fmt: skip


def _run(x, w, bias, y, G, strides, plan):
    (N, C, O), columns, threads = (x.shape[0], x.shape[1] // G, y.shape[1] // G), width(x.dtype), get_num_threads()
    F, phases = plan.numbers.shape[:2]
    R, apart = -(-O // columns), -(-C // (columns // 2)) * columns // 2
    K = (phases - 1) * apart + C
    u = empty((G, F, 36, R, K, columns), x.dtype)
    if phases * C < K:
        u[:] = 0
    transform_kernels(
        w.reshape(-1), strides, w.shape[2] * w.shape[3], plan.numbers, O, C, apart, columns // 2, u, threads
    )
    b = np.zeros((G, R * columns), x.dtype)
    if bias is not None:
        b[:, :O] = bias.reshape(G, O)
    unit = 1 if plan.grid[2] == 1 else plan.grid[1].size  # whole rows, so that groups are whole
    block = block_size(N * plan.tiles, K + plan.write[0] * O, x.itemsize, threads, G, u.nbytes // G, unit)
    _winograd(
        x.reshape(-1), u, b.reshape(-1), y.reshape(-1), C, O, x.shape[2:], y.shape[2:], N, plan.results, plan.read,
        plan.origins, plan.write, plan.targets, plan.grid, plan.wide, block, apart, columns // 2, threads,
    )  # fmt: skip


def block_size(tiles, channels, itemsize, threads, G, u_bytes, unit=1):
    """Tiles in a block, whole units: what fits the cache, in equal shares for the threads."""
    fits = max(12, min(max(u_bytes // 2, LEAST_BLOCK), MOST_BLOCK) // (36 * channels * itemsize))
    units = tiles // unit
    blocks = -(-units // max(1, fits // unit))
    if blocks * G > 1:
        while blocks * G % threads and blocks < units:
            blocks += 1
    return max(1, -(-units // max(1, blocks))) * unit


def conv2d(x, w, bias, geometry):
    """y[n,o,i,j] = b[o] + sum_ckl w[o,c,k,l] x[n, c, i s + k d - p, j s + l d - p]."""
    O, C, kh, kw = w.shape
    out = geometry.output_size(x.shape[2:])
    y = empty((x.shape[0], O, *out), x.dtype)
    strides = O // geometry.groups * C * kh * kw, C * kh * kw, kh * kw
    _run(x, w, bias, y, geometry.groups, strides, plan(geometry, out, False))
    return y


def conv_transpose2d(y, w, bias, size, geometry):
    """x[n,c,h,v] = b[c] + sum_okl w[o,c,k,l] y[n, o, (h + p - k d) / s, (v + p - l d) / s] where that is whole."""
    O, C, kh, kw = w.shape
    x = empty((y.shape[0], C * geometry.groups, *size), y.dtype)
    strides = O // geometry.groups * C * kh * kw, kh * kw, C * kh * kw
    _run(y, w, bias, x, geometry.groups, strides, plan(geometry, tuple(size), True))
    return x
