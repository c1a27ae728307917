"""ROI Align in Numba: blocks of channels laid out pixel by pixel, so that every number of the loops is a vector.

A block is two vectors of channels, one cache line for each pixel. Its copy of the plane fits the second-level cache, and
all boxes of the image read it there. One thread processes an image and a block: the backward pass always adds in one order.
"""

from typing import NamedTuple

import numpy as np
from numba import prange

from ...geometry import check_boxes
from ..runtime.jit import allocating, inner, kernel
from ..runtime.threads import threads_for
from ..simd.transpose import nchw_to_nchwc, nchwc_to_nchw
from ..simd.vector import Rows, broadcast, lanes_of, load, store
from .roi_weights import Sampling, bin_weights, csr_transpose, distinct_pixels


class Boxes(NamedTuple):
    """Boxes (K, 5); those of image n are order[begin[n] : begin[n + 1]]."""

    boxes: np.ndarray
    order: np.ndarray
    begin: np.ndarray


@inner
def to_pixels(planes, first, channels, P, pixels):
    """pixels[p, c] = planes[first + c P + p] for the channels of a block; missing ones become 0."""
    L = lanes_of(pixels)
    for c in range(0, 2 * L, L):
        nchw_to_nchwc(Rows(planes, first + c * P, P), Rows(pixels, c, 2 * L), channels - c, P)


@inner
def from_pixels(pixels, planes, first, channels, P):
    """planes[first + c P + p] = pixels[p, c]."""
    L = lanes_of(pixels)
    for c in range(0, 2 * L, L):
        nchwc_to_nchw(Rows(pixels, c, 2 * L), Rows(planes, first + c * P, P), channels - c, P)


@inner
def _gather(pixels, k, rows, cols, line, out):
    """out[i, j] = sum_h v[i, h] sum_w u[j, w] pixels[h, w] for all channels of a block: rows first, of used columns only.

    Rows, columns and places in `line` are offsets in the flat arrays. All are unsigned: each index that could be negative
    costs a test, and the tests together take as long as the arithmetic.
    """
    (row_begin, row, v), (col_begin, col, u, used_begin, column) = rows, cols
    I, L = np.uintp, np.uintp(lanes_of(pixels))
    B, pw, first, one = L + L, I(col_begin.shape[1] - 1), used_begin[k], I(1)
    for i in range(I(row_begin.shape[1] - 1)):
        for s in range(used_begin[k + one] - first):
            a, b = broadcast(pixels, 0), broadcast(pixels, 0)
            for t in range(row_begin[k, i], row_begin[k, i + one]):
                at = row[t] + column[first + s]
                a = a + load(pixels, at) * v[t]
                b = b + load(pixels, at + L) * v[t]
            store(line, s * B, a)
            store(line, s * B + L, b)
        for j in range(pw):
            a, b = broadcast(pixels, 0), broadcast(pixels, 0)
            for t in range(col_begin[k, j], col_begin[k, j + one]):
                a = a + load(line, col[t]) * u[t]
                b = b + load(line, col[t] + L) * u[t]
            at = (i * pw + j) * B
            store(out, at, a)
            store(out, at + L, b)


@inner
def _scatter(out, k, bins, rows, cols, lines, pixels):
    """The adjoint of `_gather`, added to pixels: each gathers the bins that used it, columns first, and is written once."""
    (row_used, row, row_begin, i, v), (col_used, column, col_begin, j, u) = rows, cols
    I, L = np.uintp, np.uintp(lanes_of(pixels))
    B, one, first, M = L + L, I(1), col_used[k], col_used[k + I(1)] - col_used[k]
    for q in range(I(bins[0])):
        for s in range(M):
            a, b = broadcast(pixels, 0), broadcast(pixels, 0)
            start = q * I(bins[1]) * B
            for t in range(col_begin[first + s], col_begin[first + s + one]):
                a = a + load(out, start + j[t]) * u[t]
                b = b + load(out, start + j[t] + L) * u[t]
            at = (q * M + s) * B
            store(lines, at, a)
            store(lines, at + L, b)
    for r in range(row_used[k], row_used[k + one]):
        for s in range(M):
            at = row[r] + column[first + s]
            a, b = load(pixels, at), load(pixels, at + L)
            for t in range(row_begin[r], row_begin[r + one]):
                line = i[t] * M * B + s * B
                a = a + load(lines, line) * v[t]
                b = b + load(lines, line + L) * v[t]
            store(pixels, at, a)
            store(pixels, at + L, b)


@allocating
def _offsets(a, step):
    """Indices as unsigned offsets in a flat array."""
    return (a * step).astype(np.uintp)


@kernel
def _forward(T, x, y, boxes: Boxes, shape, sampling: Sampling):
    """x and y are flat; shape is that of the images."""
    (N, C, H, W), bins, B = shape, sampling.bins, 2 * lanes_of(x)
    order, begin, Q = boxes.order, boxes.begin, bins[0] * bins[1]
    row_begin, row, v = bin_weights(boxes.boxes, 0, H, sampling)
    col_begin, col, u = bin_weights(boxes.boxes, 1, W, sampling)
    numbers, used_begin, used = distinct_pixels(col_begin, col, W)
    rows = _offsets(row_begin, 1), _offsets(row, W * B), v
    cols = _offsets(col_begin, 1), _offsets(numbers, B), u, _offsets(used_begin, 1), _offsets(used, B)
    R = -(-C // B) * N
    for t in prange(T):
        pixels, out, line = np.empty(H * W * B, x.dtype), np.empty(Q * B, x.dtype), np.empty(W * B, x.dtype)
        for r in range(t * R // T, (t + 1) * R // T):
            n, c = r % N, r // N * B  # images alternate: they may have few boxes or many
            channels = min(B, C - c)
            if begin[n] < begin[n + 1]:
                to_pixels(x, (n * C + c) * H * W, channels, H * W, pixels)
            for q in range(begin[n], begin[n + 1]):
                _gather(pixels, np.uintp(order[q]), rows, cols, line, out)
                from_pixels(out, y, (order[q] * C + c) * Q, channels, Q)


@kernel
def _backward(T, y, x, boxes: Boxes, shape, sampling: Sampling):
    (N, C, H, W), bins, B = shape, sampling.bins, 2 * lanes_of(x)
    order, begin, Q = boxes.order, boxes.begin, bins[0] * bins[1]
    row_begin, row, v = bin_weights(boxes.boxes, 0, H, sampling)
    col_begin, col, u = bin_weights(boxes.boxes, 1, W, sampling)
    row_used, row, row_begin, i, v = csr_transpose(row_begin, row, v, H)
    col_used, col, col_begin, j, u = csr_transpose(col_begin, col, u, W)
    rows = _offsets(row_used, 1), _offsets(row, W * B), _offsets(row_begin, 1), _offsets(i, 1), v
    cols = _offsets(col_used, 1), _offsets(col, B), _offsets(col_begin, 1), _offsets(j, B), u
    R = -(-C // B) * N
    for t in prange(T):
        pixels, out = np.empty(H * W * B, x.dtype), np.empty(Q * B, x.dtype)
        lines = np.empty(bins[0] * W * B, x.dtype)
        for r in range(t * R // T, (t + 1) * R // T):
            n, c = r % N, r // N * B
            channels = min(B, C - c)
            pixels[:] = 0
            for q in range(begin[n], begin[n + 1]):
                to_pixels(y, (order[q] * C + c) * Q, channels, Q, out)
                _scatter(out, np.uintp(order[q]), bins, rows, cols, lines, pixels)
            from_pixels(pixels, x, (n * C + c) * H * W, channels, H * W)


def by_image(images, N):
    """(order, begin): box numbers, image by image, and where each image's begin."""
    images = images.astype(np.int64)
    order = np.argsort(images, kind="stable")
    return order, np.searchsorted(images[order], np.arange(N + 1))


def _boxes(name, boxes, size):
    """The boxes in the order of images; size is (N, H, W)."""
    check_boxes(name, boxes[:, 0], *size[:1], size[1:])
    return Boxes(boxes, *by_image(boxes[:, 0], size[0]))


def _sampling(bins, scale, ratio, aligned, dtype):
    return Sampling((int(bins[0]), int(bins[1])), dtype.type(scale), int(ratio), bool(aligned))


def roi_align(x, boxes, output_size, scale, ratio, aligned):
    """y[k,c,i,j] = the mean of the samples in bin (i, j) of box k: weighted sums of rows, then of columns."""
    y = np.empty((len(boxes), x.shape[1], *output_size), x.dtype)
    boxes = _boxes("roi_align", boxes, (len(x), *x.shape[2:]))
    sampling = _sampling(output_size, scale, ratio, aligned, x.dtype)
    if y.size:
        _forward(threads_for(x.size + y.size), x.reshape(-1), y.reshape(-1), boxes, x.shape, sampling)
    return y


def roi_align_adjoint(y, boxes, size, scale, ratio, aligned):
    """Every pixel gathers the bins that used it; one thread processes an image and a block of channels."""
    x = (np.empty if y.size else np.zeros)((size[0], y.shape[1], *size[1:]), y.dtype)
    boxes = _boxes("roi_align_adjoint", boxes, size)
    sampling = _sampling(y.shape[2:], scale, ratio, aligned, y.dtype)
    if y.size:
        _backward(threads_for(x.size + y.size), y.reshape(-1), x.reshape(-1), boxes, x.shape, sampling)
    return x
