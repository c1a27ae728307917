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
