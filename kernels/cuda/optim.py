"""Optimiser steps in CUDA C, in place."""

import math

import numpy as np

from .loader import Kernel, contiguous, i32

_sgd = Kernel("optim.cu", "sgd_step")
_adam = Kernel("optim.cu", "adam_step")


def _check(name, grad, **written):
    for key, a in written.items():
        if not a.flags.c_contiguous or a.shape != grad.shape or a.dtype != grad.dtype:
            came = f"{a.dtype} {a.shape}{'' if a.flags.c_contiguous else ' not contiguous'}"
            raise ValueError(f"{name}: {key} must be {grad.dtype} {grad.shape} contiguous, like grad; it is {came}")
    return contiguous(grad)


def sgd_step(param, grad, velocity, lr, momentum, dampening, weight_decay, nesterov):
    """SGD step; velocity is None where momentum is 0. At the first step pass a zero velocity and dampening 0."""
    grad = _check("sgd_step", grad, param=param, **({} if velocity is None else {"velocity": velocity}))
    numbers = (grad.dtype.type(v) for v in (lr, momentum, 1 - dampening, weight_decay))
    _sgd(param, grad, velocity, *i32(grad.size), *numbers, np.bool_(nesterov), threads=grad.size)


def adam_step(param, grad, m, v, step, lr, beta1, beta2, eps, weight_decay, decoupled):
    """Adam step, or AdamW if decoupled; step counts from 1."""
    grad = _check("adam_step", grad, param=param, m=m, v=v)
    shrink, decay = (1 - lr * weight_decay, 0.0) if decoupled else (1.0, weight_decay)
    rate, root = lr / (1 - beta1**step), 1 / math.sqrt(1 - beta2**step)
    numbers = (grad.dtype.type(a) for a in (1 - beta1, beta2, 1 - beta2, eps, rate, root, decay, shrink))
    _adam(param, grad, m, v, *i32(grad.size), *numbers, threads=grad.size)
