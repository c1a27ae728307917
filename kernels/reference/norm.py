"""Normalisation per channel of (N, C, L) in NumPy, computed in float64.

This is batch norm; group, instance and layer norm apply it to an array reshaped to (1, N G, C / G L).
"""

import numpy as np

from .activation import limits


def moments(x):
    """Mean and biased variance of each channel over N and L, as two float64 arrays (C,); 0 where there is no element.

    The variance is the mean of squared distances from the mean, which has no cancellation for a large mean.
    """
    count = max(x.shape[0] * x.shape[2], 1)
    mean = x.sum((0, 2), dtype=np.float64) / count
    return mean, np.square(x - mean[:, None]).sum((0, 2)) / count


def _affine(x, mean, invstd, weight, bias):
    """(standardised x, y before the ReLU, scale), float64."""
    weight = 1.0 if weight is None else weight.astype(np.float64)[:, None]
    bias = 0.0 if bias is None else bias.astype(np.float64)[:, None]
    invstd = np.asarray(invstd, np.float64)[:, None]
    standard = (x - np.asarray(mean, np.float64)[:, None]) * invstd
    return standard, standard * weight + bias, invstd * weight


def normalize(x, mean, invstd, weight, bias, ceiling):
    """y[n,c,l] = weight[c] (x[n,c,l] - mean[c]) invstd[c] + bias[c], then min(max(y, 0), ceiling) unless that is None."""
    _, y, _ = _affine(x, mean, invstd, weight, bias)
    return (y if ceiling is None else np.clip(y, 0, ceiling)).astype(x.dtype)


def normalize_backward(g, x, mean, invstd, weight, bias, ceiling):
    """(dx, dweight, dbias) of `normalize(x, *moments(x))`, where mean and variance depend on x.

    With x' = (x - mean) invstd, M = N L, and g set to 0 where the rectifier is constant:  dbias = sum g,  dweight = sum g x',
    dx = weight invstd (g - dbias / M - x' dweight / M)   (Ioffe and Szegedy 2015, section 3, terms collected). dweight and
    dbias are (C,) arrays even where weight or bias is None. The rectifier's mask is recomputed from x.
    """
    standard, y, scale = _affine(x, mean, invstd, weight, bias)
    low, high = limits(ceiling, y.dtype)
    g64 = np.where((y <= low) | (y >= high), 0.0, g)
    M = max(x.shape[0] * x.shape[2], 1)
    dbias, dweight = g64.sum((0, 2)), (g64 * standard).sum((0, 2))
    dx = scale * (g64 - dbias[:, None] / M - standard * (dweight[:, None] / M))
    return dx.astype(x.dtype), dweight.astype(x.dtype), dbias.astype(x.dtype)
