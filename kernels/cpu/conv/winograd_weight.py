"""Weight gradient of a 3x3 convolution of stride 1 in the Winograd domain: the exact adjoint of winograd.py's forward.

    for part of the tiles, panel of output channels:              # shared out among the threads
        for block of tiles of the part:
            v = B' d B  for every tile and input channel          # (36, tiles, C): packed pixels
            z = A g A'  for every tile and output channel         # (36, tiles, O)
            u[f] += z[f]' v[f]  for each of the 36 products       # (36, O, C): macro-kernel
    w = G' u G, u added up over the parts in order

Parts and blocks depend on the shapes alone, so that the sum has the same bits on any number of threads. Where u outgrows the
cache there are few parts, and the threads share the output channels instead: each transforms all tiles of x, but only its
channels of g.
"""

from typing import NamedTuple

import numpy as np
from numba import prange

from ..runtime.jit import inlined, inner, kernel
from ..runtime.threads import get_num_threads
from ..simd.micro_kernel import Operand, micro_kernel_4x2, micro_kernel_6x2, panel_width, panels
from ..simd.prefetch import aligned, empty
from ..simd.vector import Rows, clear_run, lanes_of, load, store
from . import direct_channels_weight
from .operands import Image, image, plane_start
from .parts import weight_parts
from .winograd import Scratch, block_size, segment, transform_inputs
from .winograd_plan import Grid, Placement, plan
from .winograd_transforms import Points, Strip, load_line, read_strip

PARTS_BYTES = 2 << 20  # of u of all parts
SHARE_CHANNELS = 32  # output channels of a share, at least: with fewer, transforming x for each share costs too much


class Work(NamedTuple):
    """How the sum is cut: tiles in a block, blocks in all, pixels in a strip's row, output channels of a share."""

    block: int
    blocks: int
    wide: int
    share: int


@inlined
def output_adjoint_line(y0, y1, y2, y3):
    """A y for 4 results: the adjoint of output_line."""
    s, d, p, q = y0 + y2, y1 + y3, y0 + 4 * y2, 2 * y1 + 8 * y3
    return y0, s + d, s - d, p + q, p - q, y3


@inlined
def kernel_adjoint_line(u0, u1, u2, u3, u4, u5):
    """G' u for 3 taps: the adjoint of kernel_line."""
    s, d, p, q = u1 + u2, u2 - u1, u3 + u4, u3 - u4
    return 0.25 * u0 - s * (1 / 6) + p * (1 / 24), d * (1 / 6) + q * (1 / 12), (p - s) * (1 / 6) + u5


@inner
def output_adjoint_tiles(strip, columns, tiles, out):
    """out[6 r + q][tile] = A y A' for tiles of a strip of 4 rows: the adjoint of output_tiles."""
    lanes = lanes_of(columns)
    n, step = strip.cols * lanes, strip.step * lanes
    for j in range(0, n, lanes):
        y = strip.data
        z = output_adjoint_line(load(y, j), load(y, n + j), load(y, 2 * n + j), load(y, 3 * n + j))
        for r in range(6):
            store(columns, r * n + j, z[r])
    for r in range(6):
        for t in range(tiles):
            j = r * n + strip.places[t] * lanes
            z = output_adjoint_line(
                load(columns, j), load(columns, j + step), load(columns, j + 2 * step), load(columns, j + 3 * step)
            )
            for q in range(6):
                store(out.data, out.start + (6 * r + q) * out.plane + t * out.pitch, z[q])


@inner
def _transform_outputs(y, part, step, grid, span, scratch, z):
    """z[f, tile, o] for a span of tiles and part = (group, first channel, last channel) of y."""
    (g, first, last), lanes = part, lanes_of(z.data)
    t = span[0]
    while t < span[1]:
        n, i, j, tiles = segment(t, span[1], grid, 1, scratch.places)
        cols = scratch.places[tiles - 1] + 3 * step + 1
        for o in range(first, last, lanes):
            read_strip(y, plane_start(y, n, g, o), last - o, (i, j), step, 4, cols, scratch.strip)
            strip, at = Strip(scratch.strip, cols, scratch.places, 0, step), (t - span[0]) * z.pitch + o - first
            output_adjoint_tiles(strip, scratch.columns, tiles, Points(z.data, at, z.plane, z.pitch))
        t += tiles


@inner
def _add_products(z, v, u, rows, K, fresh):
    """u[f] += z[f]' v[f] for the 36 products, or = if fresh; a row of u is as long as one of v."""
    (tall, padded), width = panels(rows), 2 * lanes_of(v.data)
    for f in range(36):
        row = 0
        while row < padded:
            a = Operand(z.data, f * z.plane + row, 1, z.pitch)
            for q in range(0, v.pitch, width):
                b = Rows(v.data, f * v.plane + q, v.pitch)
                c = Rows(u.data, u.start + f * u.plane + row * u.pitch + q, u.pitch)
                if row < tall:
                    if fresh:
                        micro_kernel_6x2(a, b, c, 0, 0, K)
                    else:
                        micro_kernel_6x2(a, b, c, c, 0, K)
                elif fresh:
                    micro_kernel_4x2(a, b, c, 0, 0, K)
                else:
                    micro_kernel_4x2(a, b, c, c, 0, K)
            row += 6 if row < tall else 4


@kernel
def _accumulate(x: Image, y: Image, read: Placement, grid: Grid, work: Work, u, T):
    parts, G, shares, _, rows, cols = u.shape
    tiles, lanes, dtype = x.batch * grid.rows.size * grid.columns.size, lanes_of(x.data), x.data.dtype
    z_pitch = -(-work.share // lanes) * lanes
    v_plane, z_plane = work.block * cols + 2 * lanes, work.block * z_pitch + 2 * lanes
    sums = u.reshape(-1)
    for t in prange(T):
        v = Points(aligned(36 * v_plane, dtype), 0, v_plane, cols)
        z = Points(aligned(36 * z_plane, dtype), 0, z_plane, z_pitch)
        clear_run(v.data, 0, v.data.size)
        strip, columns = aligned(6 * work.wide * lanes, dtype), aligned(6 * work.wide * lanes, dtype)
        scratch = Scratch(strip, columns, np.empty(grid.together, np.int64))
        for task in range(t * parts * shares // T, (t + 1) * parts * shares // T):
            part, s = task // shares, task % shares
            first, last = s * work.share, min((s + 1) * work.share, y.channels)
            for g in range(G if last > first else 0):
                at = ((part * G + g) * shares + s) * 36 * rows * cols
                begin, end = part * work.blocks // parts, (part + 1) * work.blocks // parts
                for b in range(begin, end):
                    span = b * work.block, min((b + 1) * work.block, tiles)
                    transform_inputs(x, g, read, grid, span, scratch, v, 0)
                    _transform_outputs(y, (g, first, last), read.step, grid, span, scratch, z)
                    _add_products(
                        z, v, Points(sums, at, rows * cols, cols), last - first, span[1] - span[0], b == begin
                    )
                if begin == end:
                    u[part, g, s] = 0


@kernel
def _transform_kernels(u, w, share, T):
    """w[g, o, c] = G' u G, u added up over the parts in order."""
    parts, G, shares, _, rows, cols = u.shape
    flat, plane, lanes = u.reshape(-1), rows * cols, lanes_of(u.reshape(-1))
    O, C = w.shape[0] // G, w.shape[1]
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
                    k = kernel_adjoint_line(*load_line(part, q * lanes, 6 * lanes))
                    for r in range(3):
                        store(column, (r * 6 + q) * lanes, k[r])
                for r in range(3):
                    k = kernel_adjoint_line(*load_line(column, r * 6 * lanes, lanes))
                    for q in range(3):
                        store(part, (r * 3 + q) * lanes, k[q])
                for i in range(min(lanes, C - c)):
                    for k in range(9):
                        w[task, c + i, k] = part[k * lanes + i]


def conv2d_weight(x, y, geometry):
    """w[o,c,k,l] = sum_nij y[n,o,i,j] x[n, c, i + k d - p, j + l d - p] for 3x3 kernels of stride 1 and equal dilations."""
    G, width, threads = geometry.groups, panel_width(x.dtype), get_num_threads()
    images = image(x, G), image(y, G)
    C, O = (i.channels for i in images)
    forward = plan(geometry, y.shape[2:], False)
    tiles, cols = len(x) * forward.tiles, -(-C // width) * width
    parts = weight_parts(36 * O * cols * G * x.itemsize, 16 * tiles, PARTS_BYTES)
    shares = max(1, min(-(-threads // parts), O // SHARE_CHANNELS))
    share = -(-O // shares)
    block = max(48, block_size((tiles, 1), 36 * (C + min(O, SHARE_CHANNELS)) * x.itemsize, 0, parts, 1))
    block = min(block, max(tiles, 1))
    u = empty((parts, G, shares, 36, panels(share)[1], cols), x.dtype)
    work = Work(block, -(-tiles // block), forward.wide, share)
    _accumulate(*images, forward.read, forward.grid, work, u, threads)
    w = np.empty((G * O, C, 3, 3), x.dtype)  # not a view: a gradient that is one gets copied
    _transform_kernels(u, w.reshape(G * O, C, 9), share, threads)
    if not np.isfinite(w).all():
        np.copyto(w, direct_channels_weight.conv2d_weight(x, y, geometry), where=~np.isfinite(w))
    return w
