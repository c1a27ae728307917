"""Wrong answers to hypercolumn."""

import numpy as np


def _read(maps, points, size, at, clamp=True, join=None, flip=False):
    out = []
    for f in maps:
        C, H, W = f.shape
        part = np.zeros((len(points), C))
        for i, (r, c) in enumerate(points):
            y, x = at(r, H, size[0]), at(c, W, size[1])
            if clamp:
                y, x = min(max(y, 0), H - 1), min(max(x, 0), W - 1)
            h, w = int(np.floor(y)), int(np.floor(x))
            v, u = y - h, x - w
            if flip:
                v, u = 1 - v, 1 - u
            h2, w2 = min(h + 1, H - 1), min(w + 1, W - 1)
            part[i] = (1 - v) * (1 - u) * f[:, h, w] + (1 - v) * u * f[:, h, w2]
            part[i] += v * (1 - u) * f[:, h2, w] + v * u * f[:, h2, w2]
        out.append(part)
    return join(out) if join else np.concatenate(out, 1)


def _right(i, n, m):
    return (i + 0.5) * n / m - 0.5


def no_half(maps, points, size):
    "half pixel is missing"
    return _read(maps, points, size, lambda i, n, m: i * n / m)


def swapped(maps, points, size):
    "rows and columns of the points | IndexError"
    return _read(maps, points[:, ::-1], size, _right)


def reverse(maps, points, size):
    "reverse order"
    return _read(maps[::-1], points, size, _right)


def first_only(maps, points, size):
    "only the first map"
    return _read(maps[:1], points, size, _right)


def transposed(maps, points, size):
    "(channels, points)"
    return _read(maps, points, size, _right).T


def nearest(maps, points, size):
    "nearest"
    return _read(maps, points, size, lambda i, n, m: int((i + 0.5) * n / m))


def exchanged(maps, points, size):
    "f and 1 - f"
    return _read(maps, points, size, _right, flip=True)


def wraps(maps, points, size):
    "other end"
    return _read(maps, points, size, _right, clamp=False)


def aligned(maps, points, size):
    "aligned"
    return _read(maps, points, size, lambda i, n, m: i * (n - 1) / (m - 1))


def floored(maps, points, size):
    "nearest"
    out = []
    for f in maps:
        r = points[:, 0] * f.shape[1] // size[0]
        c = points[:, 1] * f.shape[2] // size[1]
        out.append(f[:, r, c].T)
    return np.concatenate(out, 1)


def rows_only(maps, points, size):
    "one axis"
    parts = []
    for f in maps:
        n = f.shape[1]
        at = np.clip((points[:, 0] + 0.5) * n / size[0] - 0.5, 0, n - 1)
        lo = np.floor(at).astype(int)
        v = at - lo
        m = f.shape[2]
        c = np.clip(np.rint((points[:, 1] + 0.5) * m / size[1] - 0.5), 0, m - 1).astype(int)
        parts.append(((1 - v) * f[:, lo, c] + v * f[:, np.minimum(lo + 1, n - 1), c]).T)
    return np.concatenate(parts, 1)
