"""Packing: copies of pixels and weights in the order in which the micro-kernel reads them.

An `Image` and `Filters` say where the numbers of a convolution lie in memory. Pixels are packed as rows of im2col's matrix
(`copy_row`) or as whole tiles (`copy_tile`); weights as panels of MR rows, read as scalars (`pack_a`), or of NR columns, read
as vectors (`pack_b`).
"""

from typing import NamedTuple

import numpy as np
from numba import prange

from ..runtime.jit import inlined, inner, kernel
from ..simd.micro_kernel import panels
from ..simd.prefetch import prefetch_range
from ..simd.transpose import transpose
from ..simd.vector import Rows, clear_run, copy_run, lanes_of, load, load_stride2, store

PREFETCH_DISTANCE = 4  # channels; they lie on other pages, at which the hardware prefetcher stops


class Image(NamedTuple):
    """A batch of images, NCHW, in a flat array: channel c of group g of image n begins at plane_start(image, n, g, c)."""

    data: np.ndarray
    batch: int
    groups: int
    channels: int  # of a group
    height: int
    width: int


class Filters(NamedTuple):
    """Weights in a flat array: w[g, row, channel, tap] lies at g group + row row_stride + channel channel_stride + tap.

    Rows are output channels for conv2d and input channels for its data gradient.
    """

    data: np.ndarray
    group: int
    row_stride: int
    channel_stride: int
    taps: int


class Tile(NamedTuple):
    """A tile of results, and the copy of the pixels that they see, one plane for each channel and sub-image."""

    rows: int  # of results
    cols: int
    seen: int  # rows of pixels in the copy
    plane: int  # distance of planes in the copy
    pitch: int  # distance of rows in the copy
    origins: np.ndarray  # (sub-images, 2): the first pixel of each in the image
    step_rows: int  # distance in the image of neighbours in a sub-image
    step_cols: int


def image(x, groups):
    """The Image of an array (N, C, H, W)."""
    return Image(x.reshape(-1), x.shape[0], groups, x.shape[1] // groups, *x.shape[2:])


def forward_filters(w, groups):
    """The Filters of conv2d: rows are output channels; w is (O, C/groups, kh, kw)."""
    O, C, kh, kw = w.shape
    return Filters(w.reshape(-1), O // groups * C * kh * kw, C * kh * kw, kh * kw, kh * kw)


def adjoint_filters(w, groups):
    """The Filters of conv_transpose2d: rows are input channels."""
    O, C, kh, kw = w.shape
    return Filters(w.reshape(-1), O // groups * C * kh * kw, kh * kw, C * kh * kw, kh * kw)


def padded_bias(bias, groups, rows, length, dtype):
    """The bias, or zeros, with `length` numbers for the `rows` of each group; flat."""
    padded = np.zeros((groups, length), dtype)
    if bias is not None:
        padded[:, :rows] = bias.reshape(groups, rows)
    return padded.reshape(-1)


@inlined
def plane_start(image, n, g, c):
    """Where channel c of group g of image n begins."""
    return ((n * image.groups + g) * image.channels + c) * image.height * image.width


@inlined
def copy_row(x, start, W, out, at, count, step, first):
    """out[at + q] = x[start + first + q step] for q < count, zero outside the row's W pixels; both arrays are flat."""
    lo, hi = (-first, W - first) if step == 1 else (-(first // step), -((first - W) // step))  # divisions take long
    lo = min(max(0, lo), count)
    hi = max(min(count, hi), lo)
    clear_run(out, at, lo)
    clear_run(out, at + hi, count - hi)
    source = start + first
    if step == 1:
        copy_run(x, source + lo, out, at + lo, hi - lo)
    elif step == 2:
        lanes, q = lanes_of(x), lo
        while q + lanes < hi:  # not <=: the last vector reads one number more than it keeps
            store(out, at + q, load_stride2(x, source + 2 * q))
            q += lanes
        while q < hi:
            out[at + q] = x[source + 2 * q]
            q += 1
    else:
        for q in range(lo, hi):
            out[at + q] = x[source + step * q]


@inner
def copy_tile(x, start, channels, tile, copy, i0, j0):
    """Copies the sub-images of every channel that a tile's windows see, padding included; channel 0 begins at `start`.

    for c, (a, b), r, q: copy[(c, ab) plane + r pitch + q] = x[c, (i0 + r) s + a, (j0 + q) s + b]
    """
    H, W, plane, pitch = x.height, x.width, tile.plane, tile.pitch
    for c in range(channels):
        for f in range(tile.origins.shape[0]):
            at = (c * tile.origins.shape[0] + f) * plane
            first = j0 * tile.step_cols + tile.origins[f, 1]
            for r in range(tile.seen):
                h = (i0 + r) * tile.step_rows + tile.origins[f, 0]
                if 0 <= h < H:
                    ahead = start + ((c + PREFETCH_DISTANCE) * H + h) * W + first
                    prefetch_range(x.data, ahead, pitch * tile.step_cols)
                    copy_row(x.data, start + (c * H + h) * W, W, copy, at + r * pitch, pitch, tile.step_cols, first)
                else:
                    clear_run(copy, at + r * pitch, pitch)
            clear_run(copy, at + tile.seen * pitch, plane - tile.seen * pitch)


@inner
def place_tables(tile, step, result_pitch, pixels, places):
    """Where the windows of a tile lie in the copy and in the strip; the last one is repeated, to a multiple of MR."""
    for p in range(pixels.size):
        q = min(p, tile.rows * tile.cols - 1)
        pixels[p], places[p] = q // tile.cols * step[0] * tile.pitch + q % tile.cols * step[1], q * result_pitch


@inlined
def read_rows(filters, start, rows, columns, out):
    """out[tap columns + j] = tap of row j; zero for j >= rows. Row 0 of the channel begins at `start`."""
    w, pitch, count, lanes = filters.data, filters.row_stride, filters.taps, columns // 2
    if rows >= columns and start + (columns - 1) * pitch + -(-count // lanes) * lanes <= w.size:
        for t in range(0, count, lanes):
            transpose(Rows(w, start + t, pitch), Rows(out, t * columns, columns))
            transpose(Rows(w, start + lanes * pitch + t, pitch), Rows(out, t * columns + lanes, columns))
    else:
        for t in range(count):
            for j in range(columns):
                out[t * columns + j] = w[start + j * pitch + t] if j < rows else 0


@kernel
def pack_a(filters, steps, starts, M, out, T):
    """out[g][phase][panel][k][r] = w[g, o + r, steps[k]] for the MR rows o + r of a panel; steps starts[f] on are phase f's.

    A panel that would end beyond row M begins earlier, and computes some rows twice; rows beyond M are zero where M is small.
    """
    w = filters.data
    tall, padded = panels(M)
    G, F, six = out.shape[0], starts.size - 1, tall // 6
    P = six + (padded - tall) // 4
    for t in prange(T):
        for task in range(t * G * F * P // T, (t + 1) * G * F * P // T):
            g, f, p = task // (F * P), task // P % F, task % P
            height, row = (6, 6 * p) if p < six else (4, tall + 4 * (p - six))
            first = min(row, max(M - height, 0))
            source, at = (
                g * filters.group + first * filters.row_stride,
                padded * starts[f] + row * (starts[f + 1] - starts[f]),
            )
            for k in range(starts[f], starts[f + 1]):
                for r in range(height):
                    out[g, at + r] = w[source + steps[k] + r * filters.row_stride] if first + r < M else 0
                at += height


@kernel
def pack_b(filters, numbers, starts, sizes, out, T):
    """out[g][phase][panel][chunk, tap, c][column] = w[g, panel columns + column, c, numbers[tap]], zero beyond the last row.

    sizes are (rows, channels, channels of a chunk); taps starts[f] on are phase f's.
    """
    (M, C, chunk), lanes = sizes, lanes_of(filters.data)
    G, F, columns = out.shape[0], starts.size - 1, 2 * lanes
    P, whole = -(-M // columns), -(-filters.taps // lanes) * lanes
    for t in prange(T):
        flat, taps = out.reshape(-1), np.empty(whole * columns, filters.data.dtype)
        for task in range(t * G * P // T, (t + 1) * G * P // T):
            g, panel = task // P, task % P
            for c in range(C):
                source = g * filters.group + panel * columns * filters.row_stride + c * filters.channel_stride
                read_rows(filters, source, M - panel * columns, columns, taps)
                c0 = c // chunk * chunk
                for f in range(F):
                    n, some = starts[f + 1] - starts[f], min(chunk, C - c0)
                    at = g * out.shape[1] + ((P * starts[f] + panel * n) * C + c0 * n + c - c0) * columns
                    for k in range(starts[f], starts[f + 1]):
                        store(flat, at, load(taps, numbers[k] * columns))
                        store(flat, at + lanes, load(taps, numbers[k] * columns + lanes))
                        at += some * columns
