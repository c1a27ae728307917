"""Weight gradient of a 3x3 convolution of stride 1 in the Winograd domain: the exact adjoint of winograd_conv's forward.

    for block of tiles:                                           # cut among the threads
        v = B' d B  for every tile and input channel              # (36, tiles, C)
        z = A g A'  for every tile and output channel             # (36, tiles, O)
        u[f] += z[f]' v[f]  for each of the 36 products           # (36, O, C): microkernel.add_tile
    w = G' u G

Every thread adds to a u of its own, and these are added up in order at the end. Where u outgrows the cache, threads share
the output channels o instead: each transforms all tiles of x, but only its channels of g.
"""

import numpy as np
from numba import get_num_threads, prange

from ..runtime.jit import inner, kernel
from ..simd.micro_kernel import add_tile_4, add_tile_6, outer_tile_4, outer_tile_6, width
from ..simd.prefetch import aligned, empty
from ..simd.vector import load, store
from .direct_pixels import panels
from .winograd import block_size, segment, transform_inputs
from .winograd_plan import plan
from .winograd_transforms import gather_line, load_line, read_strip, spread_tiles

SHARED_BYTES = 1 << 21  # of u; above, threads share the output channels


@inner
def _spread_outputs(y, base, first, last, size, step, t0, t1, grid, places, lanes, strip, columns, z, plane, pitch):
    """z[f, tile, o] for tiles t0 .. t1 of channels first .. last of y from `base` on."""
    image, H, W = size
    t = t0
    while t < t1:
        n, i, j, tiles = segment(t, t1, grid, 1, places)
        cols = places[tiles - 1] + 3 * step + 1
        for o in range(first, last, lanes):
            start = base + n * image + o * H * W
            read_strip(y, start, last - o, (H, W), (i, j), step, 4, cols, lanes, strip)
            spread_tiles(
                strip, cols, columns, places, step, tiles, lanes, z, (t - t0) * pitch + o - first, plane, pitch
            )
        t += tiles


@inner
def _add_products(z, z_plane, steps, v, v_plane, offsets, K, u, u0, u_plane, rows, cols, width, fresh, zeros):
    """u[f] += z[f]' v[f] for the 36 products, or = if fresh; a row of u is `cols` long."""
    tall, padded = panels(rows)
    for f in range(36):
        row = 0
        while row < padded:
            a0, c0 = f * z_plane + row, u0 + f * u_plane + row * cols
            for c in range(0, cols, width):
                b0 = f * v_plane + c
                if row < tall:
                    if fresh:
                        outer_tile_6(z, a0, 1, steps, 0, v, b0, offsets, 0, K, zeros, 0, 1, u, c0 + c, cols)
                    else:
                        add_tile_6(z, a0, 1, steps, 0, v, b0, offsets, 0, K, u, c0 + c, cols, u, c0 + c, cols)
                elif fresh:
                    outer_tile_4(z, a0, 1, steps, 0, v, b0, offsets, 0, K, zeros, 0, 1, u, c0 + c, cols)
                else:
                    add_tile_4(z, a0, 1, steps, 0, v, b0, offsets, 0, K, u, c0 + c, cols, u, c0 + c, cols)
            row += 6 if row < tall else 4


@kernel
def _accumulate(x, y, C, O, size, out_size, N, read, origins, grid, wide, block, shares, lanes, u):
    (H, W), (Ho, Wo) = size, out_size
    parts, G, _, _, rows, cols = u.shape
    tiles = N * grid[0].size * grid[1].size
    blocks = -(-tiles // block)
    flat = u.reshape(-1)
    share = -(-O // shares)
    z_pitch = -(-share // lanes) * lanes
    v_plane, z_plane = block * cols + 2 * lanes, block * z_pitch + 2 * lanes
    steps, offsets = np.arange(block) * z_pitch, np.arange(block) * cols
    for t in prange(parts * shares):
        part, s = t // shares, t % shares
        first, last = s * share, min((s + 1) * share, O)
        v, z = aligned(36 * v_plane, x.dtype), aligned(36 * z_plane, x.dtype)
        v[:] = 0
        strip, columns = aligned(6 * wide * lanes, x.dtype), aligned(6 * wide * lanes, x.dtype)
        places = np.empty(grid[3], np.int64)
        zeros = np.zeros(6, x.dtype)
        for g in range(G if last > first else 0):
            u0, u_plane = ((part * G + g) * shares + s) * 36 * rows * cols, rows * cols
            begin, end = part * blocks // parts, (part + 1) * blocks // parts
            for b in range(begin, end):
                t0, t1 = b * block, min((b + 1) * block, tiles)
                image = (G * C * H * W, H, W)
                transform_inputs(
                    x, g * C * H * W, C, image, read, origins, t0, t1, grid, places, lanes,
                    strip, columns, v, v_plane, cols, 0,
                )  # fmt: skip
                image, base = (G * O * Ho * Wo, Ho, Wo), g * O * Ho * Wo
                _spread_outputs(
                    y, base, first, last, image, read[1], t0, t1, grid, places, lanes,
                    strip, columns, z, z_plane, z_pitch,
                )  # fmt: skip
                K, n = t1 - t0, last - first
                fresh = b == begin
                _add_products(
                    z, z_plane, steps, v, v_plane, offsets, K, flat, u0, u_plane, n, cols, 2 * lanes, fresh, zeros
                )
            if begin == end:
                u[part, g, s] = 0


@kernel
def _gather_kernels(u, w, O, C, lanes, T):
    """w[g, o, c] = G' u G, with the threads' sums added up."""
    parts, G, shares, _, rows, cols = u.shape
    flat, share, plane = u.reshape(-1), -(-O // shares), rows * cols
    for t in prange(T):
        part, column = np.empty(36 * lanes, w.dtype), np.empty(18 * lanes, w.dtype)
        for task in range(t * G * O // T, (t + 1) * G * O // T):
            g, o = task // O, task % O
            row = (g * shares + o // share) * 36 * plane + o % share * cols
            for c in range(0, C, lanes):
                for f in range(36):
                    total = load(flat, row + f * plane + c)
                    for p in range(1, parts):
                        total = total + load(flat, row + f * plane + c + p * G * shares * 36 * plane)
                    store(part, f * lanes, total)
                for q in range(6):
                    j = q * lanes
                    k = gather_line(*load_line(part, j, 6 * lanes))
                    for r in range(3):
                        store(column, (r * 6 + q) * lanes, k[r])
                for r in range(3):
                    j = r * 6 * lanes
                    k = gather_line(*load_line(column, j, lanes))
                    for q in range(3):
                        store(part, (r * 3 + q) * lanes, k[q])
                for i in range(min(lanes, C - c)):
                    for k in range(9):
                        w[task, c + i, k] = part[k * lanes + i]


def conv2d_weight(x, y, geometry):
    """w[o,c,k,l] = sum_nij y[n,o,i,j] x[n, c, i + k d - p, j + l d - p] for 3x3 kernels of stride 1 and equal dilations."""
    G, lanes, threads = geometry.groups, width(x.dtype) // 2, get_num_threads()
    N, C, O = x.shape[0], x.shape[1] // G, y.shape[1] // G
    forward = plan(geometry, y.shape[2:], False)
    tiles, cols = N * forward.tiles, -(-C // (2 * lanes)) * 2 * lanes
    shares = max(1, min(threads, O // 64)) if 36 * O * cols * x.itemsize > SHARED_BYTES else 1
    parts = max(1, threads // shares)
    rows = panels(-(-O // shares))[1]
    block = max(48, block_size(tiles, C + -(-O // shares), x.itemsize, parts, 1, 0))
    u = empty((parts, G, shares, 36, rows, cols), x.dtype)
    where = forward.read, forward.origins, forward.grid, forward.wide
    sizes = C, O, x.shape[2:], y.shape[2:], N, *where, min(block, max(tiles, 1))
    _accumulate(x.reshape(-1), y.reshape(-1), *sizes, shares, lanes, u)
    w = np.empty((G * O, C, 3, 3), x.dtype)  # not a view: a gradient that is one gets copied
    _gather_kernels(u, w.reshape(G * O, C, 9), O, C, lanes, threads)
    return w
