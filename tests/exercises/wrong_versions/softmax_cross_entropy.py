"""Wrong answers to softmax_cross_entropy."""

import numpy as np


def unstable(x, target):
    "overflows"
    e = np.exp(x)
    p = e / e.sum(axis=1, keepdims=True)
    n = np.arange(len(x))
    loss = -np.log(p[n, target]).mean()
    p[n, target] -= 1
    return loss, p / len(x)


def global_maximum(x, target):
    "largest score of all rows"
    e = np.exp(x - x.max())
    p = e / e.sum(axis=1, keepdims=True)
    n = np.arange(len(x))
    loss = -np.log(p[n, target]).mean()
    p[n, target] -= 1
    return loss, p / len(x)


def _right(x, target):
    x = x - x.max(1, keepdims=True)
    logp = x - np.log(np.exp(x).sum(1, keepdims=True))
    g = np.exp(logp)
    g[np.arange(len(x)), target] -= 1
    return logp, g


def summed(x, target):
    "must be their mean"
    logp, g = _right(x, target)
    return -logp[np.arange(len(x)), target].sum(), g / len(x)


def gradient_summed(x, target):
    "not divided by the number of rows"
    logp, g = _right(x, target)
    return -logp[np.arange(len(x)), target].mean(), g


def base_two(x, target):
    "base 2"
    logp, g = _right(x, target)
    return -(logp[np.arange(len(x)), target] / np.log(2)).mean(), g / len(x)


def base_ten(x, target):
    "base 10"
    logp, g = _right(x, target)
    return -(logp / np.log(10))[np.arange(len(x)), target].mean(), g / len(x)


def epsilon(x, target):
    "epsilon"
    e = np.exp(x - x.max(1, keepdims=True))
    p = e / e.sum(1, keepdims=True)
    onehot = np.eye(x.shape[1])[target]
    loss = -(onehot * np.log(p + 1e-9)).sum(1).mean()
    return loss, (p - onehot) / len(x)


def divides_by_all(x, target):
    "N K | number of all scores"
    logp, g = _right(x, target)
    onehot = np.eye(x.shape[1])[target]
    return -(onehot * logp).mean(), g / len(x)


def rows(x, target):
    "over the rows"
    e = np.exp(x - x.max(0))
    p = e / e.sum(0)
    onehot = np.eye(x.shape[1])[target]
    return -np.log(p)[np.arange(len(x)), target].mean(), (p - onehot) / len(x)


def no_one_hot(x, target):
    "not subtracted"
    logp, _ = _right(x, target)
    return -logp[np.arange(len(x)), target].mean(), np.exp(logp) / len(x)


def sign(x, target):
    "sign"
    logp, g = _right(x, target)
    return logp[np.arange(len(x)), target].mean(), g / len(x)


def gradient_sign(x, target):
    "sign of the gradient"
    logp, g = _right(x, target)
    return -logp[np.arange(len(x)), target].mean(), -g / len(x)


def log_gradient(x, target):
    "log softmax"
    logp, _ = _right(x, target)
    onehot = np.eye(x.shape[1])[target]
    return -logp[np.arange(len(x)), target].mean(), (logp - onehot) / len(x)


def by_classes(x, target):
    "number of classes"
    logp, g = _right(x, target)
    return -logp[np.arange(len(x)), target].mean(), g / x.shape[1]


def fancy_index(x, target):
    "wrong scores are picked"
    logp, g = _right(x, target)
    return -logp[:, target].mean(), g / len(x)


def changes_x(x, target):
    "in place"
    x -= x.max(1, keepdims=True)
    logp, g = _right(x, target)
    return -logp[np.arange(len(x)), target].mean(), g / len(x)


def from_one(x, target):
    "counted from 1"
    N = len(x)
    x = x - x.max(1, keepdims=True)
    lp = x - np.log(np.exp(x).sum(1, keepdims=True))
    gr = np.exp(lp)
    t = target - 1
    gr[np.arange(N), t] -= 1
    return (-lp[np.arange(N), t].mean(), gr / N)


def grad_mean_rows(x, target):
    "sum too many"
    N = len(x)
    x = x - x.max(1, keepdims=True)
    lp = x - np.log(np.exp(x).sum(1, keepdims=True))
    gr = np.exp(lp)
    gr[np.arange(N), target] -= 1
    return (-lp[np.arange(N), target].mean(), gr.mean(0))
