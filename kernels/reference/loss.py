"""Softmax and cross-entropy along axis 1 of (N, C, L) in NumPy."""

import numpy as np


def log_softmax(x):
    """y = x - log sum_c exp(x), with the maximum taken out first."""
    y = x - x.max(1, keepdims=True)
    return y - np.log(np.exp(y).sum(1, keepdims=True))


def log_softmax_backward(g, y):
    """dx = g - exp(y) sum_c g, with y = log_softmax(x)."""
    return g - np.exp(y) * g.sum(1, keepdims=True)


def softmax(x):
    """y = exp(x) / sum_c exp(x), with the maximum taken out first."""
    y = np.exp(x - x.max(1, keepdims=True))
    return y / y.sum(1, keepdims=True)


def softmax_backward(g, y):
    """dx = y (g - sum_c g y), with y = softmax(x)."""
    return y * (g - (g * y).sum(1, keepdims=True))


def _labels(x, target, weight, ignore_index):
    """(label (N, 1, L) with ignored ones set to 0, weight of every pixel (N, 1, L)); checks the labels."""
    C = x.shape[1]
    counted = target != ignore_index
    wrong = target[counted & ((target < 0) | (target >= C))]
    if wrong.size:
        raise IndexError(f"cross_entropy: target has label {wrong[0]}; x has {C} classes (ignore_index {ignore_index})")
    label = np.where(counted, target, 0)
    per_pixel = counted.astype(x.dtype) if weight is None else np.where(counted, weight.astype(x.dtype)[label], 0)
    return label[:, None], per_pixel[:, None]


def cross_entropy(x, target, weight, ignore_index):
    """loss[n,l] = -weight[t] log_softmax(x)[n,t,l] at t = target[n,l]; 0 where t is ignore_index.

    x (N, C, L); target (N, L) integers; weight (C,) or None. A label outside 0 .. C - 1 that is not ignore_index is an
    IndexError that names it. Weights are not normalised here: a mean over pixels divides by the sum of weight[t].
    """
    label, per_pixel = _labels(x, target, weight, ignore_index)
    picked = np.take_along_axis(log_softmax(x), label, 1)
    return np.where(per_pixel == 0, 0, -per_pixel * picked)[:, 0].astype(x.dtype)


def cross_entropy_backward(g, x, target, weight, ignore_index):
    """dx[n,c,l] = g[n,l] weight[t] (softmax(x)[n,c,l] - [c = t]); 0 where t is ignore_index."""
    label, per_pixel = _labels(x, target, weight, ignore_index)
    dx = softmax(x)
    np.put_along_axis(dx, label, np.take_along_axis(dx, label, 1) - 1, 1)
    return np.where(per_pixel == 0, 0, dx * (g[:, None] * per_pixel)).astype(x.dtype)
