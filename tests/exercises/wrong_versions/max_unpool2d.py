"""Wrong answers to max_unpool2d."""

import numpy as np


def twice(y, index, size):
    "lost row from floor | rows or columns"
    N, C, h, w = y.shape
    x = np.zeros((N, C, 2 * h, 2 * w))
    for n, c, i, j in np.ndindex(*y.shape):
        r, q = divmod(index[n, c, i, j], size[1])
        x[n, c, r, q] = y[n, c, i, j]
    return x


def flat_batch(y, index, size):
    "whole array"
    x = np.zeros(y.shape[:2] + tuple(size))
    x.reshape(-1)[index.reshape(-1)] = y.reshape(-1)
    return x


def repeated(y, index, size):
    "repeated"
    x = np.zeros(y.shape[:2] + tuple(size))
    sh, sw = size[0] // y.shape[2], size[1] // y.shape[3]
    up = y.repeat(sh, axis=2).repeat(sw, axis=3)
    x[:, :, : up.shape[2], : up.shape[3]] = up
    return x


def corner(y, index, size):
    "corner"
    x = np.zeros(y.shape[:2] + tuple(size))
    for n, c, i, j in np.ndindex(*y.shape):
        x[n, c, i * (size[0] // y.shape[2]), j * (size[1] // y.shape[3])] = y[n, c, i, j]
    return x


def ones(y, index, size):
    "1 is written"
    x = np.zeros((*y.shape[:2], size[0] * size[1]))
    np.put_along_axis(x, index.reshape(*y.shape[:2], -1), 1.0, 2)
    return x.reshape(*y.shape[:2], *size)


def first_index(y, index, size):
    "index of the first"
    x = np.zeros((*y.shape[:2], size[0] * size[1]))
    for n in range(len(y)):
        for c in range(y.shape[1]):
            x[n, c, index[n, 0].ravel()] = y[n, c].ravel()
    return x.reshape(*y.shape[:2], *size)


def only_first_image(y, index, size):
    "later images are empty"
    x = np.zeros((*y.shape[:2], size[0] * size[1]))
    for n in range(len(y)):
        for c in range(y.shape[1]):
            x[n, c, index[n, c].ravel()] = y[n, c].ravel()
        break
    return x.reshape(*y.shape[:2], *size)


def channel_zero_index(y, index, size):
    "index of the first"
    (N, C, _, _), (H, W) = (y.shape, size)
    x = np.zeros((N, C, H * W))
    i = np.broadcast_to(index[:, :1], index.shape)
    np.put_along_axis(x, i.reshape(N, C, -1), y.reshape(N, C, -1), 2)
    return x.reshape(N, C, H, W)
