"""Convolution as one matrix product, a cache-full of pixels at a time: where windows share no pixels, or pixels are few.

    for image n, group, chunk of the result's pixels:             # cut evenly among the threads
        for block of the sum (c,k,l):
            b[(c,k,l), q] = the pixel that tap (c,k,l) of result q sees           # some rows of im2col's matrix
            for phase of the result, panel of 6 or 4 rows o, run of 16 pixels q:
                y[n, o, q] += sum_(c,k,l) w[o,c,k,l] b[(c,k,l), q]                (microkernel.outer_tile)

im2col's matrix is never there as a whole: a block of it is written into the second-level cache, and used by all rows o at once.
That costs little where no two windows see the same pixel (1x1; 2x2 of stride 2). There is nothing to turn round at the end, as
in channels.py: rows of 16 results are stored where they belong, while the next ones are computed.

Few pixels (a layer on 7x7) are no work for a copy of the weights. Then these are read where they lie, once: `steps` says where
step (c,k,l) of the sum lies in a row of w, which may as well be a column (conv_transpose2d). Where there are more pixels,
panels of weights are packed in the order in which they are read.

A result of conv_transpose2d has s x s phases, each with its share of taps; here these have to see the same pixels, or none, as
for kernels no larger than the stride. Phases of a row are woven together. Panels and runs that would end beyond the last row or
pixel begin earlier, and compute some results twice.
"""

from functools import cache
from itertools import pairwise

import numpy as np
from numba import get_num_threads, prange

from .channel_tiles import one_row
from .microkernel import add_tile_4, add_tile_6, outer_tile_4, outer_tile_6, width
from .team import inlined, kernel
from .tiled import panels
from .tiles import adjoint_taps, copy_row, window_taps
from .vector import clear_run, copy_run, prefetch
from .weave import weave

DEPTH = 256  # steps of a block: with 16 pixels each they fill half of the first-level cache
PIXELS = 256  # of a chunk: a block of them fills half of the second-level cache
FEW_PIXELS = 100  # of all images: below, a copy of the weights costs more than it saves
LEAST_RESULTS = 6  # of a group: one panel
AHEAD = 6  # channels whose pixels are asked for in advance: they lie on other pages, where the processor does not look
LINE_BYTES = 64  # of a cache


@inlined
def _gather(x, image, size, step, taps, k0, n, first, count, W, b, pitch):
    """b[k, q] = the pixel of x under step k0 + k of result first + q, zero where there is none; a row has W results."""
    (h, v), T = size, taps.shape[0]
    i0, j0 = first // W, first % W
    for k in range(n):
        c, t = (k0 + k) // T, (k0 + k) % T
        at, end, i, j = k * pitch, k * pitch + count, i0, j0
        while at < end:
            run, row = min(W - j, end - at), i * step[0] + taps[t, 0]
            if 0 <= row < h:
                if t == 0:
                    source = image + ((c + AHEAD) * h + row) * v + j * step[1]
                    for a in range(source, source + run * step[1], LINE_BYTES // x.itemsize):
                        prefetch(x, a)
                copy_row(x, image + (c * h + row) * v, v, b, at, run, step[1], j * step[1] + taps[t, 1])
            else:
                clear_run(b, at, run)
            at, i, j = at + run, i + 1, 0


@inlined
def _write(strip, s0, apart, y, target, size, up, phase, first, count, W, lanes):
    """Results first .. first + count of a row of the strip into y; `up` rows of them, `apart`, make one row of y."""
    H, V = size
    q, i, j = 0, first // W, first % W
    while q < count:
        run, h, v = min(W - j, count - q), i * up[0] + phase, j * up[1]
        n, at = min(run * up[1], V - v), target + h * V + v
        if h < H and up[1] == 1:
            copy_run(strip, s0 + q, y, at, n)
        elif h < H and up[1] == 2:
            weave(strip, s0 + q, s0 + apart + q, n, y, at, lanes)
        elif h < H:
            for k in range(n):
                y[at + k] = strip[s0 + k % up[1] * apart + q + k // up[1]]
        q, i, j = q + run, i + 1, 0


@kernel
def _pack(w, group, row, steps, starts, C, M, out, T):
    """out[g][phase][panel][k][r] = w[g, o + r, steps[k]] for the rows o + r of a panel: the order in which they are read."""
    tall, padded = panels(M)
    G, K = out.shape[0], steps.size
    for t in prange(T):
        for k in range(t * K // T, (t + 1) * K // T):
            f = 0
            while C * starts[f + 1] <= k:
                f += 1
            first, count = C * starts[f], C * (starts[f + 1] - starts[f])
            for g in range(G):
                o = 0
                while o < padded:
                    height = 6 if o < tall else 4
                    source, at = g * group + min(o, M - height) * row + steps[k], first * padded + o * count
                    for r in range(height):
                        out[g, at + (k - first) * height + r] = w[source + r * row]
                    o += height


@inlined
def _add_runs(
    height, w, a, pitch, steps, s, b, offsets, n, count, fresh, init, i0, length, goal, c0, apart, early, lanes
):
    """One panel of weights and every run of a chunk: goal = init + the sum; a last run is begun early if so asked."""
    columns = 2 * lanes
    for q in range(0, count, columns):
        p = min(q, count - columns) if early else q
        i, c = i0 if fresh else i0 + q, c0 + (q if apart == length else p)
        if fresh and height == 6:
            outer_tile_6(w, a, pitch, steps, s, b, p, offsets, 0, n, init, i, 1, goal, c, apart)
        elif fresh:
            outer_tile_4(w, a, pitch, steps, s, b, p, offsets, 0, n, init, i, 1, goal, c, apart)
        elif height == 6:
            add_tile_6(w, a, pitch, steps, s, b, p, offsets, 0, n, init, i, length, goal, c, apart)
        else:
            add_tile_4(w, a, pitch, steps, s, b, p, offsets, 0, n, init, i, length, goal, c, apart)


@kernel
def _convolve(
    x, C, size, step, taps, starts, w, packed, group, pitch, steps, bias, y, M, out, up, N, G, chunk, lanes, T
):
    (h, v), (H, V) = size, out
    tall, padded = panels(M)
    W, columns, F, K = -(-V // up[1]), 2 * lanes, up[0] * up[1], C * len(taps)
    pixels, blocks = -(-H // up[0]) * W, max(1, -(-K // DEPTH))
    chunks = -(-pixels // chunk)
    tasks, length = N * G * chunks, -(-chunk // columns) * columns + columns  # not a power of two: rows of b, of strip
    parts = 1 if tasks >= T else -(-T // max(tasks, 1))  # few chunks: the rows o are shared out as well
    ramps = np.arange(DEPTH) * 4, np.arange(DEPTH) * 6
    kept = (padded if blocks > 1 else 6) * length  # sums of a phase: all, or those of one panel
    for t in prange(T):
        b, strip = np.empty(DEPTH * length, x.dtype), np.empty((F if blocks > 1 else up[1]) * kept, x.dtype)
        offsets = np.arange(DEPTH) * length
        for task in range(t * tasks * parts // T, (t + 1) * tasks * parts // T):
            part, image = task % parts, task // parts // chunks
            g, first = image % G, task // parts % chunks * chunk
            count = min(chunk, pixels - first)
            early = up == (1, 1) and count >= columns
            for block in range(blocks):
                k0, k1, last = block * K // blocks, (block + 1) * K // blocks, block == blocks - 1
                _gather(x, image * C * h * v, size, step, taps, k0, k1 - k0, first, count, W, b, length)
                for phase in range(up[0]):
                    o = 0
                    while o < padded:
                        height = 6 if o < tall else 4
                        row = min(o, M - height)
                        target, base = (image * M + row) * H * V, o * length if blocks > 1 else 0
                        for f in range(phase * up[1], (phase + 1) * up[1] if o * parts // padded == part else 0):
                            share, keep = starts[f + 1] - starts[f], base + (f if blocks > 1 else f % up[1]) * kept
                            if packed:
                                a = (g * steps.size + C * starts[f]) * padded + o * share * C + k0 * height
                                panel = height, w, a, 1, ramps[0 if height == 4 else 1], 0
                            else:
                                panel = height, w, g * group + row * pitch, pitch, steps, C * starts[f] + k0
                            init, i0 = (bias, g * M + row) if block == 0 else (strip, keep)
                            goal, c0, apart = (y, target + first, H * V) if early and last else (strip, keep, length)
                            n = k1 - k0 if share else 0
                            sums = block == 0, init, i0, length, goal, c0, apart, early, lanes
                            _add_runs(*panel, b, offsets, n, count, *sums)
                        if last and not early and o * parts // padded == part:
                            s0 = base + (phase * up[1] if blocks > 1 else 0) * kept
                            for r in range(height):
                                at, goal_row = s0 + r * length, target + r * H * V
                                _write(strip, at, kept, y, goal_row, out, up, phase, first, count, W, lanes)
                        o += height


def shifts_of(taps):
    """(taps, 2): how far from its first pixel a window's tap sees the image."""
    return taps.images[taps.image] + taps.table[:, 1:] * np.array(taps.step)


@cache
def serves_transposed(geometry):
    """Whether all phases of conv_transpose2d's result see the same pixels, or none."""
    taps = adjoint_taps(geometry)
    shifts = [shifts_of(taps)[a:b].tolist() for a, b in pairwise(taps.starts) if b > a]
    return all(s == shifts[0] for s in shifts)


def no_overlap(geometry):
    """Whether no two windows see the same pixel."""
    return max(geometry.dilation) == 1 and all(k <= s for k, s in zip(geometry.kernel, geometry.stride))


def _run(x, w, group, row, channel, taps, bias, groups, y, up):
    """Adds up taps of x (N, G C, h, w) into y (N, G M, H, W), `up` apart; w[g, row, c, tap] lies at these distances."""
    if up == (1, 1):
        x, y = one_row(taps, x, y)
    N, C, M, columns, T = x.shape[0], x.shape[1] // groups, y.shape[1] // groups, width(x.dtype), get_num_threads()
    phases = [taps.numbers[a:b] for a, b in pairwise(taps.starts)]
    steps = np.concatenate([np.add.outer(np.arange(C) * channel, numbers).reshape(-1) for numbers in phases])
    bias = np.zeros(groups * M, x.dtype) if bias is None else np.ascontiguousarray(bias)
    pixels = -(-y.shape[2] // up[0]) * -(-y.shape[3] // up[1])
    chunks = max(1, -(-pixels // PIXELS))
    while N * groups * chunks % T and T < N * groups * chunks < 8 * T:
        chunks += 1
    w, packed = w.reshape(-1), N * pixels >= FEW_PIXELS
    if packed:
        copy = np.empty((groups, panels(M)[1] * steps.size), x.dtype)
        _pack(w, group, row, steps, taps.starts, C, M, copy, T)
        w = copy.reshape(-1)
    image = x.reshape(-1), C, x.shape[2:], taps.step, shifts_of(taps)[: taps.most], taps.starts
    result = bias, y.reshape(-1), M, y.shape[2:], up, N, groups
    _convolve(*image, w, packed, group, row, steps, *result, max(1, -(-pixels // chunks)), columns // 2, T)


def conv2d(x, w, bias, geometry):
    """y[n,o,i,j] = b[o] + sum_ckl w[o,c,k,l] x[n, c, i s + k d - p, j s + l d - p]."""
    O, C, kh, kw = w.shape
    y = np.empty((x.shape[0], O, *geometry.output_size(x.shape[2:])), x.dtype)
    group = O // geometry.groups * C * kh * kw
    _run(x, w, group, C * kh * kw, kh * kw, window_taps(geometry), bias, geometry.groups, y, (1, 1))
    return y


def conv_transpose2d(y, w, bias, size, geometry):
    """x[n,c,h,v] = b[c] + sum_okl w[o,c,k,l] y[n, o, (h + p - k d) / s, (v + p - l d) / s] where that is whole: a gather."""
    O, C, kh, kw = w.shape
    x = np.empty((y.shape[0], C * geometry.groups, *size), y.dtype)
    group, taps = O // geometry.groups * C * kh * kw, adjoint_taps(geometry)
    _run(y, w, group, kh * kw, C * kh * kw, taps, bias, geometry.groups, x, geometry.stride)
    return x
