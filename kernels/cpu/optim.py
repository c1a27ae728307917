"""Optimiser steps in Numba, in place: every array is read and written once."""

import numpy as np
from numba import prange

from .team import kernel


@kernel
def _sgd(param, grad, velocity, lr, momentum, keep, weight_decay, nesterov):
    for j in prange(param.size):
        d = grad[j] + weight_decay * param[j]
        v = momentum * velocity[j] + keep * d
        velocity[j] = v
        param[j] -= lr * (d + momentum * v if nesterov else v)


@kernel
def _sgd_plain(param, grad, lr, weight_decay):
    for j in prange(param.size):
        param[j] -= lr * (grad[j] + weight_decay * param[j])


@kernel
def _adam(param, grad, m, v, keep1, beta2, keep2, eps, rate, root, weight_decay, shrink):
    for j in prange(param.size):
        p = param[j] * shrink
        d = grad[j] + weight_decay * p
        m[j] += keep1 * (d - m[j])
        v[j] = beta2 * v[j] + keep2 * d * d
        param[j] = p - rate * (m[j] / (np.sqrt(v[j]) * root + eps))


def _flat(name, grad, **written):
    """Flat views of arrays that are written in place, and the gradient flat."""
    for key, a in written.items():
        if not a.flags.c_contiguous or a.shape != grad.shape or a.dtype != grad.dtype:
            came = f"{a.dtype} {a.shape}{'' if a.flags.c_contiguous else ' not contiguous'}"
            raise ValueError(f"{name}: {key} must be {grad.dtype} {grad.shape} contiguous, like grad; it is {came}")
    return np.ascontiguousarray(grad).reshape(-1), *(a.reshape(-1) for a in written.values())


def sgd_step(param, grad, velocity, lr, momentum, dampening, weight_decay, nesterov):
    """SGD step; velocity is None where momentum is 0. At the first step pass a zero velocity and dampening 0."""
    real = grad.dtype.type
    if velocity is None:
        g, p = _flat("sgd_step", grad, param=param)
        _sgd_plain(p, g, real(lr), real(weight_decay))
        return
    g, p, v = _flat("sgd_step", grad, param=param, velocity=velocity)
    _sgd(p, g, v, real(lr), real(momentum), real(1 - dampening), real(weight_decay), bool(nesterov))


def adam_step(param, grad, m, v, step, lr, beta1, beta2, eps, weight_decay, decoupled):
    """Adam step, or AdamW if decoupled; step counts from 1."""
    g, p, m, v = _flat("adam_step", grad, param=param, m=m, v=v)
    shrink, decay = (1 - lr * weight_decay, 0.0) if decoupled else (1.0, weight_decay)
    rate, root = lr / (1 - beta1**step), 1 / np.sqrt(1 - beta2**step)
    scalars = (1 - beta1, beta2, 1 - beta2, eps, rate, root, decay, shrink)
    _adam(p, g, m, v, *(grad.dtype.type(s) for s in scalars))
