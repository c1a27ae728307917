"""Optimiser steps in NumPy, in place, PyTorch's formulas."""

import numpy as np

from ..settings import check_state


def sgd_step(param, grad, velocity, settings):
    """SGD with momentum (Sutskever et al. 2013, in PyTorch's form); writes param and velocity.

    d = grad + weight_decay param;  velocity = momentum velocity + (1 - dampening) d;
    param -= lr (d + momentum velocity if nesterov else velocity).
    velocity is None where momentum is 0; then param -= lr d. PyTorch starts with velocity = d: at the first
    step pass a zero velocity and dampening 0.
    """
    check_state("sgd_step", grad, param=param, **({} if velocity is None else {"velocity": velocity}))
    s = settings
    d = grad + s.weight_decay * param if s.weight_decay else grad
    if velocity is not None:
        velocity *= s.momentum
        velocity += (1 - s.dampening) * d
        d = d + s.momentum * velocity if s.nesterov else velocity
    param -= s.lr * d


def adam_step(param, grad, m, v, settings):
    """Adam (Kingma and Ba 2015, algorithm 1), or AdamW (Loshchilov and Hutter 2019) if decoupled; writes param, m, v.

    d = grad + weight_decay param, or param *= 1 - lr weight_decay if decoupled;
    m = beta1 m + (1 - beta1) d;  v = beta2 v + (1 - beta2) d^2;
    param -= lr / (1 - beta1^step) m / (sqrt(v / (1 - beta2^step)) + eps).   step counts from 1.
    """
    check_state("adam_step", grad, param=param, m=m, v=v)
    step, lr, beta1, beta2, eps, weight_decay, decoupled = settings
    d = grad
    if weight_decay and decoupled:
        param *= 1 - lr * weight_decay
    elif weight_decay:
        d = grad + weight_decay * param
    m *= beta1
    m += (1 - beta1) * d
    v *= beta2
    v += (1 - beta2) * d * d
    denominator = np.sqrt(v) / np.sqrt(1 - beta2**step) + eps
    param -= (lr / (1 - beta1**step)) * (m / denominator)
