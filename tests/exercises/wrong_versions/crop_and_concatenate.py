"""Wrong answers to crop_and_concatenate."""

import numpy as np


def up_first(up, skip):
    "order of the channels"
    h, w = up.shape[2:]
    t, l = (skip.shape[2] - h) // 2, (skip.shape[3] - w) // 2
    return np.concatenate([up, skip[:, :, t : t + h, l : l + w]], axis=1)


def top_left(up, skip):
    "top left"
    h, w = up.shape[2:]
    return np.concatenate([skip[:, :, :h, :w], up], axis=1)


def rounds_up(up, skip):
    "rounded up"
    h, w = up.shape[2:]
    t, l = (skip.shape[2] - h + 1) // 2, (skip.shape[3] - w + 1) // 2
    return np.concatenate([skip[:, :, t : t + h, l : l + w], up], axis=1)


def minus(up, skip):
    "ValueError"
    h, w = up.shape[2:]
    t, l = (skip.shape[2] - h) // 2, (skip.shape[3] - w) // 2
    return np.concatenate([skip[:, :, t:-t, l:-l], up], axis=1)


def no_up(up, skip):
    "up is left out"
    h, w = up.shape[2:]
    t, l = (skip.shape[2] - h) // 2, (skip.shape[3] - w) // 2
    return skip[:, :, t : t + h, l : l + w]


def pads_up(up, skip):
    "padded to the size of skip"
    (h, w), (H, W) = up.shape[2:], skip.shape[2:]
    t, l = (H - h) // 2, (W - w) // 2
    big = np.zeros((*up.shape[:2], H, W))
    big[:, :, t : t + h, l : l + w] = up
    return np.concatenate([skip, big], axis=1)


def resizes(up, skip):
    "resized"
    h, w = up.shape[2:]
    rows = np.arange(h) * skip.shape[2] // h
    columns = np.arange(w) * skip.shape[3] // w
    return np.concatenate([skip[:, :, rows][:, :, :, columns], up], axis=1)


def bottom_right(up, skip):
    "bottom right"
    h, w = up.shape[2:]
    return np.concatenate([skip[:, :, -h:, -w:], up], 1)


def crop_exchanged(up, skip):
    "rows and columns of the crop"
    (h, w), (H, W) = (up.shape[2:], skip.shape[2:])
    t, l = ((H - h) // 2, (W - w) // 2)
    return np.concatenate([skip[:, :, l : l + h, t : t + w], up], 1)
