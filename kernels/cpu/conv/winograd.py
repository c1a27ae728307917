"""Convolution and its data gradient by Winograd's F(4x4, 3x3), and its relatives for other kernels (winograd_plan.py).

    u = G w G'  for every pair of channels                                     # (36, O, C), once
    for block of tiles:                                                        # cut evenly among the threads
        v = B' d B  for every tile and input channel                           # (36, tiles, C): packed pixels
        m[f] = v[f] u[f]'  for each of the 36 products                         # (36, tiles, O): macro-kernel
        y = A' m A + b  for every tile and output channel

With a stride there are s x s phases. Those that a convolution reads are more channels of v; each of those that its data
gradient writes has a u and an m of its own. Float32 results lie within 3e-5 of the exact ones, relative to the largest value
of the image: the constants of B', A' amplify rounding tenfold, and a large pixel spreads its rounding error over its tile.
Results that are not finite are computed again by the direct algorithm, so that a NaN reaches only the windows that see it.
"""

from typing import NamedTuple

import numpy as np
from numba import prange

from ...geometry import remembered
from ..runtime.jit import inlined, inner, kernel
from ..runtime.threads import get_num_threads
from ..simd.micro_kernel import Operand, Scalars, micro_kernel_4x2, micro_kernel_6x2, panel_width, panels
from ..simd.prefetch import aligned, empty
from ..simd.transpose import transpose_rows
from ..simd.vector import Rows, broadcast, lanes_of, load, store
from . import direct_channels
from .operands import Filters, Image, adjoint_filters, forward_filters, image, padded_bias, plane_start
from .winograd_plan import Grid, Placement, plan
from .winograd_transforms import (
    Points,
    Strip,
    input_columns,
    input_tiles,
    kernel_line,
    load_five,
    output_tiles,
    read_strip,
    write_strip,
)

MIN_BLOCK, MAX_BLOCK = 768 * 1024, 6 * 1024 * 1024  # bytes of v and m of a block of tiles; between them half of u's:
# all of u is read for each block


class Scratch(NamedTuple):
    """A thread's buffers: a strip of pixels, its transformed columns, and the columns at which its tiles begin."""

    strip: np.ndarray
    columns: np.ndarray
    places: np.ndarray


@kernel
def transform_kernels(filters: Filters, numbers, sizes, out, T):
    """out[g, phase, f, panel of o, c, o] = (G w G')[f] for taps `numbers`; sizes are (O, C, distance of phases in c)."""
    O, C, phase_pitch = sizes
    G, F, _, R, K, width = out.shape
    phases, r, lanes = numbers.shape[1], numbers.shape[2], lanes_of(filters.data)
    flat, plane, down = out.reshape(-1), R * K * width, 5 * width
    for t in prange(T):
        taps = np.empty((filters.taps + lanes) * width, out.dtype)
        square, rows = np.zeros(25 * width, out.dtype), np.zeros(30 * lanes, out.dtype)  # 5 taps: zero beyond r
        for task in range(t * G * R * C // T, (t + 1) * G * R * C // T):
            g, run, c = task // (R * C), task // C % R, task % C
            source = g * filters.group + run * width * filters.row_stride + c * filters.channel_stride
            transpose_rows(Rows(filters.data, source, filters.row_stride), filters.taps, O - run * width, width, taps)
            for f in range(F):
                for phase in range(phases):
                    for k in range(r):
                        for l in range(r):
                            number = numbers[f, phase, k, l]
                            for o in range(0, width, lanes):
                                value = load(taps, max(number, 0) * width + o)
                                store(square, (5 * k + l) * width + o, value if number >= 0 else broadcast(taps, 0))
                    for o in range(0, width, lanes):
                        for l in range(r):
                            i = l * width + o
                            u = kernel_line(*load_five(square, i, down))
                            for k in range(5):
                                store(rows, (5 * k + l) * lanes, u[k])
                            store(rows, (25 + l) * lanes, load(square, i + (r - 1) * down))
                        for k in range(6):
                            i = 5 * k * lanes
                            u = kernel_line(*load_five(rows, i, lanes))
                            at = ((g * F + f) * 36 + 6 * k) * plane + (run * K + phase * phase_pitch + c) * width + o
                            for l in range(5):
                                store(flat, at + l * plane, u[l])
                            store(flat, at + 5 * plane, load(rows, i + (r - 1) * lanes))


@inlined
def segment(t, end, grid, scale, places):
    """Tiles from t on, in one row: (image, their first row and column, how many); places[k] is tile k's column, scaled."""
    columns, most = grid.columns, grid.together
    j = t % columns.size
    count = min(most - j % grid.interleaved, columns.size - j, end - t)
    for k in range(count):
        places[k] = (columns[j + k] - columns[j]) * scale
    return t // (grid.rows.size * columns.size), grid.rows[t // columns.size % grid.rows.size], columns[j], count


@inner
def transform_inputs(x, g, read, grid, span, scratch, v, phase_pitch):
    """v[f, tile, c] for the tiles span[0] .. span[1] of group g of x."""
    step, lanes = read.step, lanes_of(v.data)
    t, adjacent = span[0], read.scale
    while t < span[1]:
        n, i, j, tiles = segment(t, span[1], grid, adjacent, scratch.places)
        cols = scratch.places[tiles - 1] + 5 * step + adjacent
        for phase in range(0, len(read.origins), adjacent):  # phases whose pixels are adjacent are read together
            left = j * adjacent + min(read.origins[phase, 1], read.origins[phase + adjacent - 1, 1])
            pixel = i * adjacent + read.origins[phase, 0], left
            for c in range(0, x.channels, lanes):
                read_strip(x, plane_start(x, n, g, c), x.channels - c, pixel, step, 6, cols, scratch.strip)
                input_columns(scratch.strip, cols, scratch.columns)
                for b in range(phase, phase + adjacent):
                    shift, at = read.origins[b, 1] + j * adjacent - left, (t - span[0]) * v.pitch + b * phase_pitch + c
                    strip = Strip(scratch.columns, cols, scratch.places, shift, step)
                    input_tiles(strip, tiles, Points(v.data, v.start + at, v.plane, v.pitch))
        t += tiles


@inner
def _products(v, u, m, tiles, runs, K):
    """m[f] = v[f] u[f]' for the panels runs[0] .. runs[1] of output channels: 36 matrix products."""
    width = 2 * lanes_of(v.data)
    tall, padded = panels(tiles)
    for f in range(36):
        for run in range(runs[0], runs[1]):
            b = Rows(u.data, u.start + f * u.plane + run * u.pitch, width)
            for p in range(tall // 6):
                row = 6 * p
                a = Operand(v.data, v.start + f * v.plane + row * v.pitch, v.pitch, 1)
                c = Rows(m.data, m.start + f * m.plane + row * m.pitch + run * width, m.pitch)
                micro_kernel_6x2(a, b, c, 0, 0, K)
            for row in range(tall, padded, 4):
                a = Operand(v.data, v.start + f * v.plane + row * v.pitch, v.pitch, 1)
                c = Rows(m.data, m.start + f * m.plane + row * m.pitch + run * width, m.pitch)
                micro_kernel_4x2(a, b, c, 0, 0, K)


@inner
def _transform_outputs(m, y, bias, part, write, grid, span, scratch):
    """y = A' m A + b for a span of tiles and part = (group, first channel, last channel); whether all of it is finite.

    Phases whose pixels are adjacent are written together.
    """
    g, first, last = part
    step, adjacent, lanes, finite = write.step, write.scale, lanes_of(m.data), True
    left_most = min(write.origins[0, 1], write.origins[adjacent - 1, 1])
    t = span[0]
    while t < span[1]:
        n, i, j, tiles = segment(t, span[1], grid, adjacent, scratch.places)
        pixel = i * adjacent + write.origins[0, 0], j * adjacent + left_most
        cols = -(-tiles // grid.interleaved) * grid.results * step
        for o in range(first, last, lanes):
            for b in range(adjacent):
                at = m.start + b * 36 * m.plane + (t - span[0]) * m.pitch + o
                strip = Strip(scratch.strip, cols, scratch.places, write.origins[b, 1] - left_most, step)
                products, offset = Points(m.data, at, m.plane, m.pitch), load(bias.data, bias.start + o)
                finite &= output_tiles(products, offset, strip, scratch.columns, tiles, grid.results)
            write_strip(scratch.strip, grid.results, cols, y, plane_start(y, n, g, o), last - o, pixel, step)
        t += tiles
    return finite


@inlined
def _set_flag(flags, t, value):
    """flags[t] = value: a function, since flags is a field of a named tuple (runtime/jit.py)."""
    flags[t] = value


class Work(NamedTuple):
    """How the tiles are cut: tiles in a block, pixels in a strip's row, distance of phases in v, a flag for each thread."""

    block: int
    wide: int
    phase_pitch: int
    finite: np.ndarray


@kernel
def _winograd(x: Image, u, bias, y: Image, read: Placement, write: Placement, grid: Grid, work: Work):
    G, F, _, R, K, width = u.shape
    lanes, T, block = width // 2, work.finite.size, work.block
    tiles = x.batch * grid.rows.size * grid.columns.size
    blocks = -(-tiles // block)
    parts = 1 if blocks * G >= T else min(R, -(-T // max(1, blocks * G)))  # few tiles: panels are shared out as well
    tasks = blocks * G * parts
    weights = u.reshape(-1)
    v_pitch, m_pitch = -(-K // lanes) * lanes, R * width
    v_plane, m_plane = (block + 6) * v_pitch + width, (block + 6) * m_pitch + width  # + width: other cache sets
    adjacent = write.scale
    for t in prange(T):
        v = Points(aligned(36 * v_plane, x.data.dtype), 0, v_plane, v_pitch)
        m = Points(aligned(adjacent * 36 * m_plane, x.data.dtype), 0, m_plane, m_pitch)
        strip, columns = aligned(6 * work.wide * lanes, x.data.dtype), aligned(6 * work.wide * lanes, x.data.dtype)
        scratch, finite = Scratch(strip, columns, np.empty(grid.together, np.int64)), True
        for task in range(t * tasks // T, (t + 1) * tasks // T):
            part, g, t0 = task % parts, task // parts % G, task // parts // G * block
            span, runs = (t0, min(t0 + block, tiles)), (part * R // parts, (part + 1) * R // parts)
            channels = g, runs[0] * width, min(runs[1] * width, y.channels)
            transform_inputs(x, g, read, grid, span, scratch, v, work.phase_pitch)
            for f in range(0, F, adjacent):  # phases whose pixels are adjacent are written together
                for b in range(adjacent):
                    kernels = Points(weights, (g * F + f + b) * 36 * R * K * width, R * K * width, K * width)
                    products = Points(m.data, b * 36 * m_plane, m_plane, m_pitch)
                    _products(v, kernels, products, span[1] - span[0], runs, K)
                here = Placement(adjacent, write.step, write.origins[f : f + adjacent])
                offsets = Scalars(bias, g * R * width, 1)
                finite &= _transform_outputs(m, y, offsets, channels, here, grid, span, scratch)
        _set_flag(work.finite, t, finite)


def _run(x, filters, bias, y, groups, plan, kept=None):
    """Whether every number of y is finite; `kept` holds transformed weights from call to call (PreparedConv)."""
    width, threads = panel_width(x.dtype), get_num_threads()
    images = image(x, groups), image(y, groups)
    C, O = (i.channels for i in images)
    F, phases = plan.numbers.shape[:2]
    R, phase_pitch = -(-O // width), -(-C // (width // 2)) * width // 2
    K = (phases - 1) * phase_pitch + C

    def transformed():
        u = empty((groups, F, 36, R, K, width), x.dtype)
        if phases * C < K:
            u[:] = 0
        transform_kernels(filters, plan.numbers, (O, C, phase_pitch), u, threads)
        return u

    u = remembered(kept, "winograd", transformed)
    unit = (
        1 if plan.grid.interleaved == 1 else plan.grid.columns.size
    )  # whole rows, so that interleaved tiles are complete
    tiles, kept = len(x) * plan.tiles, 36 * (K + plan.write.scale * O) * x.itemsize
    block = block_size((tiles, unit), kept, u.nbytes // groups, threads, groups)
    work = Work(block, plan.wide, phase_pitch, np.ones(threads, np.bool_))
    offsets = padded_bias(bias, groups, O, R * width, x.dtype)
    _winograd(images[0], u, offsets, images[1], plan.read, plan.write, plan.grid, work)
    return work.finite.all()


def block_size(tiles, tile_bytes, weight_bytes, threads, groups):
    """Tiles in a block: what fits the cache, in equal shares for the threads; tiles = (all, a unit that stays whole)."""
    (tiles, unit), budget = tiles, max(weight_bytes // 2, MIN_BLOCK)
    fits = max(12, min(budget, MAX_BLOCK) // tile_bytes)
    units = tiles // unit
    blocks = -(-units // max(1, fits // unit))
    if blocks * groups > 1:
        while blocks * groups % threads and blocks < units:
            blocks += 1
    return max(1, -(-units // max(1, blocks))) * unit


def conv2d(x, w, bias, geometry, kept=None):
    """y[n,o,i,j] = b[o] + sum_ckl w[o,c,k,l] x[n, c, i s + k d - p, j s + l d - p]."""
    out = geometry.output_size(x.shape[2:])
    y = empty((x.shape[0], w.shape[0], *out), x.dtype)
    if not _run(x, forward_filters(w, geometry.groups), bias, y, geometry.groups, plan(geometry, out, False), kept):
        np.copyto(y, direct_channels.conv2d(x, w, bias, geometry), where=~np.isfinite(y))
    return y


def conv_transpose2d(y, w, bias, size, geometry):
    """x[n,c,h,v] = b[c] + sum_okl w[o,c,k,l] y[n, o, (h + p - k d) / s, (v + p - l d) / s] where that is whole."""
    x = empty((y.shape[0], w.shape[1] * geometry.groups, *size), y.dtype)
    if not _run(y, adjoint_filters(w, geometry.groups), bias, x, geometry.groups, plan(geometry, tuple(size), True)):
        np.copyto(x, direct_channels.conv_transpose2d(y, w, bias, size, geometry), where=~np.isfinite(x))
    return x
