"""im2col in NumPy: every window of an image laid out as a column, and the adjoint that adds the columns back."""

import numpy as np


def _taps(padded, geometry, output_size):
    """Views (..., Ho, Wo) of a padded image, one for each tap (k, l) of the kernel in row-major order."""
    (Ho, Wo), (sh, sw), (dh, dw) = output_size, geometry.stride, geometry.dilation
    for k in range(geometry.kernel[0]):
        for l in range(geometry.kernel[1]):
            i, j = k * dh, l * dw
            yield padded[..., i : i + Ho * sh : sh, j : j + Wo * sw : sw]


def im2col(x, geometry):
    """cols[n, (c, k, l), (i, j)] = x[n, c, i s + k d - p, j s + l d - p], zero outside the image.

    x is (N, C, H, W); the result is (N, C kh kw, Ho Wo): it holds every pixel up to kh kw times.
    """
    (N, C), (Ho, Wo), (p, q) = x.shape[:2], geometry.output_size(x.shape[2:]), geometry.padding
    padded = np.pad(x, ((0, 0), (0, 0), (p, p), (q, q)))
    taps = np.stack(list(_taps(padded, geometry, (Ho, Wo))), axis=2)  # (N, C, kh kw, Ho, Wo)
    return taps.reshape(N, C * taps.shape[2], Ho * Wo)


def col2im(cols, size, geometry):
    """Adds cols[n, (c, k, l), (i, j)] to x[n, c, i s + k d - p, j s + l d - p] of an image of the given size.

    The adjoint of im2col: <im2col(x), cols> = <x, col2im(cols)>. Values at the padding are dropped.
    """
    (H, W), (Ho, Wo), (p, q) = size, geometry.output_size(size), geometry.padding
    kh, kw = geometry.kernel
    N, C = cols.shape[0], cols.shape[1] // (kh * kw)
    padded = np.zeros((N, C, H + 2 * p, W + 2 * q), cols.dtype)
    cols = cols.reshape(N, C, kh * kw, Ho, Wo)
    for t, view in enumerate(_taps(padded, geometry, (Ho, Wo))):
        view += cols[:, :, t]
    return padded[:, :, p : p + H, q : q + W].copy()
