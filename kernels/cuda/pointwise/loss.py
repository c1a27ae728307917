"""Softmax and cross-entropy along axis 1 of (N, C, L) in CUDA C: one thread a pixel."""

import numpy as np

from ..fault import fault
from ..loader import Kernel, array_module, contiguous

_kernels = {
    name: Kernel("pointwise/softmax.cu", name)
    for name in ("softmax", "log_softmax", "softmax_backward", "log_softmax_backward")
}
_cross_entropy = Kernel("pointwise/cross_entropy.cu", "cross_entropy")
_cross_entropy_backward = Kernel("pointwise/cross_entropy.cu", "cross_entropy_backward")


def _per_pixel(name, *arrays):
    arrays = contiguous(*arrays, None)[:-1]
    (N, C, L), out = arrays[0].shape, array_module(arrays[0]).empty_like(arrays[0])
    _kernels[name](*arrays, out, (N, C, L), threads=N * L if C else 0)
    return out


def softmax(x):
    """y = exp(x) / sum_c exp(x), with the maximum taken out first."""
    return _per_pixel("softmax", x)


def log_softmax(x):
    """y = x - log sum_c exp(x), with the maximum taken out first."""
    return _per_pixel("log_softmax", x)


def softmax_backward(g, y):
    """dx = y (g - sum_c g y), with y = softmax(x)."""
    return _per_pixel("softmax_backward", g, y)


def log_softmax_backward(g, y):
    """dx = g - exp(y) sum_c g, with y = log_softmax(x)."""
    return _per_pixel("log_softmax_backward", g, y)


def _labelled(kernel, arrays, out, target, weight, ignore_index):
    """Launch on x = arrays[-1] and labels; IndexError names a label that is neither a class nor ignored."""
    x, xp = arrays[-1], array_module(arrays[-1])
    target = contiguous(target.astype(np.int64, copy=False))
    weight = None if weight is None else contiguous(weight.astype(x.dtype, copy=False))
    bad, C = xp.zeros(1, np.int32), x.shape[1]
    kernel(*arrays, target, weight, out, bad, x.shape, np.int64(ignore_index), threads=target.size)
    if fault(bad):
        wrong = target[(target != ignore_index) & ((target < 0) | (target >= C))][0]
        raise IndexError(f"cross_entropy: target has label {wrong}; x has {C} classes (ignore_index {ignore_index})")
    return out


def cross_entropy(x, target, weight, ignore_index):
    """loss[n,l] = -weight[t] log_softmax(x)[n,t,l] at t = target[n,l]; 0 where t is ignore_index."""
    x = contiguous(x)
    loss = array_module(x).empty(target.shape, x.dtype)
    return _labelled(_cross_entropy, (x,), loss, target, weight, ignore_index)


def cross_entropy_backward(g, x, target, weight, ignore_index):
    """dx[n,c,l] = g[n,l] weight[t] (softmax(x)[n,c,l] - [c = t]); 0 where t is ignore_index."""
    g, x = contiguous(g, x)
    return _labelled(_cross_entropy_backward, (g, x), array_module(x).empty_like(x), target, weight, ignore_index)
