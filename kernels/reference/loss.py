"""Softmax and cross-entropy along axis 1 of (N, C, L) in NumPy; sums over classes in float64."""

import numpy as np


def _shifted(x):
    """x minus its largest class; without classes, as empty as x."""
    return x - x.max(1, keepdims=True, initial=-np.inf)


def _sum(x):
    """Sum over classes, (N, 1, L)."""
    return x.sum(1, keepdims=True, dtype=np.float64).astype(x.dtype)


def log_softmax(x):
    """y = x - log sum_c exp(x), computed after subtracting the maximum."""
    y = _shifted(x)
    return y - np.log(_sum(np.exp(y))) if y.size else y


def log_softmax_backward(g, y):
    """dx = g - exp(y) sum_c g, with y = log_softmax(x)."""
    return g - np.exp(y) * _sum(g)


def softmax(x):
    """y = exp(x) / sum_c exp(x), computed after subtracting the maximum."""
    y = np.exp(_shifted(x))
    return y / _sum(y)


def softmax_backward(g, y):
    """dx = y (g - sum_c g y), with y = softmax(x)."""
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
    """dx[n,c,l] = g[n,l] weight[t] (softmax(x)[n,c,l] - [c = t]); 0 where t is ignore_index or g 0."""
    label, per_pixel = _labels(x, target, weight, ignore_index)
    dx = softmax(x)
    if label is None:
        return dx
    np.put_along_axis(dx, label, np.take_along_axis(dx, label, 1) - 1, 1)
    up = g[:, None] * per_pixel
    return np.where(up == 0, 0, dx * up).astype(x.dtype)
