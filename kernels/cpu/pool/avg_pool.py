"""Average pooling in Numba: rows of a window are added first, then the taps along the row (see max_pool.py)."""

import numpy as np
from numba import prange

from ...geometry import Geometry, check_plane
from ..runtime.jit import allocating, inner, kernel
from ..runtime.threads import threads_for
from .resample_2x import OVERLAP, PAIRS, double, halve, twice
from .window import Window, window_of

# Windows with vector loops of their own, for planes whose size they halve.
BY_TWO = {Geometry((2, 2), (2, 2)): PAIRS, Geometry((3, 3), (2, 2), (1, 1)): OVERLAP}


def edges(size, count):
    """Windows floor(i n / m) .. ceil((i + 1) n / m) of adaptive pooling as an array (m, 2)."""
    i = np.arange(count)
    return np.stack([i * size // count, -(-(i + 1) * size // count)], 1)


@inner
def _add_tap(out, line, start, step):
    start, step = np.uintp(start), np.uintp(step)
    for j in range(np.uintp(out.size)):
        out[j] += line[start + j * step]


@allocating
def _avg_rows(begin, end, x, y, scale, window):
    """Output rows begin .. end: a window's rows are summed into one line with zeros at its ends, then the line's taps."""
    (H, W), (Ho, Wo) = x.shape[1:], y.shape[1:]
    kh, kw, sh, sw, ph, pw, dh, dw = window
    left = pw
    reach = (Wo - 1) * sw + (kw - 1) * dw + 1
    line, out = np.zeros(max(left + W, reach), x.dtype), np.empty(Wo, x.dtype)
    middle = line[left : left + W]
    for r in range(begin, end):
        p, i = r // Ho, r % Ho
        middle[:] = 0
        for k in range(kh):
            h = i * sh + k * dh - ph
            if 0 <= h < H:
                for j in range(W):
                    middle[j] += x[p, h, j]
        out[:] = 0
        for l in range(kw):
            if sw == 1:
                _add_tap(out, line, l * dw, 1)
            elif sw == 2:
                _add_tap(out, line, l * dw, 2)
            else:
                _add_tap(out, line, l * dw, sw)
        for j in range(Wo):
            y[p, i, j] = scale[i, j] * out[j]


@allocating
def _avg_adjoint_rows(begin, end, y, x, scale, window):
    """Input rows begin .. end: scale * y summed over the output rows that hold one, then distributed along its columns.

    Column s u + q takes part in window j = u + (q + padding - l dilation) / s wherever that is whole: for each of the s
    phases q the taps are contiguous in u.
    """
    kh, kw, sh, sw, ph, pw, dh, dw = window
    (H, W), (Ho, Wo) = x.shape[1:], y.shape[1:]
    U, left = (W + sw - 1) // sw, (kw - 1) * dw
    line = np.zeros(left + max(Wo, U + (sw - 1 + pw) // sw), y.dtype)
    middle, phase = line[left : left + Wo], np.empty((sw, U), y.dtype)
    for r in range(begin, end):
        p, h = r // H, r % H
        middle[:] = 0
        for k in range(kh):
            top = h + ph - k * dh
            i = top // sh
            if top == i * sh and 0 <= i < Ho:
                for j in range(Wo):
                    middle[j] += scale[i, j] * y[p, i, j]
        for q in range(sw):
            phase[q] = 0
            for l in range(kw):
                shift = q + pw - l * dw
                if shift % sw == 0:
                    _add_tap(phase[q], line, left + shift // sw, 1)
        if sw == 2:
            for u in range(W // 2):
                x[p, h, 2 * u] = phase[0, u]
                x[p, h, 2 * u + 1] = phase[1, u]
            if W % 2:
                x[p, h, W - 1] = phase[0, U - 1]
        else:
            for q in range(sw):
                for u in range((W - q + sw - 1) // sw):
                    x[p, h, sw * u + q] = phase[q, u]


@kernel
def _avg_pool(T, x, y, scale, window: Window, adjoint):
    R = x.shape[0] * (x.shape[1] if adjoint else y.shape[1])
    for t in prange(T):
        if adjoint:
            _avg_adjoint_rows(t * R // T, (t + 1) * R // T, y, x, scale, window)
        else:
            _avg_rows(t * R // T, (t + 1) * R // T, x, y, scale, window)


def avg_pool2d(x, geometry, scale):
    """Sums the window's rows into one line, then the line's taps: kh + kw additions a pixel instead of kh kw."""
    g = geometry.reduced(scale.shape)
    N, C, H, W = x.shape
    y, scale = np.empty((N, C, *scale.shape), x.dtype), np.ascontiguousarray(scale, x.dtype)
    if g in BY_TWO and twice((H, W), y):
        halve(x, y, scale, BY_TWO[g])
        return y
    planes = y.reshape(N * C, *scale.shape)
    _avg_pool(threads_for(x.size), x.reshape(N * C, H, W), planes, scale, window_of(g), False)
    return y


def avg_pool2d_adjoint(y, geometry, scale, size):
    """Every input row gathers the output rows that hold it, then distributes the sum along itself: no row is written twice."""
    g = geometry.reduced(scale.shape)
    N, C, Ho, Wo = y.shape
    x, scale = np.empty((N, C, *size), y.dtype), np.ascontiguousarray(scale, y.dtype)
    if g in BY_TWO and twice(size, y):
        double(y, x, scale, BY_TWO[g])
        return x
    planes = x.reshape(N * C, *size)
    _avg_pool(threads_for(x.size), planes, y.reshape(N * C, Ho, Wo), scale, window_of(g), True)
    return x


@allocating
def _window_rows(begin, end, x, y, rows, cols):
    line, Ho = np.empty(x.shape[2]), y.shape[1]  # sums in float64: a window may be a whole plane
    for r in range(begin, end):
        p, i = r // Ho, r % Ho
        if r > begin and i > 0 and rows[i, 0] == rows[i - 1, 0] and rows[i, 1] == rows[i - 1, 1]:
            for j in range(y.shape[2]):
                y[p, i, j] = y[p, i - 1, j]
            continue
        line[:] = 0
        for h in range(rows[i, 0], rows[i, 1]):
            for j in range(line.size):
                line[j] += x[p, h, j]
        for j in range(y.shape[2]):
            total = 0.0
            for w in range(cols[j, 0], cols[j, 1]):
                total += line[w]
            y[p, i, j] = total


@kernel
def _window_sums(T, x, y, rows, cols):
    R = y.shape[0] * y.shape[1]
    for t in prange(T):
        _window_rows(t * R // T, (t + 1) * R // T, x, y, rows, cols)


def _adaptive_sums(x, size):
    """Sums over windows floor(i H / Ho) .. ceil((i + 1) H / Ho).

    Pixel h lies in windows floor(h Ho / H) .. ceil((h + 1) Ho / H): the adjoint is this function with sizes swapped.
    """
    N, C, H, W = x.shape
    y = np.empty((N, C, *size), x.dtype)
    rows, cols = edges(H, size[0]), edges(W, size[1])
    _window_sums(threads_for(x.size + y.size), x.reshape(N * C, H, W), y.reshape(N * C, *size), rows, cols)
    return y


def _areas(size, count, dtype):
    """Pixels in each window of adaptive pooling, (Ho, Wo)."""
    rows, cols = (np.diff(edges(n, m))[:, 0] for n, m in zip(size, count))
    return np.outer(rows, cols).astype(dtype)


def adaptive_avg_pool2d(x, output_size):
    """Window sums divided by their areas; ValueError if planes hold no pixel."""
    check_plane("adaptive_avg_pool2d", x.shape[2:], output_size)
    return _adaptive_sums(x, output_size) / _areas(x.shape[2:], output_size, x.dtype)


def adaptive_avg_pool2d_adjoint(y, size):
    """Window sums of y over areas, with the two sizes swapped; ValueError if planes hold no pixel."""
    check_plane("adaptive_avg_pool2d_adjoint", size, y.shape[2:])
    return _adaptive_sums(y / _areas(size, y.shape[2:], y.dtype), size)
