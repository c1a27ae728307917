"""Optimiser steps in Numba, in place: every array is read and written once."""

import numpy as np
from numba import prange

from ...settings import adam_factors, check_state, sgd_factors
from ..runtime.jit import inner, kernel, njit
from ..runtime.threads import threads_for

serial = njit(cache=True, error_model="numpy")


@inner
def _momentum_part(param, grad, velocity, f):
    for j in range(param.size):
        d = grad[j] + f.weight_decay * param[j]
        v = f.momentum * velocity[j] + f.keep * d
        velocity[j] = v
        param[j] -= f.lr * (d + f.momentum * v if f.nesterov else v)


@inner
def _sgd_part(param, grad, f):
    for j in range(param.size):
        param[j] -= f.lr * (grad[j] + f.weight_decay * param[j])


@inner
def _adam_part(param, grad, m, v, f):
    for j in range(param.size):
        p = param[j] * f.shrink
        d = grad[j] + f.weight_decay * p
        m[j] = f.beta1 * m[j] + f.keep1 * d
        v[j] = f.beta2 * v[j] + f.keep2 * d * d
        param[j] = p - f.rate * (m[j] / (np.sqrt(v[j]) * f.root + f.eps))


@kernel
def _momentum(T, param, grad, velocity, factors):
    for t in prange(T):
        a, b = t * param.size // T, (t + 1) * param.size // T
        _momentum_part(param[a:b], grad[a:b], velocity[a:b], factors)


@kernel
def _sgd(T, param, grad, factors):
    for t in prange(T):
        a, b = t * param.size // T, (t + 1) * param.size // T
        _sgd_part(param[a:b], grad[a:b], factors)


@kernel
def _adam(T, param, grad, m, v, factors):
    for t in prange(T):
        a, b = t * param.size // T, (t + 1) * param.size // T
        _adam_part(param[a:b], grad[a:b], m[a:b], v[a:b], factors)


@serial
def _momentum_serial(param, grad, velocity, factors):
    _momentum_part(param, grad, velocity, factors)


@serial
def _sgd_serial(param, grad, factors):
    _sgd_part(param, grad, factors)


@serial
def _adam_serial(param, grad, m, v, factors):
    _adam_part(param, grad, m, v, factors)


def _step(parallel, serial, grad, written, factors):
    """Runs the step on flat contiguous arrays; other arrays are copied, updated and copied back.

    One thread handles a small array, such as a bias: starting all threads would take longer, and a network has as many biases
    as weights.
    """
    flat = [np.ascontiguousarray(a) for a in written]
    arrays = flat[0].reshape(-1), np.ascontiguousarray(grad).reshape(-1), *(a.reshape(-1) for a in flat[1:])
    T = threads_for(grad.size)
    if T == 1:
        serial(*arrays, factors)
    else:
        parallel(T, *arrays, factors)
    for a, done in zip(written, flat):
        if done is not a:
            a[...] = done.reshape(a.shape)


def sgd_step(param, grad, velocity, settings):
    """SGD step; velocity is None where momentum is 0. At the first step pass a zero velocity and dampening 0."""
    factors = sgd_factors(settings, grad.dtype.type)
    if velocity is None:
        check_state("sgd_step", grad, param=param)
        _step(_sgd, _sgd_serial, grad, (param,), factors)
    else:
        check_state("sgd_step", grad, param=param, velocity=velocity)
        _step(_momentum, _momentum_serial, grad, (param, velocity), factors)


def adam_step(param, grad, m, v, settings):
    """Adam step, or AdamW if decoupled."""
    check_state("adam_step", grad, param=param, m=m, v=v)
    _step(_adam, _adam_serial, grad, (param, m, v), adam_factors(settings, grad.dtype.type))
