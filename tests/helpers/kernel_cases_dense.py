"""One drawn case for every dense row of the kernel table: `case_ROW(r, t)` makes its arguments from a generator and a dtype.

kernel_cases_irregular.py has the other rows, kernel_cases.py the dictionary of all.
"""

import numpy as np
from minidl.kernels import reference
from minidl.kernels.geometry import Geometry, prepared_conv
from minidl.kernels.settings import SGD, Adam


def normal(r, t, *shape):
    return r.standard_normal(shape).astype(t)


def window(r, t, channels=None, groups=1):
    """(x, geometry) with at least one window."""
    while True:
        geometry = Geometry(pair(r, 1, 4), pair(r, 1, 3), pair(r, 0, 3), pair(r, 1, 2), groups)
        size = pair(r, 1, 14)
        if min(geometry.output_size(size)) >= 1:
            return normal(r, t, r.integers(0, 3), channels or r.integers(1, 4), *size), geometry


def pair(r, low, high):
    return tuple(int(v) for v in r.integers(low, high + 1, 2))


def case_im2col(r, t):
    return window(r, t)


def case_col2im(r, t):
    x, geometry = window(r, t)
    return normal(r, t, *reference.im2col(x, geometry).shape), x.shape[2:], geometry


def case_relu(r, t):
    x = normal(r, t, r.integers(0, 700))
    x[::7] = np.nan
    return x, float(r.choice([np.inf, 0.5]))


def case_relu_backward(r, t):
    n = r.integers(0, 700)
    return normal(r, t, n), normal(r, t, n), float(r.choice([np.inf, 0.5]))


def convolution(r, t):
    """(x, w, y, geometry), every third one depthwise."""
    groups = int(r.integers(1, 4))
    channels, outputs = (
        (1, int(r.integers(1, 3))) if r.integers(3) == 0 else (int(r.integers(1, 18)), int(r.integers(1, 9)))
    )
    x, geometry = window(r, t, channels * groups, groups)
    w = normal(r, t, outputs * groups, channels, *geometry.kernel)
    return x, w, normal(r, t, len(x), len(w), *geometry.output_size(x.shape[2:])), geometry


def maybe(r, array):
    return array if r.integers(2) else None


def case_conv2d(r, t):
    x, w, _, geometry = convolution(r, t)
    return x, w, maybe(r, normal(r, t, len(w))), geometry


def case_conv2d_prepared(r, t):
    x, w, y, geometry = convolution(r, t)
    ceiling = [None, np.inf, 0.5][r.integers(3)]
    return x, prepared_conv(w, maybe(r, normal(r, t, len(w))), geometry, ceiling), maybe(r, y)


def case_conv_transpose2d(r, t):
    x, w, y, geometry = convolution(r, t)
    return y, w, maybe(r, normal(r, t, x.shape[1])), x.shape[2:], geometry


def case_conv2d_weight(r, t):
    x, _, y, geometry = convolution(r, t)
    return x, y, geometry


def pooled(r, t):
    """(x with ties and NaN, geometry, output size): some windows hang over the far edge."""
    x, geometry = window(r, t)
    x = np.round(2 * x) / 2
    x[r.random(x.shape) < 0.03] = np.nan
    return x, geometry, tuple(n + int(r.integers(2)) for n in geometry.output_size(x.shape[2:]))


def case_max_pool2d(r, t):
    return pooled(r, t)


def case_adaptive_max_pool2d(r, t):
    return pooled(r, t)[0], pair(r, 1, 7)


def case_plane_gather(r, t):
    x, _ = window(r, t)
    return x, r.integers(-1, x.shape[2] * x.shape[3], (*x.shape[:2], *pair(r, 0, 9))).astype(np.int32)


def case_plane_scatter(r, t):
    x, index = case_plane_gather(r, t)
    return normal(r, t, *index.shape), index, x.shape[2:]


def case_avg_pool2d(r, t):
    x, geometry, size = pooled(r, t)
    return np.nan_to_num(x), geometry, r.random(size)


def case_avg_pool2d_adjoint(r, t):
    x, geometry, size = pooled(r, t)
    return normal(r, t, *x.shape[:2], *size), geometry, r.random(size), x.shape[2:]


def case_adaptive_avg_pool2d(r, t):
    return window(r, t)[0], pair(r, 1, 7)


def case_adaptive_avg_pool2d_adjoint(r, t):
    return normal(r, t, r.integers(0, 3), r.integers(1, 4), *pair(r, 1, 7)), pair(r, 1, 14)


def taps(r, n, m):
    """(lo, hi, f) of m outputs on an axis of n: nearest, bilinear, or anything."""
    at = np.clip((np.arange(m) + 0.5) * n / m - 0.5, 0, n - 1)
    lo = np.floor(at).astype(np.int32)
    kind = r.integers(3)
    if kind == 2:
        lo = r.integers(0, n, m).astype(np.int32)
    return lo, np.minimum(lo + 1, n - 1).astype(np.int32), np.zeros(m) if kind == 0 else at - np.floor(at)


def resized(r, t):
    (H, W), (Ho, Wo) = pair(r, 1, 9), pair(r, 1, 20)
    return normal(r, t, r.integers(0, 3), r.integers(1, 4), H, W), taps(r, H, Ho), taps(r, W, Wo)


def case_resize2d(r, t):
    return resized(r, t)


def case_resize2d_adjoint(r, t):
    x, rows, cols = resized(r, t)
    return normal(r, t, *x.shape[:2], len(rows[0]), len(cols[0])), rows, cols, x.shape[2:]


def channels(r, t):
    """(x (N, C, L) with large means, per-channel arrays (5, C))."""
    N, C, L = (int(v) for v in (r.integers(0, 4), r.integers(1, 6), r.choice([1, 7, 300, 5000])))
    return normal(r, t, N, C, L) + (30 * r.standard_normal(C)[:, None]).astype(t), normal(r, t, 5, C)


def case_moments(r, t):
    return (channels(r, t)[0],)


def statistics(r, t):
    """x and its mean, 1 / standard deviation, weight and bias."""
    x, (_, _, _, weight, bias) = channels(r, t)
    mean, var = reference.moments(x)
    affine = (weight, bias) if r.integers(2) else (None, None)
    return x, mean, 1 / np.sqrt(var + 1e-5), *affine


def case_normalize(r, t):
    return *statistics(r, t), (None, np.inf, 0.5)[r.integers(3)]


def case_normalize_backward(r, t):
    x, *rest = statistics(r, t)
    y = reference.normalize(x, *rest, None)
    near = (np.abs(y) < 1e-3) | (np.abs(y - 0.5) < 1e-3)  # whether it is cut there hangs on rounding
    return np.where(near, t(0), normal(r, t, *x.shape)), x, *rest, (None, np.inf, 0.5)[r.integers(3)]


def scores(r, t):
    return 5 * normal(r, t, r.integers(0, 3), r.integers(1, 9), r.integers(0, 300))


def case_softmax(r, t):
    return (scores(r, t),)


def case_log_softmax(r, t):
    return (scores(r, t),)


def case_softmax_backward(r, t):
    x = scores(r, t)
    return normal(r, t, *x.shape), reference.softmax(x)


def case_log_softmax_backward(r, t):
    x = scores(r, t)
    return normal(r, t, *x.shape), reference.log_softmax(x)


def case_cross_entropy(r, t):
    x = scores(r, t)
    N, C, L = x.shape
    target = r.integers(0, C, (N, L)).astype(r.choice([np.int32, np.int64]))
    target[r.random((N, L)) < 0.2] = 255
    return x, target, maybe(r, r.random(C) * (r.random(C) > 0.2)), 255


def case_cross_entropy_backward(r, t):
    arguments = case_cross_entropy(r, t)
    return normal(r, t, *arguments[1].shape), *arguments


def case_sgd_step(r, t):
    param, grad, velocity = normal(r, t, 3, *pair(r, 0, 20))
    decay = float(r.choice([0, 0.02]))
    if r.integers(2):
        return param, grad, None, SGD(0.1, weight_decay=decay)
    return param, grad, velocity, SGD(0.1, 0.9, float(r.choice([0, 0.3])), decay, bool(r.integers(2)))


def case_adam_step(r, t):
    param, grad, m, v = normal(r, t, 4, *pair(r, 0, 20))
    settings = Adam(
        step=int(r.integers(1, 50)),
        lr=0.01,
        beta1=float(r.choice([0, 0.9])),
        weight_decay=float(r.choice([0, 0.1])),
        decoupled=bool(r.integers(2)),
    )
    return param, grad, m, v**2, settings
