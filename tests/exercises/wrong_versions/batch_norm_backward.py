"""Wrong answers to batch_norm_backward."""

import numpy as np

A = (0, 2, 3)


def _parts(g, x, weight, eps):
    m, v = x.mean(A, keepdims=True), x.var(A, keepdims=True)
    return x - m, 1 / np.sqrt(v + eps), g * weight[None, :, None, None]


def constants(g, x, weight, bias, eps):
    "constants"
    c, s, d = _parts(g, x, weight, eps)
    return d * s, (g * c * s).sum(A), g.sum(A)


def no_variance(g, x, weight, bias, eps):
    "through the variance"
    c, s, d = _parts(g, x, weight, eps)
    return s * (d - d.mean(A, keepdims=True)), (g * c * s).sum(A), g.sum(A)


def unbiased(g, x, weight, bias, eps):
    "N - 1"
    m, v = x.mean(A, keepdims=True), x.var(A, keepdims=True, ddof=1)
    s = 1 / np.sqrt(v + eps)
    h, d = (x - m) * s, g * weight[None, :, None, None]
    return s * (d - d.mean(A, keepdims=True) - h * (d * h).mean(A, keepdims=True)), (g * h).sum(A), g.sum(A)


def eps_outside(g, x, weight, bias, eps):
    "eps stands outside"
    m, v = x.mean(A, keepdims=True), x.var(A, keepdims=True)
    s = 1 / (np.sqrt(v) + eps)
    h, d = (x - m) * s, g * weight[None, :, None, None]
    return s * (d - d.mean(A, keepdims=True) - h * (d * h).mean(A, keepdims=True)), (g * h).sum(A), g.sum(A)


def eps_forgotten(g, x, weight, bias, eps):
    "eps is left out"
    m, v = x.mean(A, keepdims=True), x.var(A, keepdims=True)
    s = 1 / np.sqrt(v)
    h, d = (x - m) * s, g * weight[None, :, None, None]
    return s * (d - d.mean(A, keepdims=True) - h * (d * h).mean(A, keepdims=True)), (g * h).sum(A), g.sum(A)


def per_image(g, x, weight, bias, eps):
    "statistics per image"
    B = (2, 3)
    m, v = x.mean(B, keepdims=True), x.var(B, keepdims=True)
    s = 1 / np.sqrt(v + eps)
    h, d = (x - m) * s, g * weight[None, :, None, None]
    return s * (d - d.mean(B, keepdims=True) - h * (d * h).mean(B, keepdims=True)), (g * h).sum(A), g.sum(A)


def x_for_hat(g, x, weight, bias, eps):
    "x stands for x-hat"
    c, s, d = _parts(g, x, weight, eps)
    h = c * s
    gx = s * (d - d.mean(A, keepdims=True) - h * (d * h).mean(A, keepdims=True))
    return gx, (g * x).sum(A), g.sum(A)


def no_weight(g, x, weight, bias, eps):
    "weight is missing"
    c, s, _ = _parts(g, x, weight, eps)
    h = c * s
    gx = s * (g - g.mean(A, keepdims=True) - h * (g * h).mean(A, keepdims=True))
    return gx, (g * h).sum(A), g.sum(A)


def weight_squared(g, x, weight, bias, eps):
    "weight is squared"
    c, s, d = _parts(g, x, weight, eps)
    d = d * weight[None, :, None, None]
    h = c * s
    gx = s * (d - d.mean(A, keepdims=True) - h * (d * h).mean(A, keepdims=True))
    return gx, (g * h).sum(A), g.sum(A)


def sums_for_means(g, x, weight, bias, eps):
    "a sum is taken where"
    c, s, d = _parts(g, x, weight, eps)
    h = c * s
    gx = s * (d - d.sum(A, keepdims=True) - h * (d * h).sum(A, keepdims=True))
    return gx, (g * h).sum(A), g.sum(A)


def means_for_sums(g, x, weight, bias, eps):
    "averaged"
    c, s, d = _parts(g, x, weight, eps)
    h = c * s
    gx = s * (d - d.mean(A, keepdims=True) - h * (d * h).mean(A, keepdims=True))
    return gx, (g * h).mean(A), g.mean(A)


def no_batch_sum(g, x, weight, bias, eps):
    "missing sum over the batch"
    c, s, d = _parts(g, x, weight, eps)
    h = c * s
    gx = s * (d - d.mean(A, keepdims=True) - h * (d * h).mean(A, keepdims=True))
    return gx, (g * h).sum((2, 3)), g.sum((2, 3))


def order(g, x, weight, bias, eps):
    "wrong order"
    c, s, d = _parts(g, x, weight, eps)
    h = c * s
    gx = s * (d - d.mean(A, keepdims=True) - h * (d * h).mean(A, keepdims=True))
    return gx, g.sum(A), (g * h).sum(A)


def wrong_count(g, x, weight, bias, eps):
    "wrong number of values"
    c, s, d = _parts(g, x, weight, eps)
    h, M = c * s, x.shape[2] * x.shape[3]
    gx = s * (d - d.sum(A, keepdims=True) / M - h * (d * h).sum(A, keepdims=True) / M)
    return gx, (g * h).sum(A), g.sum(A)


def forgets_last_scale(g, x, weight, bias, eps):
    "at the end is missing"
    c, s, d = _parts(g, x, weight, eps)
    h = c * s
    gx = d - d.mean(A, keepdims=True) - h * (d * h).mean(A, keepdims=True)
    return gx, (g * h).sum(A), g.sum(A)


def eps_outside_and_no_weight(g, x, weight, bias, eps):
    "eps stands outside"
    m, v = x.mean(A, keepdims=True), x.var(A, keepdims=True)
    s = 1 / (np.sqrt(v) + eps)
    h, d = (x - m) * s, g
    return s * (d - d.mean(A, keepdims=True) - h * (d * h).mean(A, keepdims=True)), (g * h).sum(A), g.sum(A)


def _bn(g, x, weight, eps, ax=A, scale=None):
    m, v = (x.mean(ax, keepdims=True), x.var(ax, keepdims=True))
    s = 1 / np.sqrt(v + eps) if scale is None else scale(v, eps)
    h, d = ((x - m) * s, g * weight[:, None, None])
    return (s * (d - d.mean(ax, keepdims=True) - h * (d * h).mean(ax, keepdims=True)), (g * h).sum(A), g.sum(A))


def over_batch_only(g, x, weight, bias, eps):
    "statistics per pixel"
    return _bn(g, x, weight, eps, ax=(0,))


def no_root(g, x, weight, bias, eps):
    "root is missing"
    return _bn(g, x, weight, eps, scale=lambda v, e: 1 / (v + e))


def no_mean_path(g, x, weight, bias, eps):
    "through the mean"
    s = 1 / np.sqrt(x.var(A, keepdims=True) + eps)
    h = (x - x.mean(A, keepdims=True)) * s
    d = g * weight[:, None, None]
    return (s * (d - h * (d * h).mean(A, keepdims=True)), (g * h).sum(A), g.sum(A))
