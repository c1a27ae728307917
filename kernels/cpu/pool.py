"""Pooling in Numba. Work is cut by rows of the result; the inner loop runs along a row, at a constant stride.

A window is taken apart into taps: tap (k, l) of all windows of an output row is one strided row of the input, so the
loops over taps are outside and the loop that LLVM turns into vector instructions is inside. Whole arrays and positions
are passed down, not rows: cutting a row out of an array counts references, which costs more than pooling a short one.
"""

import numpy as np
from numba import prange

from .team import inner, kernel, team


@inner
def _larger_of_four(x, p, i, y, index):
    """Row i of 2x2 stride 2 pooling in one sweep."""
    W = x.shape[2]
    for j in range(y.shape[2]):
        m, k = x[p, 2 * i, 2 * j], np.int32(2 * i * W + 2 * j)
        v = x[p, 2 * i, 2 * j + 1]
        better = (v > m) | (v != v)
        m, k = v if better else m, np.int32(2 * i * W + 2 * j + 1) if better else k
        v = x[p, 2 * i + 1, 2 * j]
        better = (v > m) | (v != v)
        m, k = v if better else m, np.int32(2 * i * W + W + 2 * j) if better else k
        v = x[p, 2 * i + 1, 2 * j + 1]
        better = (v > m) | (v != v)
        y[p, i, j] = v if better else m
        index[p, i, j] = np.int32(2 * i * W + W + 2 * j + 1) if better else k


@inner
def _larger_tap(line, start, ramp, shift, best, place, source, target):
    """Row target of (best, place) = row source or the tap line[start:] at ramp + shift, whichever is larger.

    source is not target: LLVM would turn "keep what is there" into masked stores, which are slow.
    """
    start = np.uintp(start)  # a signed index would be tested for being negative: no vectors
    for j in range(np.uintp(ramp.size)):
        v, m, k, at = line[start + j], best[source, j], place[source, j], np.int32(ramp[j] + shift)
        better = (v > m) | (v != v)
        best[target, j] = v if better else m
        place[target, j] = at if better else k


@inner
def _larger_row(best, place, a, b, target):
    """Row target = row a, or row b where that is larger."""
    for j in range(best.shape[1]):
        m, k, v, at = best[a, j], place[a, j], best[b, j], place[b, j]
        better = (v > m) | (v != v)
        best[target, j] = v if better else m
        place[target, j] = at if better else k


@inner
def _copy(x, p, h, c, step, line, at, count):
    """line[at : at + count] = x[p, h, c::step]."""
    c = np.uintp(c)
    if step == 1:  # the constants let each of the three loops vectorise on its own
        for j in range(count):
            line[at + j] = x[p, h, c + j]
    elif step == 2:
        for j in range(count):
            line[at + j] = x[p, h, c + np.uintp(2) * j]
    else:
        for j in range(count):
            line[at + j] = x[p, h, c + np.uintp(step) * j]


@inner
def _row_maxima(x, group, h, line, ramp, first, best, place, slot, kernel, stride, padding, dilation):
    """Row slot of (best, place) = the maximum of row h of some planes under every window, and its flat position."""
    begin, end, pitch = group
    W, spare = x.shape[2], best.shape[0] - 3
    for p in range(begin, end):
        for q in range(stride):  # phase q of the padded row: every stride-th element, so that taps are contiguous
            c = (q - padding) % stride
            at = np.uintp(q * (line.size // stride) + (p - begin) * pitch + (c + padding) // stride)
            count = max(0, (min(W, pitch * stride - padding) - c + stride - 1) // stride)
            _copy(x, p, h, c, stride, line, at, np.uintp(count))
    source = spare + 2  # -inf, at the first tap in the image
    for j in range(first.size):
        place[source, j] = np.int32(first[j] + h * W)
    for l in range(kernel):
        column, target = l * dilation, slot if l == kernel - 1 else spare + l % 2
        start = column % stride * (line.size // stride) + column // stride
        _larger_tap(line, start, ramp, h * W + column - padding, best, place, source, target)
        source = target


@inner
def _max_rows(begin, end, x, y, index, ramp, first, G, kernel, stride, padding, dilation):
    """Rows begin .. end of groups of G planes: maxima along rows, held while windows need them, then down the columns.

    In this order a tie keeps the upper row, and within it the left column: the first maximum. `line` is a row of x with
    -inf where windows hang over its ends. Narrow planes lie side by side in it, so that vectors are filled.
    """
    (P, H, _), (Ho, Wo) = x.shape, y.shape[1:]
    ring, pitch = (kernel[0] - 1) * dilation[0] + 1, ramp.size // G
    line = np.full(stride[1] * (ramp.size + (kernel[1] - 1) * dilation[1] // stride[1]), -np.inf, x.dtype)
    best, place = np.full((ring + 3, ramp.size), -np.inf, x.dtype), np.empty((ring + 3, ramp.size), np.int32)
    held = np.full(ring, -1)  # the row, counted over all groups, that each slot holds
    for r in range(begin, end):
        q, i = r // Ho, r % Ho
        group = q * G, min(q * G + G, P), pitch
        top = i * stride[0] - padding[0]
        for h in range(top, top + ring, dilation[0]):
            if 0 <= h < H and held[h % ring] != q * H + h:
                args = kernel[1], stride[1], padding[1], dilation[1]
                _row_maxima(x, group, h, line, ramp, first, best, place, h % ring, *args)
                held[h % ring] = q * H + h
        source, spare = -1, ring
        for h in range(top, top + ring, dilation[0]):
            if 0 <= h < H and source < 0:
                source = h % ring
            elif 0 <= h < H:
                _larger_row(best, place, source, h % ring, spare)
                source, spare = spare, 2 * ring + 1 - spare
        for p in range(group[0], group[1]):
            at = np.uintp((p - group[0]) * pitch)
            for j in range(np.uintp(Wo)):
                y[p, i, j], index[p, i, j] = best[source, at + j], place[source, at + j]
            if source < 0 or dilation[1] > 1:  # only dilation steps over an image
                for j in range(Wo):
                    if source < 0 or first[j] < 0:
                        y[p, i, j], index[p, i, j] = -np.inf, -1


@kernel
def _max_pool(T, x, y, index, ramp, first, G, kernel, stride, padding, dilation):
    P, Ho, Wo = y.shape
    by_halves = kernel == (2, 2) and stride == (2, 2) and padding == (0, 0) and dilation == (1, 1)
    by_halves = by_halves and 2 * Ho <= x.shape[1] and 2 * Wo <= x.shape[2] and Wo >= 32
    R = (P if by_halves else (P + G - 1) // G) * Ho
    for t in prange(T):
        if by_halves:
            for r in range(t * R // T, (t + 1) * R // T):
                _larger_of_four(x, r // Ho, r % Ho, y, index)
        else:
            _max_rows(t * R // T, (t + 1) * R // T, x, y, index, ramp, first, G, kernel, stride, padding, dilation)


def _columns(P, W, Wo, geometry):
    """(j stride, column of window j's first tap in the image or -1, G): the tables of G planes side by side."""
    stride, step, extent = geometry.stride[1], geometry.dilation[1], geometry.extent[1]
    ramp = np.arange(-(-((Wo - 1) * stride + extent) // stride)) * stride  # so long that no window meets the next plane
    start = ramp - geometry.padding[1]
    first = np.where(start < 0, start + -(start // step) * step, start)
    first = np.where(first < np.minimum(start + extent, W), first, -1)
    G = max(1, min(256 // len(ramp), P))
    return np.tile(ramp, G).astype(np.int32), np.tile(first, G).astype(np.int32), G


def max_pool2d(x, geometry, output_size):
    """(y, index): maxima along rows, then down columns, kh + kw comparisons; 2x2 stride 2 in one sweep."""
    x, g = np.ascontiguousarray(x), geometry
    N, C, _, W = x.shape
    y = np.empty((N, C, *output_size), x.dtype)
    index = np.empty(y.shape, np.int32)
    arrays = (a.reshape(N * C, *a.shape[2:]) for a in (x, y, index))
    _max_pool(team(x.size), *arrays, *_columns(N * C, W, output_size[1], g), g.kernel, g.stride, g.padding, g.dilation)
    return y, index


def _edges(size, count):
    """Windows floor(i n / m) .. ceil((i + 1) n / m) of adaptive pooling as an array (m, 2)."""
    i = np.arange(count)
    return np.stack([i * size // count, -(-(i + 1) * size // count)], 1)


@kernel
def _adaptive_max(x, y, index, rows, cols):
    W = x.shape[2]
    for p in prange(x.shape[0]):
        for i in range(y.shape[1]):
            for j in range(y.shape[2]):
                m, at = x[p, rows[i, 0], cols[j, 0]], rows[i, 0] * W + cols[j, 0]
                for h in range(rows[i, 0], rows[i, 1]):
                    for w in range(cols[j, 0], cols[j, 1]):
                        v = x[p, h, w]
                        if v > m or v != v:
                            m, at = v, h * W + w
                y[p, i, j], index[p, i, j] = m, at


def adaptive_max_pool2d(x, output_size):
    """(y, index) over windows floor(i H / Ho) .. ceil((i + 1) H / Ho)."""
    x = np.ascontiguousarray(x)
    N, C, H, W = x.shape
    y = np.empty((N, C, *output_size), x.dtype)
    index = np.empty(y.shape, np.int32)
    planes = (N * C, *output_size)
    rows, cols = _edges(H, output_size[0]), _edges(W, output_size[1])
    _adaptive_max(x.reshape(N * C, H, W), y.reshape(planes), index.reshape(planes), rows, cols)
    return y, index


@inner
def _add_tap(out, line, start, step):
    start, step = np.uintp(start), np.uintp(step)
    for j in range(np.uintp(out.size)):
        out[j] += line[start + j * step]


@inner
def _avg_rows(begin, end, x, y, scale, kernel, stride, padding, dilation):
    """Output rows begin .. end: a window's rows are summed into one line with zeros at its ends, then the line's taps."""
    (H, W), (Ho, Wo) = x.shape[1:], y.shape[1:]
    left = padding[1]
    reach = (Wo - 1) * stride[1] + (kernel[1] - 1) * dilation[1] + 1
    line, out = np.zeros(max(left + W, reach), x.dtype), np.empty(Wo, x.dtype)
    middle = line[left : left + W]
    for r in range(begin, end):
        p, i = r // Ho, r % Ho
        middle[:] = 0
        for k in range(kernel[0]):
            h = i * stride[0] + k * dilation[0] - padding[0]
            if 0 <= h < H:
                for j in range(W):
                    middle[j] += x[p, h, j]
        out[:] = 0
        for l in range(kernel[1]):
            if stride[1] == 1:
                _add_tap(out, line, l * dilation[1], 1)
            elif stride[1] == 2:
                _add_tap(out, line, l * dilation[1], 2)
            else:
                _add_tap(out, line, l * dilation[1], stride[1])
        for j in range(Wo):
            y[p, i, j] = scale[i, j] * out[j]


@inner
def _avg_adjoint_rows(begin, end, y, x, scale, kernel, stride, padding, dilation):
    """Input rows begin .. end: scale * y summed over the output rows that hold one, then spread along its columns.

    Column s u + q takes part in window j = u + (q + padding - l dilation) / s wherever that is whole: for each of the s
    phases q the taps are contiguous in u.
    """
    (H, W), (Ho, Wo), (sh, sw) = x.shape[1:], y.shape[1:], stride
    U, left = (W + sw - 1) // sw, (kernel[1] - 1) * dilation[1]
    line = np.zeros(left + max(Wo, U + (sw - 1 + padding[1]) // sw), y.dtype)
    middle, phase = line[left : left + Wo], np.empty((sw, U), y.dtype)
    for r in range(begin, end):
        p, h = r // H, r % H
        middle[:] = 0
        for k in range(kernel[0]):
            top = h + padding[0] - k * dilation[0]
            i = top // sh
            if top == i * sh and 0 <= i < Ho:
                for j in range(Wo):
                    middle[j] += scale[i, j] * y[p, i, j]
        for q in range(sw):
            phase[q] = 0
            for l in range(kernel[1]):
                shift = q + padding[1] - l * dilation[1]
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
def _avg_pool(T, x, y, scale, kernel, stride, padding, dilation, adjoint):
    R = x.shape[0] * (x.shape[1] if adjoint else y.shape[1])
    for t in prange(T):
        if adjoint:
            _avg_adjoint_rows(t * R // T, (t + 1) * R // T, y, x, scale, kernel, stride, padding, dilation)
        else:
            _avg_rows(t * R // T, (t + 1) * R // T, x, y, scale, kernel, stride, padding, dilation)


def avg_pool2d(x, geometry, scale):
    """Sums the window's rows into one line, then the line's taps: kh + kw additions a pixel instead of kh kw."""
    x, g = np.ascontiguousarray(x), geometry
    N, C, H, W = x.shape
    y = np.empty((N, C, *scale.shape), x.dtype)
    planes, scale = y.reshape(N * C, *scale.shape), np.ascontiguousarray(scale, x.dtype)
    _avg_pool(team(x.size), x.reshape(N * C, H, W), planes, scale, g.kernel, g.stride, g.padding, g.dilation, False)
    return y


def avg_pool2d_adjoint(y, geometry, scale, size):
    """Every input row gathers the output rows that hold it, then spreads the sum along the row: no two rows meet."""
    y, g = np.ascontiguousarray(y), geometry
    N, C, Ho, Wo = y.shape
    x = np.empty((N, C, *size), y.dtype)
    planes, scale = x.reshape(N * C, *size), np.ascontiguousarray(scale, y.dtype)
    _avg_pool(team(x.size), planes, y.reshape(N * C, Ho, Wo), scale, g.kernel, g.stride, g.padding, g.dilation, True)
    return x


@inner
def _window_rows(begin, end, x, y, rows, cols):
    line, Ho = np.empty(x.shape[2], x.dtype), y.shape[1]
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
            total = x.dtype.type(0)
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
    x = np.ascontiguousarray(x)
    N, C, H, W = x.shape
    y = np.empty((N, C, *size), x.dtype)
    rows, cols = _edges(H, size[0]), _edges(W, size[1])
    _window_sums(team(x.size + y.size), x.reshape(N * C, H, W), y.reshape(N * C, *size), rows, cols)
    return y


def _areas(size, count, dtype):
    """Pixels in each window of adaptive pooling, (Ho, Wo)."""
    rows, cols = (np.diff(_edges(n, m))[:, 0] for n, m in zip(size, count))
    return np.outer(rows, cols).astype(dtype)


def adaptive_avg_pool2d(x, output_size):
    """Window sums divided by their areas."""
    return _adaptive_sums(x, output_size) / _areas(x.shape[2:], output_size, x.dtype)


def adaptive_avg_pool2d_adjoint(y, size):
    """Window sums of y over areas, with the two sizes swapped."""
    return _adaptive_sums(y / _areas(size, y.shape[2:], y.dtype), size)
