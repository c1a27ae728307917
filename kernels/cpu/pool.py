"""Pooling in Numba. Work is cut by rows of the result; the inner loop runs along a row, at a constant stride.

A window is taken apart into taps: tap (k, l) of all windows of an output row is one strided row of the input, so the
loops over taps are outside and the loop that LLVM turns into vector instructions is inside.
"""

import numpy as np
from numba import njit, prange

from .team import team


@njit(cache=True)
def _tap(l, W, Wo, stride, padding, dilation):
    """(first, last + 1) output column whose tap l lies in the image, and the input column of the first."""
    start = l * dilation - padding
    lo, hi = max(0, -(start // stride)), min(Wo, -((start - W) // stride))
    return lo, max(hi, lo), min(start + lo * stride, W)


@njit(cache=True)
def _keep_larger(out, at, row, place, step):
    for j in range(out.size):
        v, m, k = row[j * step], out[j], at[j]
        better = (v > m) | (v != v) | (k < 0)
        out[j] = v if better else m
        at[j] = np.int32(place + j * step) if better else k


@njit(cache=True)
def _larger_of_four(out, at, upper, lower, place, W):
    for j in range(out.size):
        m, k = upper[2 * j], np.int32(place + 2 * j)
        v = upper[2 * j + 1]
        better = (v > m) | (v != v)
        m, k = v if better else m, np.int32(place + 2 * j + 1) if better else k
        v = lower[2 * j]
        better = (v > m) | (v != v)
        m, k = v if better else m, np.int32(place + W + 2 * j) if better else k
        v = lower[2 * j + 1]
        better = (v > m) | (v != v)
        out[j] = v if better else m
        at[j] = np.int32(place + W + 2 * j + 1) if better else k


@njit(cache=True)
def _max_rows(begin, end, x, y, index, kernel, stride, padding, dilation):
    (H, W), (Ho, Wo) = x.shape[1:], y.shape[1:]
    halves = kernel == (2, 2) and stride == (2, 2) and padding == (0, 0) and dilation == (1, 1)
    halves = halves and 2 * Ho <= H and 2 * Wo <= W
    for r in range(begin, end):
        p, i = r // Ho, r % Ho
        out, at = y[p, i], index[p, i]
        if halves:
            _larger_of_four(out, at, x[p, 2 * i], x[p, 2 * i + 1], 2 * i * W, W)
            continue
        out[:] = -np.inf
        at[:] = -1
        for k in range(kernel[0]):
            h = i * stride[0] + k * dilation[0] - padding[0]
            if h < 0 or h >= H:
                continue
            for l in range(kernel[1]):
                lo, hi, c = _tap(l, W, Wo, stride[1], padding[1], dilation[1])
                if stride[1] == 1:  # the constant lets each of the three vectorise on its own
                    _keep_larger(out[lo:hi], at[lo:hi], x[p, h, c:], h * W + c, 1)
                elif stride[1] == 2:
                    _keep_larger(out[lo:hi], at[lo:hi], x[p, h, c:], h * W + c, 2)
                else:
                    _keep_larger(out[lo:hi], at[lo:hi], x[p, h, c:], h * W + c, stride[1])


@njit(parallel=True, cache=True)
def _max_pool(T, x, y, index, kernel, stride, padding, dilation):
    R = y.shape[0] * y.shape[1]
    for t in prange(T):
        _max_rows(t * R // T, (t + 1) * R // T, x, y, index, kernel, stride, padding, dilation)


def max_pool2d(x, geometry, output_size):
    """(y, index) of every window, tap by tap; 2x2 stride 2 in one sweep of four strided loads."""
    x = np.ascontiguousarray(x)
    N, C, H, W = x.shape
    y = np.empty((N, C, *output_size), x.dtype)
    index = np.empty(y.shape, np.int32)
    g = geometry
    planes = (N * C, *output_size)
    x, flat = x.reshape(N * C, H, W), index.reshape(planes)
    _max_pool(team(x.size), x, y.reshape(planes), flat, g.kernel, g.stride, g.padding, g.dilation)
    return y, index


def _edges(size, count):
    """Windows floor(i n / m) .. ceil((i + 1) n / m) of adaptive pooling as an array (m, 2)."""
    i = np.arange(count)
    return np.stack([i * size // count, -(-(i + 1) * size // count)], 1)


@njit(parallel=True, cache=True)
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


@njit(cache=True)
def _add_tap(out, row, step):
    for j in range(out.size):
        out[j] += row[j * step]


@njit(cache=True)
def _avg_rows(begin, end, x, y, scale, kernel, stride, padding, dilation):
    (H, W), (Ho, Wo) = x.shape[1:], y.shape[1:]
    column = np.empty(W, x.dtype)
    for r in range(begin, end):
        p, i = r // Ho, r % Ho
        column[:] = 0
        for k in range(kernel[0]):
            h = i * stride[0] + k * dilation[0] - padding[0]
            if 0 <= h < H:
                _add_tap(column, x[p, h], 1)
        out = y[p, i]
        out[:] = 0
        for l in range(kernel[1]):
            lo, hi, c = _tap(l, W, Wo, stride[1], padding[1], dilation[1])
            if stride[1] == 1:
                _add_tap(out[lo:hi], column[c:], 1)
            elif stride[1] == 2:
                _add_tap(out[lo:hi], column[c:], 2)
            else:
                _add_tap(out[lo:hi], column[c:], stride[1])
        for j in range(Wo):
            out[j] *= scale[i, j]


@njit(cache=True)
def _spread_tap(row, out, step):
    for j in range(out.size):
        row[j * step] += out[j]


@njit(cache=True)
def _avg_adjoint_rows(begin, end, y, x, scale, kernel, stride, padding, dilation):
    (H, W), (Ho, Wo) = x.shape[1:], y.shape[1:]
    tall = np.empty(Wo, y.dtype)  # sum of scale * y over the output rows whose windows hold this input row
    for r in range(begin, end):
        p, h = r // H, r % H
        tall[:] = 0
        for k in range(kernel[0]):
            top = h + padding[0] - k * dilation[0]
            i = top // stride[0]
            if top == i * stride[0] and 0 <= i < Ho:
                for j in range(Wo):
                    tall[j] += scale[i, j] * y[p, i, j]
        row = x[p, h]
        if kernel[1] == 2 and stride[1] == 2 and padding[1] == 0 and dilation[1] == 1 and 2 * Wo <= W:
            for j in range(Wo):
                row[2 * j] = tall[j]
                row[2 * j + 1] = tall[j]
            row[2 * Wo :] = 0
            continue
        row[:] = 0
        for l in range(kernel[1]):
            lo, hi, c = _tap(l, W, Wo, stride[1], padding[1], dilation[1])
            if stride[1] == 1:
                _spread_tap(row[c:], tall[lo:hi], 1)
            else:
                _spread_tap(row[c:], tall[lo:hi], stride[1])


@njit(parallel=True, cache=True)
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


@njit(cache=True)
def _window_rows(begin, end, x, y, rows, cols):
    column = np.empty(x.shape[2], x.dtype)
    Ho = y.shape[1]
    for r in range(begin, end):
        p, i = r // Ho, r % Ho
        if r > begin and i > 0 and rows[i, 0] == rows[i - 1, 0] and rows[i, 1] == rows[i - 1, 1]:
            y[p, i] = y[p, i - 1]
            continue
        column[:] = 0
        for h in range(rows[i, 0], rows[i, 1]):
            _add_tap(column, x[p, h], 1)
        for j in range(y.shape[2]):
            total = column[cols[j, 0]]
            for w in range(cols[j, 0] + 1, cols[j, 1]):
                total += column[w]
            y[p, i, j] = total


@njit(parallel=True, cache=True)
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
