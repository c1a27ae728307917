"""Wrong answers to mean_field_step."""

import numpy as np


def _kernel(features, half=2.0, own=0.0):
    N = features.shape[1]
    k = np.zeros((N, N))
    for i in range(N):
        for j in range(N):
            d = features[:, i] - features[:, j]
            k[i, j] = np.exp(-np.dot(d, d) / half) if i != j else own
    return k


def _softmax(s, axis=0):
    e = np.exp(s - s.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def listens_to_itself(q, unary, features, weight):
    "itself"
    return _softmax(-unary + weight * q @ _kernel(features, own=1.0))


def without_two(q, unary, features, weight):
    "2 in the exponent"
    return _softmax(-unary + weight * q @ _kernel(features, half=1.0))


def sign(q, unary, features, weight):
    "sign of the message"
    return _softmax(-unary - weight * q @ _kernel(features))


def unary_sign(q, unary, features, weight):
    "sign of the unary"
    return _softmax(unary + weight * q @ _kernel(features))


def pixels(q, unary, features, weight):
    "over the pixels"
    return _softmax(-unary + weight * q @ _kernel(features), axis=1)


def no_weight(q, unary, features, weight):
    "weight is left out"
    return _softmax(-unary + q @ _kernel(features))


def weight_squared(q, unary, features, weight):
    "weight is squared"
    return _softmax(-unary + weight * weight * q @ _kernel(features))


def normalised(q, unary, features, weight):
    "normalised"
    k = _kernel(features)
    return _softmax(-unary + weight * (q @ k) / k.sum(0))


def global_maximum(q, unary, features, weight):
    "maximum of all scores"
    s = -unary + weight * q @ _kernel(features)
    e = np.exp(s - s.max())
    return e / e.sum(0)


def unstable(q, unary, features, weight):
    "subtract the largest score of each pixel | underflows"
    e = np.exp(-unary + weight * q @ _kernel(features))
    return e / e.sum(0)


def not_squared(q, unary, features, weight):
    "not squared"
    d = np.sqrt(((features[:, :, None] - features[:, None, :]) ** 2).sum(0))
    k = np.exp(-d / 2)
    np.fill_diagonal(k, 0)
    return _softmax(-unary + weight * q @ k)


def not_normalised(q, unary, features, weight):
    "not normalised | softmax is missing"
    return np.exp(-unary + weight * q @ _kernel(features))


def forgets_unary(q, unary, features, weight):
    "unary energies are left out"
    return _softmax(weight * q @ _kernel(features))


def mean_message(q, unary, features, weight):
    "mean"
    k = _kernel(features)
    return _softmax(-unary + weight * q @ k / (len(k) - 1))


def first_feature(q, unary, features, weight):
    "only the first feature"
    kernel = np.exp(-((features[:1, :, None] - features[:1, None]) ** 2).sum(0) / 2)
    np.fill_diagonal(kernel, 0)
    s = -unary + weight * q @ kernel
    e = np.exp(s - s.max(0))
    return e / e.sum(0)


def no_softmax(q, unary, features, weight):
    "softmax is missing"
    kernel = np.exp(-((features[:, :, None] - features[:, None]) ** 2).sum(0) / 2)
    np.fill_diagonal(kernel, 0)
    return -unary + weight * q @ kernel
