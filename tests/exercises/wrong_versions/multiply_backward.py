"""Wrong answers to multiply_backward; each says in its docstring what the cause must contain."""

import numpy as np


def forgets_everything(g, a, b):
    "forgotten unbroadcast"
    return g * b, g * a


def sums_only_leading(g, a, b):
    "leading axes only"

    def fit(d, shape):
        while d.ndim > len(shape):
            d = d.sum(axis=0)
        return d

    return fit(g * b, a.shape), fit(g * a, b.shape)


def takes_a_slice(g, a, b):
    "slice"

    def fit(d, shape):
        while d.ndim > len(shape):
            d = d[0]
        for i, n in enumerate(shape):
            if n == 1:
                d = np.take(d, [0], axis=i)
        return d

    return fit(g * b, a.shape), fit(g * a, b.shape)


def averages(g, a, b):
    "averaged"

    def fit(d, shape):
        while d.ndim > len(shape):
            d = d.mean(0)
        for i, n in enumerate(shape):
            if n == 1:
                d = d.mean(i, keepdims=True)
        return d

    return fit(g * b, a.shape), fit(g * a, b.shape)


def swapped(g, a, b):
    "exchanged"

    def fit(d, shape):
        d = d.sum(tuple(range(d.ndim - len(shape))))
        return d.sum(tuple(i for i, n in enumerate(shape) if n == 1), keepdims=True)

    return fit(g * a, a.shape), fit(g * b, b.shape)


def returned_in_the_wrong_order(g, a, b):
    "wrong order"

    def fit(d, shape):
        d = d.sum(tuple(range(d.ndim - len(shape))))
        return d.sum(tuple(i for i, n in enumerate(shape) if n == 1), keepdims=True)

    return fit(g * a, b.shape), fit(g * b, a.shape)


def forgets_keepdims(g, a, b):
    "keepdims"

    def fit(d, shape):
        d = d.sum(tuple(range(d.ndim - len(shape))))
        axes = tuple(i for i, n in enumerate(shape) if n == 1 and d.shape[i] != 1)
        return d.sum(axes) if axes else d

    return fit(g * b, a.shape), fit(g * a, b.shape)


def leaves_g_out(g, a, b):
    "g is left out"

    def fit(d, shape):
        d = d.sum(tuple(range(d.ndim - len(shape))))
        return d.sum(tuple(i for i, n in enumerate(shape) if n == 1), keepdims=True)

    one = np.ones(g.shape)
    return fit(one * b, a.shape), fit(one * a, b.shape)


def in_float32(g, a, b):
    "float32"

    def fit(d, shape):
        d = d.sum(tuple(range(d.ndim - len(shape))))
        return d.sum(tuple(i for i, n in enumerate(shape) if n == 1), keepdims=True)

    g, a, b = (np.asarray(v, np.float32) for v in (g, a, b))
    return fit(g * b, a.shape), fit(g * a, b.shape)


def only_b_forgotten(g, a, b):
    "unbroadcast"
    d = g * b
    d = d.sum(tuple(range(d.ndim - a.ndim)))
    return d.sum(tuple(i for i, n in enumerate(a.shape) if n == 1), keepdims=True), g * a


def maximum_over_copies(g, a, b):
    "maximum is taken"

    def un(v, like):
        while v.ndim > like.ndim:
            v = v.max(0)
        for ax, n in enumerate(like.shape):
            if n == 1 and v.shape[ax] > 1:
                v = v.max(ax, keepdims=True)
        return v

    return (un(g * b, a), un(g * a, b))
