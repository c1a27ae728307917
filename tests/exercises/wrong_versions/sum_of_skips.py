"""Wrong answers to sum_of_skips."""

import numpy as np

TENT = np.array([0.25, 0.75, 0.75, 0.25])


def _wide(coarse, f=TENT, add=True):
    N, K, h, w = coarse.shape
    out = np.zeros((N, K, 2 * h + 2, 2 * w + 2))
    kernel = np.outer(f, f)
    for a in range(h):
        for b in range(w):
            here = out[:, :, 2 * a : 2 * a + 4, 2 * b : 2 * b + 4]
            share = coarse[:, :, a, b][:, :, None, None] * kernel
            here[...] = here + share if add else share
    return out


def nearest(coarse, fine):
    "repeated"
    up = coarse.repeat(2, 2).repeat(2, 3)
    return up[:, :, : fine.shape[2], : fine.shape[3]] + fine


def not_cropped(coarse, fine):
    "starts at pixel -1"
    H, W = fine.shape[2:]
    return _wide(coarse)[:, :, :H, :W] + fine


def averaged(coarse, fine):
    "mean of both"
    H, W = fine.shape[2:]
    return (_wide(coarse)[:, :, 1 : 1 + H, 1 : 1 + W] + fine) / 2


def concatenated(coarse, fine):
    "concatenated"
    H, W = fine.shape[2:]
    return np.concatenate([_wide(coarse)[:, :, 1 : 1 + H, 1 : 1 + W], fine], axis=1)


def not_normalised(coarse, fine):
    "not normalised"
    H, W = fine.shape[2:]
    return _wide(coarse, np.array([1, 3, 3, 1.0]))[:, :, 1 : 1 + H, 1 : 1 + W] + fine


def last_rows(coarse, fine):
    "last rows and columns"
    H, W = fine.shape[2:]
    up = _wide(coarse)[:, :, 1:-1, 1:-1]
    return up[:, :, -H:, -W:] + fine


def overwrites(coarse, fine):
    "overwrite"
    H, W = fine.shape[2:]
    return _wide(coarse, add=False)[:, :, 1 : 1 + H, 1 : 1 + W] + fine


def forgets_fine(coarse, fine):
    "fine stream is left out"
    H, W = fine.shape[2:]
    return _wide(coarse)[:, :, 1 : 1 + H, 1 : 1 + W]


def product(coarse, fine):
    "product of both"
    (N, K, h, w), (H, W) = (coarse.shape, fine.shape[2:])
    f = np.array([1, 3, 3, 1]) / 4
    wide = np.zeros((N, K, 2 * h + 2, 2 * w + 2))
    for k in range(4):
        for l in range(4):
            wide[:, :, k : k + 2 * h - 1 : 2, l : l + 2 * w - 1 : 2] += f[k] * f[l] * coarse
    return wide[:, :, 1 : 1 + H, 1 : 1 + W] * fine
