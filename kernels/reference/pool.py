"""Pooling in NumPy: a loop over the taps of the window, everything else vectorised."""

import numpy as np

from ..geometry import check_plane


def _pad(x, geometry, output_size, fill):
    """Pads the plane by the geometry's padding, and more at the bottom and right where windows extend beyond it."""
    widths = [(0, 0)] * (x.ndim - 2)
    for n, o, s, p, e in zip(x.shape[-2:], output_size, geometry.stride, geometry.padding, geometry.extent):
        widths.append((p, max((o - 1) * s + e - p - n, 0)))
    return np.pad(x, widths, constant_values=fill)


def _taps(padded, geometry, output_size):
    """Views (..., Ho, Wo) of a padded plane, one for every tap of the window, in row-major order."""
    (Ho, Wo), (sh, sw), (dh, dw) = output_size, geometry.stride, geometry.dilation
    for k in range(geometry.kernel[0]):
        for l in range(geometry.kernel[1]):
            i, j = k * dh, l * dw
            yield padded[..., i : i + (Ho - 1) * sh + 1 : sh, j : j + (Wo - 1) * sw + 1 : sw]


def max_pool2d(x, geometry, output_size):
    """y[n,c,i,j] = max over taps of x[n, c, i s + k d - p, j s + l d - p], and its flat position in the H x W plane.

    The first of equal maxima is taken; a NaN counts as larger than every number, and the last NaN is taken. Taps outside the
    image are ignored; a window entirely outside has the value -inf and index -1.
    """
    (H, W), geometry = x.shape[2:], geometry.reduced(output_size)
    place = _pad(np.arange(H * W, dtype=np.int32).reshape(H, W), geometry, output_size, -1)
    y = np.full((*x.shape[:2], *output_size), -np.inf, x.dtype)
    index = np.full(y.shape, -1, np.int32)
    padded = _pad(x, geometry, output_size, -np.inf)
    for v, at in zip(_taps(padded, geometry, output_size), _taps(place, geometry, output_size)):
        better = (at >= 0) & ((v > y) | np.isnan(v) | (index < 0))
        np.copyto(y, v, where=better)
        np.copyto(index, at, where=better)
    return y, index


def _spans(size, count):
    """Windows of adaptive pooling along one axis: floor(i n / m) .. ceil((i + 1) n / m)."""
    return [(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]


def adaptive_max_pool2d(x, output_size):
    """(y, index) over windows floor(i H / Ho) .. ceil((i + 1) H / Ho); ties and NaN as in max_pool2d."""
    H, W = x.shape[2:]
    check_plane("adaptive_max_pool2d", (H, W), output_size)
    y = np.full((*x.shape[:2], *output_size), -np.inf, x.dtype)
    index = np.full(y.shape, -1, np.int32)
    for i, (top, bottom) in enumerate(_spans(H, output_size[0])):
        for j, (left, right) in enumerate(_spans(W, output_size[1])):
            for at in (r * W + c for r in range(top, bottom) for c in range(left, right)):
                v = x[:, :, at // W, at % W]
                better = (v > y[:, :, i, j]) | np.isnan(v) | (index[:, :, i, j] < 0)
                np.copyto(y[:, :, i, j], v, where=better)
                np.copyto(index[:, :, i, j], at, where=better)
    return y, index


def avg_pool2d(x, geometry, scale):
    """y[n,c,i,j] = scale[i,j] * sum over taps of x[n, c, i s + k d - p, j s + l d - p], zero outside the image."""
    geometry = geometry.reduced(scale.shape)
    padded = _pad(x, geometry, scale.shape, 0)
    return sum(_taps(padded, geometry, scale.shape)) * scale.astype(x.dtype)


def avg_pool2d_adjoint(y, geometry, scale, size):
    """Adds scale[i,j] y[n,c,i,j] to every tap of window (i, j) of a plane of the given size."""
    geometry = geometry.reduced(scale.shape)
    padded = _pad(np.zeros((*y.shape[:2], *size), y.dtype), geometry, scale.shape, 0)
    y = y * scale.astype(y.dtype)
    for v in _taps(padded, geometry, scale.shape):
        v += y
    (top, left), (H, W) = geometry.padding, size
    return padded[:, :, top : top + H, left : left + W].copy()


def adaptive_avg_pool2d(x, output_size):
    """Mean over windows floor(i H / Ho) .. ceil((i + 1) H / Ho): first along rows, then along columns."""
    check_plane("adaptive_avg_pool2d", x.shape[2:], output_size)
    if 0 in output_size:
        return np.empty((*x.shape[:2], *output_size), x.dtype)
    dtype = x.dtype
    rows, cols = _spans(x.shape[2], output_size[0]), _spans(x.shape[3], output_size[1])
    x = np.stack([x[:, :, a:b].mean(2, dtype=np.float64) for a, b in rows], 2)
    return np.stack([x[..., a:b].mean(3) for a, b in cols], 3).astype(dtype)


def adaptive_avg_pool2d_adjoint(y, size):
    """Distributes every y[n,c,i,j] evenly over its window of a plane of the given size."""
    (N, C, Ho, Wo), (H, W) = y.shape, size
    check_plane("adaptive_avg_pool2d_adjoint", size, (Ho, Wo))
    wide = np.zeros((N, C, Ho, W), y.dtype)
    for j, (a, b) in enumerate(_spans(W, Wo)):
        wide[..., a:b] += y[..., j, None] / (b - a)
    x = np.zeros((N, C, H, W), y.dtype)
    for i, (a, b) in enumerate(_spans(H, Ho)):
        x[:, :, a:b] += wide[:, :, i, None] / (b - a)
    return x
