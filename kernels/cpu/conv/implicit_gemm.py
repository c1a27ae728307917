"""Convolution as one matrix product, a cache-full of pixels at a time: for 1x1 kernels, and where there are few pixels.

    for image n, group, chunk of the result's pixels:             # cut evenly among the threads
        for block of the sum (c,k,l):
            b[run][(c,k,l), q] = the pixel that tap (c,k,l) of result q sees      # some rows of im2col's matrix
            for panel of 6 or 4 rows o, run of two vectors of pixels q:
                y[n, o, q] += sum_(c,k,l) w[o,c,k,l] b[run][(c,k,l), q]           (microkernel.outer_tile)

im2col's matrix is never there as a whole: a block of it is written into the second-level cache, run by run, in the order in
which it is read, and used by all rows o at once. For 1x1 kernels it is the image itself. There is nothing to turn round at the
end, as in channels.py: rows of results are stored where they belong, while the next ones are computed.

Few pixels (a layer on 7x7) are no work for a copy of the weights. Then these are read where they lie, once: `steps` says where
step (c,k,l) of the sum lies in a row of w, which may as well be a column (conv_transpose2d). Where there are more pixels,
columns are packed into panels in the order in which they are read. Panels and runs that would end beyond the last row or pixel
begin earlier, and compute some results twice.
"""

import math
from dataclasses import replace

import numpy as np
from numba import get_num_threads, prange

from ...geometry import Geometry
from ..runtime.jit import inlined, inner, kernel
from ..simd.interleave import store_pair
from ..simd.micro_kernel import add_tile_4, add_tile_6, outer_tile_4, outer_tile_6, width
from ..simd.prefetch import aligned, ask, empty
from ..simd.vector import clear_run, copy_run, fill, lanes_of, load, store
from .channel_tiles import one_row
from .direct_pixels import panels
from .tiles import AHEAD, adjoint_taps, copy_row, window_taps

DEPTH = 256  # steps of a block: with 16 pixels each they fill half of the first-level cache
PIXELS = 256  # of a chunk: a block of them fills half of the second-level cache
FEW_PIXELS = 100  # of all images: below, a copy of the weights costs more than it saves
LEAST_RESULTS = 6  # of a group: one panel


@inlined
def _gather(x, image, size, step, taps, k, first, count, W, line):
    """line[q] = the pixel of x under step k of result first + q, zero where there is none; a row has W results."""
    (h, v), c, t = size, k // taps.shape[0], k % taps.shape[0]
    at, i, j = 0, first // W, first % W
    while at < count:
        run, row = min(W - j, count - at), i * step[0] + taps[t, 0]
        if 0 <= row < h:
            if t == 0:
                ask(x, image + ((c + AHEAD) * h + row) * v + j * step[1], run * step[1])
            copy_row(x, image + (c * h + row) * v, v, line, at, run, step[1], j * step[1] + taps[t, 1])
        else:
            clear_run(line, at, run)
        at, i, j = at + run, i + 1, 0


@inlined
def _deal(line, start, count, b, at, apart, columns):
    """Each run of b gets its pixels of a line; a last run begins early."""
    if count < columns:
        copy_run(line, start, b, at, count)
    else:
        for q in range(0, count, columns):
            p = start + min(q, count - columns)
            store(b, at, load(line, p))
            store(b, at + columns // 2, load(line, p + columns // 2))
            at += apart


@kernel
def _pack(w, group, row, steps, M, out, T):
    """out[g][panel][k][r] = w[g, o + r, steps[k]] for the rows o + r of a panel: the order in which they are read."""
    tall, padded = panels(M)
    G, K, six = out.shape[0], steps.size, tall // 6
    P = six + (padded - tall) // 4
    for t in prange(T):
        for task in range(t * G * P // T, (t + 1) * G * P // T):
            g, p = task // P, task % P
            height, o = (6, 6 * p) if p < six else (4, tall + 4 * (p - six))
            first = g * group + min(o, M - height) * row
            for k in range(K):
                for r in range(height):
                    out[g, o * K + k * height + r] = w[first + steps[k] + r * row]


@inlined
def _add_runs(
    height, w, a, pitch, steps, s, b, offsets, n, count, fresh, last, init, i0, length, goal, c0, apart, lanes
):
    """One panel of weights and every run of a chunk: goal = init + the sum; in the last block, each run at its pixels."""
    columns = 2 * lanes
    for q in range(0, count, columns):
        p = max(min(q, count - columns), 0)
        i, c = i0 if fresh else i0 + q, c0 + (p if last else q)
        if fresh and height == 6:
            outer_tile_6(w, a, pitch, steps, s, b, q * n, offsets, 0, n, init, i, 1, goal, c, apart)
        elif fresh:
            outer_tile_4(w, a, pitch, steps, s, b, q * n, offsets, 0, n, init, i, 1, goal, c, apart)
        elif height == 6:
            add_tile_6(w, a, pitch, steps, s, b, q * n, offsets, 0, n, init, i, length, goal, c, apart)
        else:
            add_tile_4(w, a, pitch, steps, s, b, q * n, offsets, 0, n, init, i, length, goal, c, apart)


@inlined
def _weave(strip, s, length, y, t, count, lanes):
    """y[t + 2 q] = strip[s + q], y[t + 2 q + 1] = strip[s + length + q] for q < count."""
    if count < lanes:
        for q in range(count):
            y[t + 2 * q], y[t + 2 * q + 1] = strip[s + q], strip[s + length + q]
    else:
        for q in range(0, count - lanes, lanes):
            store_pair(y, t + 2 * q, load(strip, s + q), load(strip, s + length + q))
        q = count - lanes  # the last pair overlaps the one before
        store_pair(y, t + 2 * q, load(strip, s + q), load(strip, s + length + q))


@inlined
def _shuffle(strip, s, length, height, row, y, image, M, first, count, H, W, lanes):
    """Rows (c, a, b) of a strip to the pixels (2 i + a, 2 j + b) of channel c, (i, j) from pixel `first` of H x W on."""
    for r in range(0, height, 2):
        plane, a = image * M // 4 + (row + r) // 4, (row + r) // 2 % 2
        at, i, j = 0, first // W, first % W
        while at < count:
            run = min(W - j, count - at)
            _weave(strip, s + r * length + at, length, y, ((plane * H + i) * 2 + a) * 2 * W + 2 * j, run, lanes)
            at, i, j = at + run, i + 1, 0


@inner
def _fill(x, image, size, step, taps, in_place, k0, n, first, count, W, line, b, columns):
    """Steps k0 to k0 + n of a chunk, as runs of pixels."""
    for k in range(n):
        if in_place:
            at = image + (k0 + k) * size[0] * size[1] + first
            ask(x, at + AHEAD * size[0] * size[1], count)
            _deal(x, at, count, b, k * columns, n * columns, columns)
        else:
            _gather(x, image, size, step, taps, k0 + k, first, count, W, line)
            _deal(line, 0, count, b, k * columns, n * columns, columns)


@inner
def _add_panels(
    w, packed, group, pitch, steps, k0, K, ramps, b, offsets, n, blocks, bias, strip, length, y, M, out, shuffled,
    image, g, first, count, part, parts, lanes,
):  # fmt: skip
    """Every panel of weights against the runs of a chunk; the last block's results go to y."""
    (H, W), (fresh, last), (tall, padded) = out, blocks, panels(M)
    pixels, o = H * W, 0
    while o < padded:
        height = 6 if o < tall else 4
        if o * parts // padded == part:
            row, keep = min(o, M - height), o * length
            target = (image * M + row) * pixels + first
            if packed:
                panel = height, w, (g * padded + o) * K + k0 * height, 1, ramps[0 if height == 4 else 1], 0
            else:
                panel = height, w, g * group + row * pitch, pitch, steps, k0
            init, i0 = (bias, g * M + row) if fresh else (strip, keep)
            direct = last and count >= 2 * lanes and not shuffled
            goal, c0, apart = (y, target, pixels) if direct else (strip, keep, length)
            _add_runs(*panel, b, offsets, n, count, fresh, last, init, i0, length, goal, c0, apart, lanes)
            if last and shuffled:
                _shuffle(strip, keep, length, height, row, y, image, M, first, count, H, W, lanes)
            elif last and not direct:
                for r in range(height):
                    copy_run(strip, keep + r * length, y, target + r * pixels, count)
        o += height


@kernel
def _convolve(
    x, C, size, step, taps, in_place, w, packed, group, pitch, steps, bias, y, M, out, shuffled, N, G, chunk, lanes, T
):
    columns, K, pixels, padded = 2 * lanes, C * len(taps), out[0] * out[1], panels(M)[1]
    chunks, blocks = -(-pixels // chunk), max(1, -(-K // DEPTH))
    tasks, length = N * G * chunks, -(-chunk // columns) * columns + columns  # not a power of two: rows of strip
    parts = 1 if tasks >= T else -(-T // max(tasks, 1))  # few chunks: the rows o are shared out as well
    ramps = np.arange(DEPTH) * 4, np.arange(DEPTH) * 6
    for t in prange(T):
        b, strip, line = aligned(DEPTH * length, x.dtype), aligned(padded * length, x.dtype), aligned(length, x.dtype)
        offsets = np.arange(DEPTH) * columns
        for task in range(t * tasks * parts // T, (t + 1) * tasks * parts // T):
            part, image, first = task % parts, task // parts // chunks, task // parts % chunks * chunk
            count = min(chunk, pixels - first)
            for block in range(blocks):
                k0, n = block * K // blocks, (block + 1) * K // blocks - block * K // blocks
                start = image * C * size[0] * size[1]
                _fill(x, start, size, step, taps, in_place, k0, n, first, count, out[1], line, b, columns)
                _add_panels(
                    w, packed, group, pitch, steps, k0, K, ramps, b, offsets, n, (block == 0, block == blocks - 1),
                    bias, strip, length, y, M, out, shuffled, image, image % G, first, count, part, parts, lanes,
                )  # fmt: skip


@kernel
def _spread(near, between, step, x, T):
    """x[:, :, ::step, ::step] = near, with `between` (one number per channel) everywhere else."""
    N, C, h, v = near.shape
    (H, W), y, z = x.shape[2:], near.reshape(-1), x.reshape(-1)
    lanes = lanes_of(y)
    for t in prange(T):
        for plane in range(t * N * C // T, (t + 1) * N * C // T):
            number, start = between[plane % C], plane * H * W
            z[start : start + H * W] = number
            for i in range(h):
                at, source, q = start + i * step[0] * W, (plane * h + i) * v, 0
                if step[1] == 2:
                    while q + lanes <= v and 2 * (q + lanes) <= W:
                        store_pair(z, at + 2 * q, load(y, source + q), fill(y, number))
                        q += lanes
                for j in range(q, v):
                    z[at + j * step[1]] = y[source + j]


def _run(x, w, group, row, channel, taps, bias, groups, y, shuffled=False):
    """Adds up taps of x (N, G C, h, w) into y (N, G M, H, W); w[g, row, c, tap] lies at these distances.

    `shuffled`: y is (N, G M / 4, 2 H, 2 W), and row (c, a, b) becomes the pixels (2 i + a, 2 j + b) of channel c.
    """
    N, C, columns, T = x.shape[0], x.shape[1] // groups, width(x.dtype), get_num_threads()
    if shuffled:
        M, out = 4 * y.shape[1] // groups, x.shape[2:]
    else:
        x, y = one_row(taps, x, y)
        M, out = y.shape[1] // groups, y.shape[2:]
    steps = np.add.outer(np.arange(C) * channel, taps.numbers).reshape(-1)
    bias = np.zeros(groups * M, x.dtype) if bias is None else np.ascontiguousarray(bias)
    pixels = math.prod(out)
    chunks = max(1, -(-pixels // PIXELS))
    while N * groups * chunks % T and T < N * groups * chunks < 8 * T:
        chunks += 1
    w, packed = w.reshape(-1), N * pixels >= FEW_PIXELS and row < channel
    if packed:
        copy = np.empty((groups, panels(M)[1] * steps.size), x.dtype)
        _pack(w, group, row, steps, M, copy, T)
        w = copy.reshape(-1)
    image = x.reshape(-1), C, x.shape[2:], taps.step, taps.shifts, taps.in_place and x.shape[2:] == out
    result = bias, y.reshape(-1), M, out, shuffled, N, groups
    chunk = max(1, -(-pixels // chunks))
    if N * groups % T == 0:
        chunk = -(-chunk // columns) * columns  # whole runs
    _convolve(*image, w, packed, group, row, steps, *result, chunk, columns // 2, T)


def conv2d(x, w, bias, geometry):
    """y[n,o,i,j] = b[o] + sum_ckl w[o,c,k,l] x[n, c, i s + k d - p, j s + l d - p]."""
    O, C, kh, kw = w.shape
    y = empty((x.shape[0], O, *geometry.output_size(x.shape[2:])), x.dtype)
    group = O // geometry.groups * C * kh * kw
    _run(x, w, group, C * kh * kw, kh * kw, window_taps(geometry), bias, geometry.groups, y)
    return y


def conv_transpose2d(y, w, bias, size, geometry):
    """x[n,c,h,v] = b[c] + sum_okl w[o,c,k,l] y[n, o, (h + p - k d) / s, (v + p - l d) / s] where that is whole.

    For stride 1; for 1x1 without padding; and for 2x2 of stride 2, which is a 1x1 to four times the channels.
    """
    O, C, kh, kw = w.shape
    x, group = empty((y.shape[0], C * geometry.groups, *size), y.dtype), O // geometry.groups * C * kh * kw
    if geometry.stride == (1, 1):
        _run(y, w, group, kh * kw, C * kh * kw, adjoint_taps(geometry), bias, geometry.groups, x)
    elif geometry.kernel == (1, 1):
        near = conv_transpose2d(y, w, bias, y.shape[2:], replace(geometry, stride=(1, 1)))
        between = np.zeros(x.shape[1], x.dtype) if bias is None else bias
        _spread(near, between, geometry.stride, x, get_num_threads())
    else:
        taps, bias = window_taps(Geometry((1, 1))), None if bias is None else np.repeat(bias, 4)
        _run(y, w, group, 1, C * 4, taps, bias, geometry.groups, x, shuffled=True)
    return x
