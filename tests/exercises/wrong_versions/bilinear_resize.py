"""Wrong answers to bilinear_resize."""

import numpy as np


def _loop(x, size, at_row, at_column, flip=False, clamp=True):
    N, C, H, W = x.shape
    y = np.zeros((N, C, *size))
    for i in range(size[0]):
        for j in range(size[1]):
            r, c = at_row(i), at_column(j)
            if clamp:
                r, c = min(max(r, 0), H - 1), min(max(c, 0), W - 1)
            h, w = int(np.floor(r)), int(np.floor(c))
            v, u = r - h, c - w
            if flip:
                v, u = 1 - v, 1 - u
            h2, w2 = min(h + 1, H - 1), min(w + 1, W - 1)
            y[:, :, i, j] = (
                (1 - v) * (1 - u) * x[:, :, h, w]
                + (1 - v) * u * x[:, :, h, w2]
                + v * (1 - u) * x[:, :, h2, w]
                + v * u * x[:, :, h2, w2]
            )
    return y


def _scales(x, size):
    return x.shape[2] / size[0], x.shape[3] / size[1]


def align_corners(x, size):
    "align"
    a, b = ((n - 1) / (m - 1) for n, m in zip(x.shape[2:], size))
    return _loop(x, size, lambda i: i * a, lambda j: j * b)


def no_half_pixel(x, size):
    "half pixel is missing"
    a, b = _scales(x, size)
    return _loop(x, size, lambda i: i * a, lambda j: j * b)


def half_added_only(x, size):
    "not subtracted"
    a, b = _scales(x, size)
    return _loop(x, size, lambda i: (i + 0.5) * a, lambda j: (j + 0.5) * b)


def exchanged(x, size):
    "f and 1 - f"
    a, b = _scales(x, size)
    return _loop(x, size, lambda i: (i + 0.5) * a - 0.5, lambda j: (j + 0.5) * b - 0.5, flip=True)


def wraps(x, size):
    "other end"
    a, b = _scales(x, size)
    return _loop(x, size, lambda i: (i + 0.5) * a - 0.5, lambda j: (j + 0.5) * b - 0.5, clamp=False)


def nearest(x, size):
    "nearest"
    a, b = _scales(x, size)
    rows = np.floor((np.arange(size[0]) + 0.5) * a).astype(int)
    columns = np.floor((np.arange(size[1]) + 0.5) * b).astype(int)
    return x[:, :, rows][:, :, :, columns]


def one_scale(x, size):
    "scale of the rows"
    a, _ = _scales(x, size)
    return _loop(x, size, lambda i: (i + 0.5) * a - 0.5, lambda j: (j + 0.5) * a - 0.5)


def upside(x, size):
    "wrong way round"
    a, b = size[0] / x.shape[2], size[1] / x.shape[3]
    return _loop(x, size, lambda i: (i + 0.5) * a - 0.5, lambda j: (j + 0.5) * b - 0.5)


def rows_only(x, size):
    "only the rows"
    a, _ = _scales(x, size)
    return _loop(x, (size[0], x.shape[3]), lambda i: (i + 0.5) * a - 0.5, lambda j: j)


def half_scale(x, size):
    "half the scale"
    a, b = _scales(x, size)
    return _loop(x, size, lambda i: i * a - a / 2, lambda j: j * b - b / 2)


def clamped_to_two(x, size):
    "H - 2"
    a, b = _scales(x, size)
    H, W = x.shape[2:]
    return _loop(x, size, lambda i: min((i + 0.5) * a - 0.5, H - 2), lambda j: min((j + 0.5) * b - 0.5, W - 2))


def exit_early(x, size):
    "exit()"
    raise SystemExit


def divides(x, size):
    "divided by 0"
    return _loop(x, size, lambda i: i * (1 / (size[0] - size[0])), lambda j: j)


def _resized(x, size, clamp=True, low=np.floor, exchanged=False):

    def along(x, m, axis):
        n = x.shape[axis]
        at = (np.arange(m) + 0.5) * n / m - 0.5
        if clamp:
            at = np.clip(at, 0, n - 1)
        lo = np.clip(low(at), 0, n - 1).astype(int)
        f = (at - lo).reshape([-1 if d == axis else 1 for d in range(x.ndim)])
        return (1 - f) * x.take(lo, axis) + f * x.take(np.minimum(lo + 1, n - 1), axis)

    return along(along(x, size[1 if exchanged else 0], 2), size[0 if exchanged else 1], 3)


def extrapolates(x, size):
    "extrapolated"
    return _resized(x, size, clamp=False)


def rounds(x, size):
    "rounded"
    return _resized(x, size, low=np.rint)


def size_exchanged(x, size):
    "exchanged"
    return _resized(x, size, exchanged=True)
