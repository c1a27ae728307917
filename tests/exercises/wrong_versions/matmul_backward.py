"""Wrong answers to matmul_backward."""

import numpy as np


def no_sum(g, a, b):
    "missing sum over the batch"
    return g @ b.T, np.transpose(a, (0, 2, 1)) @ g


def assigned(g, a, b):
    "+= | last"
    gb = np.zeros_like(b)
    for n in range(len(a)):
        gb = a[n].T @ g[n]
    return g @ b.T, gb


def averaged(g, a, b):
    "averaged | mean"
    gb = sum(a[n].T @ g[n] for n in range(len(a))) / len(a)
    return g @ b.T, gb


def transposed(g, a, b):
    "transposed"
    return g @ b.T, np.einsum("nij,nik->jk", g, a)


def summed_first(g, a, b):
    "before the product"
    return g @ b.T, a.sum(axis=0).T @ g.sum(axis=0)


def order(g, a, b):
    "wrong order"
    return np.einsum("nik,nij->kj", a, g), g @ b.T


def misses_last(g, a, b):
    "last of the images is left out"
    gb = np.zeros_like(b)
    for n in range(len(a) - 1):
        gb += a[n].T @ g[n]
    return g @ b.T, gb


def maximum(g, a, b):
    "maxim"
    return g @ b.T, np.max(a.swapaxes(1, 2) @ g, axis=0)


def half(g, a, b):
    "everything is 0.5 times"
    return g @ b.T / 2, np.einsum("nik,nij->kj", a, g)


def g_left_out(g, a, b):
    "g is left out"
    return (np.ones_like(g) @ b.T, np.einsum("nik,nij->kj", a, np.ones_like(g)))
