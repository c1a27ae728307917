"""Settings of optimiser steps: one named tuple for each optimiser."""

from typing import NamedTuple


class SGD(NamedTuple):
    """Stochastic gradient descent with momentum; `dampening` is 0 at the first step, whose velocity is zero."""

    lr: float
    momentum: float = 0.0
    dampening: float = 0.0
    weight_decay: float = 0.0
    nesterov: bool = False


class Adam(NamedTuple):
    """Adam; `step` counts from 1, and `decoupled` makes it AdamW."""

    step: int
    lr: float
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.0
    decoupled: bool = False


class AdamFactors(NamedTuple):
    """Factors of one element's step, in the dtype of the parameters: `root` is 1 / sqrt(1 - beta2^step)."""

    beta1: float
    keep1: float
    beta2: float
    keep2: float
    eps: float
    rate: float
    root: float
    weight_decay: float
    shrink: float


def adam_factors(settings, real):
    """The factors of an Adam step as numbers of the type `real`."""
    lr, beta1, beta2, decay = settings.lr, settings.beta1, settings.beta2, settings.weight_decay
    shrink, decay = (1 - lr * decay, 0.0) if settings.decoupled else (1.0, decay)
    rate, root = lr / (1 - beta1**settings.step), (1 - beta2**settings.step) ** -0.5
    numbers = beta1, 1 - beta1, beta2, 1 - beta2, settings.eps, rate, root, decay, shrink
    return AdamFactors(*(real(v) for v in numbers))


class SGDFactors(NamedTuple):
    """Factors of one element's step: `keep` is 1 - dampening."""

    lr: float
    momentum: float
    keep: float
    weight_decay: float
    nesterov: bool


def sgd_factors(settings, real):
    """The factors of an SGD step as numbers of the type `real`."""
    numbers = settings.lr, settings.momentum, 1 - settings.dampening, settings.weight_decay
    return SGDFactors(*(real(v) for v in numbers), bool(settings.nesterov))


def check_state(name, grad, **written):
    """ValueError unless every array that the row `name` writes has the shape and the dtype of the gradient."""
    for key, a in written.items():
        if a.shape != grad.shape or a.dtype != grad.dtype:
            raise ValueError(f"{name}: {key} is {a.dtype} {a.shape}; needed {grad.dtype} {grad.shape}, as grad")
