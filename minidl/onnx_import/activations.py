"""Activations; those that have a layer in `minidl.nn` become that layer where nothing else is asked (`layers`)."""

from __future__ import annotations

import math

import numpy as np

from .. import functional as F
from .values import Operator, called, is_tensor, number, tensor


def _clip(node, x, low=None, high=None):
    low = node.get("min") if low is None else number(low)
    high = node.get("max") if high is None else number(high)
    if not is_tensor(x):
        return np.clip(x, low, high)
    if (low, high) == (0, 6):
        return F.relu6(x)
    return x if low is None and high is None else F.clamp(x, low, high)


def _leaky_relu(node, x):
    return F.leaky_relu(tensor(x), node.get("alpha", 0.01))


def _hard_sigmoid(node, x):
    return F.clamp(tensor(x) * node.get("alpha", 0.2) + node.get("beta", 0.5), 0.0, 1.0)


def _hard_swish(node, x):
    return F.hardswish(tensor(x))


def _prelu(node, x, slope):
    """x where it is positive, else slope x; the slope broadcasts from the last axis."""
    return F.relu(tensor(x)) - F.mul(tensor(slope), F.relu(-tensor(x)))


def _elu(node, x):
    return F.elu(tensor(x), node.get("alpha", 1.0))


def _gelu(node, x):
    return F.gelu(tensor(x), node.get("approximate", "none"))


def _softplus(node, x):
    x = tensor(x)
    return F.relu(x) + F.log(1 + F.exp(-F.abs(x)))


def _softmax(name):
    function = called(name)

    def run(node, x):
        x = tensor(x)
        if node.opset >= 13:
            return function(x, node.get("axis", -1))
        axis = node.get("axis", 1) % x.ndim  # earlier opsets flatten from this axis on
        rows = math.prod(x.shape[:axis])
        return F.reshape(function(F.reshape(x, (rows, -1)), 1), x.shape)

    return run


def _selu(node, x):
    alpha, gamma = node.get("alpha", 1.67326319217681884765625), node.get("gamma", 1.05070102214813232421875)
    return F.elu(tensor(x), alpha) * gamma


def _celu(node, x):
    """max(0, x) + min(0, alpha (exp(x / alpha) - 1))."""
    alpha = node.get("alpha", 1.0)
    return F.elu(tensor(x) / alpha, 1.0) * alpha


def _thresholded_relu(node, x):
    x = tensor(x)
    return F.where(x > node.get("alpha", 1.0), x, 0.0)


ACTIVATIONS: dict[str, Operator] = {
    "Relu": lambda node, x: F.relu(tensor(x)),
    "Sigmoid": lambda node, x: F.sigmoid(tensor(x)),
    "Tanh": lambda node, x: F.tanh(tensor(x)),
    "Softplus": _softplus,
    "Clip": _clip,
    "LeakyRelu": _leaky_relu,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _hard_swish,
    "PRelu": _prelu,
    "Elu": _elu,
    "Gelu": _gelu,
    "Softmax": _softmax("softmax"),
    "LogSoftmax": _softmax("log_softmax"),
    "Selu": _selu,
    "Celu": _celu,
    "ThresholdedRelu": _thresholded_relu,
    "Softsign": lambda node, x: tensor(x) / (1 + F.abs(tensor(x))),
    "Mish": lambda node, x: tensor(x) * F.tanh(_softplus(node, x)),
    "Swish": lambda node, x: tensor(x) * F.sigmoid(tensor(x) * node.get("alpha", 1.0)),
}
