"""Optimiser steps in CUDA C, in place."""

from ...settings import adam_factors, check_state, sgd_factors
from ..loader import Kernel, contiguous, i32

_sgd = Kernel("pointwise/optim.cu", "sgd_step")
_adam = Kernel("pointwise/optim.cu", "adam_step")


def _step(kernel, grad, written, factors):
    """Launches on contiguous arrays; what was not contiguous is copied there and back. None stays None."""
    first, *rest = (contiguous(a) for a in written)
    kernel(first, contiguous(grad), *rest, *i32(grad.size), factors, threads=grad.size)
    for a, done in zip(written, (first, *rest)):
        if done is not a:
            a[...] = done


def sgd_step(param, grad, velocity, settings):
    """SGD step; velocity is None where momentum is 0. At the first step pass a zero velocity and dampening 0."""
    check_state("sgd_step", grad, param=param, **({} if velocity is None else {"velocity": velocity}))
    _step(_sgd, grad, (param, velocity), sgd_factors(settings, grad.dtype.type))


def adam_step(param, grad, m, v, settings):
    """Adam step, or AdamW if decoupled."""
    check_state("adam_step", grad, param=param, m=m, v=v)
    _step(_adam, grad, (param, m, v), adam_factors(settings, grad.dtype.type))
