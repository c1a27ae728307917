"""Normalisation per channel of (N, C, L) in Numba: two passes over the data forward, two backward.

Rows (n, c) are divided into segments of at most SEGMENT elements, each summed separately, and the sums are added in order: the
segments of one long row are divided among all threads, and the result does not depend on their number.
"""

from typing import NamedTuple

import numpy as np
from numba import prange

from ...reference.activation import limits
from ..runtime.jit import inner, kernel, reassociated
from ..runtime.threads import threads_for

SEGMENT = 8192


class Channels(NamedTuple):
    """Per channel: y = (x - shift) scale + offset in the dtype of x; `rest` is mean - shift, in float64 like invstd."""

    shift: np.ndarray
    scale: np.ndarray
    offset: np.ndarray
    rest: np.ndarray
    invstd: np.ndarray


class Affine(NamedTuple):
    """The first three numbers of one channel."""

    shift: float
    scale: float
    offset: float


@reassociated
def _segment_moments(x):
    """Mean and sum of squared distances from it. Shifted by x[0], against cancellation for a large mean."""
    shift, total, square = np.float64(x[0]), 0.0, 0.0
    for j in range(x.size):
        d = np.float64(x[j]) - shift
        total += d
        square += d * d
    return shift + total / x.size, max(square - total * total / x.size, 0.0)


@kernel
def _moments(T, x, C, mean, var):
    R, L = x.shape
    S = (L + SEGMENT - 1) // SEGMENT
    part = np.empty((R * S, 2))
    for t in prange(T):
        for k in range(t * R * S // T, (t + 1) * R * S // T):
            part[k, 0], part[k, 1] = _segment_moments(x[k // S, k % S * SEGMENT : (k % S + 1) * SEGMENT])
    M = R // C * L
    for c in range(C):
        total = 0.0
        for r in range(c, R, C):
            for s in range(S):
                total += part[r * S + s, 0] * min(SEGMENT, L - s * SEGMENT)
        mean[c] = total / M
        square = 0.0
        for r in range(c, R, C):
            for s in range(S):
                distance = part[r * S + s, 0] - mean[c]
                square += part[r * S + s, 1] + distance * distance * min(SEGMENT, L - s * SEGMENT)
        var[c] = square / M


def moments(x):
    """Mean and biased variance of each channel in one pass: segments in float64, combined as Chan et al. (1979) do."""
    N, C, L = x.shape
    mean, var = np.zeros(C), np.zeros(C)
    if x.size:
        _moments(threads_for(x.size), x.reshape(N * C, L), C, mean, var)
    return mean, var


@inner
def _affine(x, y, channel, low, high):
    for j in range(x.size):
        v = (x[j] - channel.shift) * channel.scale + channel.offset
        v = low if v <= low else v
        y[j] = high if v >= high else v


@kernel
def _normalize(T, x, y, channels: Channels, low, high):
    (R, L), C = x.shape, channels.shift.size
    S = (L + SEGMENT - 1) // SEGMENT
    for t in prange(T):
        for k in range(t * R * S // T, (t + 1) * R * S // T):
            r, a = k // S, k % S * SEGMENT
            c, b = r % C, a + SEGMENT
            channel = Affine(channels.shift[c], channels.scale[c], channels.offset[c])
            _affine(x[r, a:b], y[r, a:b], channel, low, high)


def _channels(mean, invstd, weight, bias, dtype):
    """The constants of all channels; shift is the mean rounded to dtype."""
    mean, invstd = np.asarray(mean, np.float64), np.asarray(invstd, np.float64)
    shift = mean.astype(dtype)
    rest = mean - shift
    scale = invstd if weight is None else invstd * weight
    offset = -rest * scale if bias is None else bias - rest * scale
    return Channels(shift, scale.astype(dtype), offset.astype(dtype), rest, invstd)


def normalize(x, mean, invstd, weight, bias, ceiling):
    """y = (x - mean) invstd weight + bias, then min(max(y, 0), ceiling) unless that is None: one pass."""
    N, C, L = x.shape
    y = np.empty_like(x)
    channels = _channels(mean, invstd, weight, bias, x.dtype)
    if x.size:
        _normalize(threads_for(x.size), x.reshape(N * C, L), y.reshape(N * C, L), channels, *limits(ceiling, x.dtype))
    return y


@reassociated
def _backward_sums(g, x, channel, low, high):
    """sum g and sum g (x - shift), over the elements between the rectifier's limits."""
    total, moment, zero = 0.0, 0.0, x.dtype.type(0)
    for j in range(x.size):
        d, v = x[j] - channel.shift, g[j]  # loaded before the selection: conditional loads prevent vectors
        y = d * channel.scale + channel.offset
        v = zero if y <= low else v
        v = zero if y >= high else v
        total += np.float64(v)
        moment += np.float64(v) * np.float64(d)
    return total, moment


@inner
def _backward_affine(g, x, dx, channel, cut, line):
    (low, high), (slope, level), zero = cut, line, x.dtype.type(0)
    for j in range(x.size):
        d, v = x[j] - channel.shift, g[j]
        y = d * channel.scale + channel.offset
        v = zero if y <= low else v
        v = zero if y >= high else v
        dx[j] = v * channel.scale + (d * slope + level)


@kernel
def _backward(T, g, x, dx, channels: Channels, cut, dweight, dbias):
    (R, L), C = x.shape, channels.shift.size
    shift, scale, offset, rest, invstd = channels
    S = (L + SEGMENT - 1) // SEGMENT
    M = max(R // C * L, 1)
    part = np.empty((R * S, 2))
    for t in prange(T):
        for k in range(t * R * S // T, (t + 1) * R * S // T):
            r, a = k // S, k % S * SEGMENT
            c, b = r % C, a + SEGMENT
            channel = Affine(shift[c], scale[c], offset[c])
            part[k, 0], part[k, 1] = _backward_sums(g[r, a:b], x[r, a:b], channel, cut[0], cut[1])
    slope, level = np.empty(C, x.dtype), np.empty(C, x.dtype)
    for c in range(C):
        total, moment = 0.0, 0.0
        for r in range(c, R, C):
            for k in range(r * S, r * S + S):
                total += part[k, 0]
                moment += part[k, 1]
        moment = (moment - rest[c] * total) * invstd[c]
        dbias[c], dweight[c] = total, moment
        slope[c] = -scale[c] * invstd[c] * moment / M
        level[c] = -scale[c] * total / M - slope[c] * rest[c]
    for t in prange(T):
        for k in range(t * R * S // T, (t + 1) * R * S // T):
            r, a = k // S, k % S * SEGMENT
            c, b = r % C, a + SEGMENT
            channel = Affine(shift[c], scale[c], offset[c])
            _backward_affine(g[r, a:b], x[r, a:b], dx[r, a:b], channel, cut, (slope[c], level[c]))


def normalize_backward(g, x, mean, invstd, weight, bias, ceiling):
    """(dx, dweight, dbias): one pass sums g and g (x - mean), the other writes dx; the mask is recomputed from x."""
    N, C, L = x.shape
    dx, dweight, dbias = np.empty_like(x), np.zeros(C, x.dtype), np.zeros(C, x.dtype)
    if x.size:
        channels = _channels(mean, invstd, weight, bias, x.dtype)
        arrays = (a.reshape(N * C, L) for a in (g, x, dx))
        _backward(threads_for(x.size), *arrays, channels, limits(ceiling, x.dtype), dweight, dbias)
    return dx, dweight, dbias
