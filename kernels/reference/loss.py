"""Softmax and cross-entropy along axis 1 of (N, C, L) in NumPy; sums over classes in float64."""

import numpy as np

NEAR_ONE = -0.34  # a logarithm of p from here on counts as that of a p near 1


def _exponentials(x):
    """(x - top, its exponentials, the sum of all of them but that of the top), where top is the largest class.

    A logarithm of the whole sum would lose the other classes beside the 1 of the top; log1p of the rest keeps them.
    """
    if not x.size:
        return x, x, x.sum(1, keepdims=True)
    shifted = x - x.max(1, keepdims=True)
    e = np.exp(shifted)
    rest = e.astype(np.float64)
    np.put_along_axis(rest, x.argmax(1)[:, None], 0, 1)
    return shifted, e, rest.sum(1, keepdims=True)


def _sum(x):
    """Sum over classes, (N, 1, L)."""
    return x.sum(1, keepdims=True, dtype=np.float64).astype(x.dtype)


def log_softmax(x):
    """y = x - log sum_c exp(x), computed after subtracting the maximum."""
    shifted, _, rest = _exponentials(x)
    return shifted - np.log1p(rest).astype(x.dtype)


def log_softmax_backward(g, y):
    """dx = g - exp(y) sum_c g, with y = log_softmax(x).

    Where p = exp(y) is near 1, which it is for one class at most: g (1 - p) - p times the sum over the other classes.
    """
    near = y > NEAR_ONE
    others = _sum(np.where(near, 0, g))
    return np.where(near, -g * np.expm1(y) - np.exp(y) * others, g - np.exp(y) * _sum(g))


def softmax(x):
    """y = exp(x) / sum_c exp(x), computed after subtracting the maximum."""
    _, e, rest = _exponentials(x)
    return (e / (1 + rest)).astype(x.dtype)


def softmax_backward(g, y):
    """dx = y (g - sum_c g y), with y = softmax(x); g relative to that of the largest class, so that 1 - y is not formed."""
    if not y.size:
        return y.copy()
    g = g - np.take_along_axis(g, y.argmax(1)[:, None], 1)
    return y * (g - _sum(g * y))


def _labels(x, target, weight, ignore_index):
    """(label (N, 1, L) with ignored ones set to 0, weight of every pixel (N, 1, L)); checks the labels."""
    C = x.shape[1]
    counted = target != ignore_index
    wrong = target[counted & ((target < 0) | (target >= C))]
    if wrong.size:
        raise IndexError(f"cross_entropy: target has label {wrong[0]}; x has {C} classes (ignore_index {ignore_index})")
    if not C:
        return None, None  # every pixel is ignored
    label = np.where(counted, target, 0)
    per_pixel = counted.astype(x.dtype) if weight is None else np.where(counted, weight.astype(x.dtype)[label], 0)
    return label[:, None], per_pixel[:, None]


def cross_entropy(x, target, weight, ignore_index):
    """loss[n,l] = -weight[t] log_softmax(x)[n,t,l] at t = target[n,l]; 0 where t is ignore_index.

    x (N, C, L); target (N, L) integers; weight (C,) or None. A label outside 0 .. C - 1 that is not ignore_index is an
    IndexError that names it. Weights are not normalised here: a mean over pixels divides by the sum of weight[t].
    """
    label, per_pixel = _labels(x, target, weight, ignore_index)
    if label is None:
        return np.zeros(target.shape, x.dtype)
    picked = np.take_along_axis(log_softmax(x), label, 1)
    return np.where(per_pixel == 0, 0, -per_pixel * picked)[:, 0].astype(x.dtype)


def cross_entropy_backward(g, x, target, weight, ignore_index):
    """dx[n,c,l] = g[n,l] weight[t] (softmax(x)[n,c,l] - [c = t]); 0 where t is ignore_index or g 0.

    At c = t this is minus the sum over the other classes, which 1 - p would round off where p is near 1.
    """
    label, per_pixel = _labels(x, target, weight, ignore_index)
    dx = softmax(x)
    if label is None:
        return dx
    np.put_along_axis(dx, label, 0, 1)
    np.put_along_axis(dx, label, -_sum(dx), 1)
    up = g[:, None] * per_pixel
    return np.where(up == 0, 0, dx * up).astype(x.dtype)
