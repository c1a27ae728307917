"""Optimiser steps in Numba, in place: every array is read and written once."""

import numpy as np
from numba import njit, prange

from ..runtime.jit import inner, kernel
from ..runtime.threads import threads_for

alone = njit(cache=True, error_model="numpy")


@inner
def _sgd_part(param, grad, velocity, lr, momentum, keep, weight_decay, nesterov):
    for j in range(param.size):
        d = grad[j] + weight_decay * param[j]
        v = momentum * velocity[j] + keep * d
        velocity[j] = v
        param[j] -= lr * (d + momentum * v if nesterov else v)


@inner
def _plain_part(param, grad, lr, weight_decay):
    for j in range(param.size):
        param[j] -= lr * (grad[j] + weight_decay * param[j])


@inner
def _adam_part(param, grad, m, v, keep1, beta2, keep2, eps, rate, root, weight_decay, shrink):
    for j in range(param.size):
        p = param[j] * shrink
        d = grad[j] + weight_decay * p
        m[j] += keep1 * (d - m[j])
        v[j] = beta2 * v[j] + keep2 * d * d
        param[j] = p - rate * (m[j] / (np.sqrt(v[j]) * root + eps))


@kernel
def _sgd(T, param, grad, velocity, scalars):
    for t in prange(T):
        a, b = t * param.size // T, (t + 1) * param.size // T
        _sgd_part(param[a:b], grad[a:b], velocity[a:b], *scalars)


@kernel
def _plain(T, param, grad, scalars):
    for t in prange(T):
        a, b = t * param.size // T, (t + 1) * param.size // T
        _plain_part(param[a:b], grad[a:b], *scalars)


@kernel
def _adam(T, param, grad, m, v, scalars):
    for t in prange(T):
        a, b = t * param.size // T, (t + 1) * param.size // T
        _adam_part(param[a:b], grad[a:b], m[a:b], v[a:b], *scalars)


@alone
def _sgd_alone(param, grad, velocity, scalars):
    _sgd_part(param, grad, velocity, *scalars)


@alone
def _plain_alone(param, grad, scalars):
    _plain_part(param, grad, *scalars)


@alone
def _adam_alone(param, grad, m, v, scalars):
    _adam_part(param, grad, m, v, *scalars)


def _step(together, by_one, param, *rest):
    """A bias of 64 numbers is no work for a team: waking it takes longer, and a network has as many biases as weights."""
    T = threads_for(param.size)
    if T == 1:
        by_one(param, *rest)
    else:
        together(T, param, *rest)


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
        _step(_plain, _plain_alone, p, g, (real(lr), real(weight_decay)))
        return
    g, p, v = _flat("sgd_step", grad, param=param, velocity=velocity)
    scalars = real(lr), real(momentum), real(1 - dampening), real(weight_decay), bool(nesterov)
    _step(_sgd, _sgd_alone, p, g, v, scalars)


def adam_step(param, grad, m, v, step, lr, beta1, beta2, eps, weight_decay, decoupled):
    """Adam step, or AdamW if decoupled; step counts from 1."""
    g, p, m, v = _flat("adam_step", grad, param=param, m=m, v=v)
    shrink, decay = (1 - lr * weight_decay, 0.0) if decoupled else (1.0, weight_decay)
    rate, root = lr / (1 - beta1**step), 1 / np.sqrt(1 - beta2**step)
    scalars = (1 - beta1, beta2, 1 - beta2, eps, rate, root, decay, shrink)
    _step(_adam, _adam_alone, p, g, m, v, tuple(grad.dtype.type(s) for s in scalars))
