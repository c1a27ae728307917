"""Normalisation per channel of (N, C, L) in Numba: two sweeps over the data forward, two backward.

Rows (n, c) are cut into segments of at most SEGMENT elements, each summed on its own and combined in order, so that one
long row feeds all threads and the result does not depend on how many there are.
"""

import numpy as np
from numba import prange

from ...reference.activation import limits
from ..runtime.jit import inner, kernel, reassociated
from ..runtime.threads import threads_for

SEGMENT = 8192


@reassociated
def _segment_moments(x):
    """Mean and sum of squared distances from it. Shifted by x[0], a value of the data: a large mean cannot cancel."""
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
                apart = part[r * S + s, 0] - mean[c]
                square += part[r * S + s, 1] + apart * apart * min(SEGMENT, L - s * SEGMENT)
        var[c] = square / M


def moments(x):
    """Mean and biased variance of each channel in one sweep: segments in float64, combined as Chan et al. (1979) do."""
    x = np.ascontiguousarray(x)
    N, C, L = x.shape
    mean, var = np.zeros(C), np.zeros(C)
    if x.size:
        _moments(threads_for(x.size), x.reshape(N * C, L), C, mean, var)
    return mean, var


@inner
def _affine(x, y, shift, scale, offset, low, high):
    for j in range(x.size):
        v = (x[j] - shift) * scale + offset
        v = low if v <= low else v
        y[j] = high if v >= high else v


@kernel
def _normalize(T, x, y, shift, scale, offset, low, high):
    (R, L), C = x.shape, shift.size
    S = (L + SEGMENT - 1) // SEGMENT
    for t in prange(T):
        for k in range(t * R * S // T, (t + 1) * R * S // T):
            r, a = k // S, k % S * SEGMENT
            c, b = r % C, a + SEGMENT
            _affine(x[r, a:b], y[r, a:b], shift[c], scale[c], offset[c], low, high)


def _constants(mean, invstd, weight, bias, dtype):
    """(shift, scale, offset, mean - shift): y = (x - shift) scale + offset, shift the mean rounded to dtype."""
    mean, invstd = np.asarray(mean, np.float64), np.asarray(invstd, np.float64)
    shift = mean.astype(dtype)
    rest = mean - shift
    scale = invstd if weight is None else invstd * weight
    offset = -rest * scale if bias is None else bias - rest * scale
    return shift, scale.astype(dtype), offset.astype(dtype), rest


def normalize(x, mean, invstd, weight, bias, ceiling):
    """y = (x - mean) invstd weight + bias, then min(max(y, 0), ceiling) unless that is None: one sweep."""
    x = np.ascontiguousarray(x)
    N, C, L = x.shape
    y = np.empty_like(x)
    shift, scale, offset, _ = _constants(mean, invstd, weight, bias, x.dtype)
    _normalize(
        threads_for(x.size), x.reshape(N * C, L), y.reshape(N * C, L), shift, scale, offset, *limits(ceiling, x.dtype)
    )
    return y


@reassociated
def _backward_sums(g, x, shift, scale, offset, low, high):
    """sum g and sum g (x - shift), over what the rectifier let pass."""
    total, moment, zero = 0.0, 0.0, x.dtype.type(0)
    for j in range(x.size):
        d, v = x[j] - shift, g[j]  # read before the choice: a load that may not happen does not vectorise well
        y = d * scale + offset
        v = zero if y <= low else v
        v = zero if y >= high else v
        total += np.float64(v)
        moment += np.float64(v) * np.float64(d)
    return total, moment


@inner
def _backward_affine(g, x, dx, shift, scale, offset, low, high, slope, level):
    zero = x.dtype.type(0)
    for j in range(x.size):
        d, v = x[j] - shift, g[j]
        y = d * scale + offset
        v = zero if y <= low else v
        v = zero if y >= high else v
        dx[j] = v * scale + (d * slope + level)


@kernel
def _backward(T, g, x, dx, shift, scale, offset, rest, invstd, low, high, dweight, dbias):
    (R, L), C = x.shape, shift.size
    S = (L + SEGMENT - 1) // SEGMENT
    M = max(R // C * L, 1)
    part = np.empty((R * S, 2))
    for t in prange(T):
        for k in range(t * R * S // T, (t + 1) * R * S // T):
            r, a = k // S, k % S * SEGMENT
            c, b = r % C, a + SEGMENT
            part[k, 0], part[k, 1] = _backward_sums(g[r, a:b], x[r, a:b], shift[c], scale[c], offset[c], low, high)
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
            args = shift[c], scale[c], offset[c], low, high, slope[c], level[c]
            _backward_affine(g[r, a:b], x[r, a:b], dx[r, a:b], *args)


def normalize_backward(g, x, mean, invstd, weight, bias, ceiling):
    """(dx, dweight, dbias): one sweep sums g and g (x - mean), the other writes dx; the mask comes again from x."""
    g, x = np.ascontiguousarray(g), np.ascontiguousarray(x)
    N, C, L = x.shape
    dx, dweight, dbias = np.empty_like(x), np.zeros(C, x.dtype), np.zeros(C, x.dtype)
    constants = *_constants(mean, invstd, weight, bias, x.dtype), np.asarray(invstd, np.float64)
    arrays = (a.reshape(N * C, L) for a in (g, x, dx))
    _backward(threads_for(x.size), *arrays, *constants, *limits(ceiling, x.dtype), dweight, dbias)
    return dx, dweight, dbias
