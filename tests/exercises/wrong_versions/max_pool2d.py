"""Wrong answers to max_pool2d."""

import numpy as np


def _pool(x, kernel, stride, start=-np.inf, better=lambda a, b: a > b, number=None, step=None):
    N, C, H, W = x.shape
    step = stride if step is None else step
    Ho, Wo = (H - kernel) // step + 1, (W - kernel) // step + 1
    y, index = np.zeros((N, C, Ho, Wo)), np.zeros((N, C, Ho, Wo), int)
    for n, c, i, j in np.ndindex(N, C, Ho, Wo):
        best, where = start, (0, 0)
        for k in range(kernel):
            for l in range(kernel):
                v = x[n, c, i * step + k, j * step + l]
                if better(v, best):
                    best, where = v, (k, l)
        y[n, c, i, j] = best
        r, q = i * step + where[0], j * step + where[1]
        index[n, c, i, j] = number(n, c, i, j, r, q, where, (C, H, W, Wo)) if number else r * W + q
    return y, index


def starts_at_zero(x, kernel, stride):
    "starts at 0"
    return _pool(x, kernel, stride, start=0)


def in_window(x, kernel, stride):
    "inside the window"
    return _pool(x, kernel, stride, number=lambda n, c, i, j, r, q, t, s: t[0] * kernel + t[1])


def column_major(x, kernel, stride):
    "column by column"
    return _pool(x, kernel, stride, number=lambda n, c, i, j, r, q, t, s: q * s[1] + r)


def times_height(x, kernel, stride):
    "by H"
    return _pool(x, kernel, stride, number=lambda n, c, i, j, r, q, t, s: r * s[1] + q)


def whole_array(x, kernel, stride):
    "whole array"
    return _pool(x, kernel, stride, number=lambda n, c, i, j, r, q, t, s: ((n * s[0] + c) * s[1] + r) * s[2] + q)


def last_of_equal(x, kernel, stride):
    "of equal values the last"
    return _pool(x, kernel, stride, better=lambda a, b: a >= b)


def minimum(x, kernel, stride):
    "minimum"
    return _pool(x, kernel, stride, start=np.inf, better=lambda a, b: a < b)


def absolute(x, kernel, stride):
    "absolute"
    return _pool(x, kernel, stride, start=0, better=lambda a, b: abs(a) > abs(b))


def by_kernel(x, kernel, stride):
    "not every `kernel`"
    return _pool(x, kernel, stride, step=kernel)


def average(x, kernel, stride):
    "average"
    _, index = _pool(x, kernel, stride)
    windows = np.lib.stride_tricks.sliding_window_view(x, (kernel, kernel), (2, 3))[:, :, ::stride, ::stride]
    return windows.mean((-1, -2)), index


def order(x, kernel, stride):
    "wrong order"
    y, index = _pool(x, kernel, stride)
    return index, y


def one_result(x, kernel, stride):
    "needed 2 values"
    return _pool(x, kernel, stride)[0]


def float_index(x, kernel, stride):
    "whole numbers"
    y, index = _pool(x, kernel, stride)
    return y, index.astype(float)


def starts_at_minus_one(x, kernel, stride):
    "-1 | -infinity"
    return _pool(x, kernel, stride, start=-1)


def _pooled(x, kernel, stride, width=None, size=None):
    N, C, H, W = x.shape
    Ho, Wo = size or ((H - kernel) // stride + 1, (W - kernel) // stride + 1)
    y = np.zeros((N, C, Ho, Wo))
    idx = np.zeros((N, C, Ho, Wo), int)
    for n, c, i, j in np.ndindex(N, C, Ho, Wo):
        win = x[n, c, i * stride : i * stride + kernel, j * stride : j * stride + kernel]
        k, l = np.unravel_index(win.argmax(), win.shape)
        y[n, c, i, j] = win[k, l]
        idx[n, c, i, j] = (i * stride + k) * (width or W) + j * stride + l
    return (y, idx)


def width_of_the_result(x, kernel, stride):
    "width of the result"
    return _pooled(x, kernel, stride, width=(x.shape[3] - kernel) // stride + 1)


def rounds_the_size_up(x, kernel, stride):
    "row too many"
    return _pooled(x, kernel, stride, size=[-(-(n - kernel) // stride) + 1 for n in x.shape[2:]])


def over_channels_too(x, kernel, stride):
    "over the channels"
    y, idx = _pooled(x, kernel, stride)
    return (np.broadcast_to(y.max(1, keepdims=True), y.shape).copy(), idx)
