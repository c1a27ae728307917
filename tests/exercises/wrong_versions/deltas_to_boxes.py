"""Wrong answers to deltas_to_boxes."""

import numpy as np


def _made(anchors, deltas, size, grow=np.exp, half=0.5, clip=True, own=False, corner=False, flip=False):
    H, W = size
    out = np.zeros(anchors.shape)
    for i, ((x1, y1, x2, y2), (dx, dy, dw, dh)) in enumerate(zip(anchors, deltas)):
        w, h = x2 - x1, y2 - y1
        nw, nh = w * grow(dw), h * grow(dh)
        cx, cy = (x1, y1) if corner else (x1 + w / 2, y1 + h / 2)
        cx, cy = cx + dx * (nw if own else w), cy + dy * (nh if own else h)
        box = [cx - half * nw, cy - half * nh, cx + half * nw, cy + half * nh]
        if clip:
            X, Y = (H, W) if flip else (W, H)
            box = [min(max(v, 0), X if k % 2 == 0 else Y) for k, v in enumerate(box)]
        out[i] = box
    return out


def not_clipped(anchors, deltas, size):
    "not clipped"
    return _made(anchors, deltas, size, clip=False)


def clipped_wrongly(anchors, deltas, size):
    "H and W are exchanged"
    return _made(anchors, deltas, size, flip=True)


def no_exp(anchors, deltas, size):
    "exp is missing"
    return _made(anchors, deltas, size, grow=lambda d: 1 + d)


def whole_size(anchors, deltas, size):
    "whole size"
    return _made(anchors, deltas, size, half=1)


def from_the_corner(anchors, deltas, size):
    "corner is taken for its centre"
    return _made(anchors, deltas, size, corner=True)


def new_size(anchors, deltas, size):
    "new size"
    return _made(anchors, deltas, size, own=True)


def base_two(anchors, deltas, size):
    "base"
    return _made(anchors, deltas, size, grow=lambda d: 2**d)


def centre_form(anchors, deltas, size):
    "centre and size"
    b = _made(anchors, deltas, size, clip=False)
    return np.stack([(b[:, 0] + b[:, 2]) / 2, (b[:, 1] + b[:, 3]) / 2, b[:, 2] - b[:, 0], b[:, 3] - b[:, 1]], 1)


def to_integers(anchors, deltas, size):
    "rounded | whole numbers"
    return np.round(_made(anchors, deltas, size))


def edits_the_anchors(anchors, deltas, size):
    "in place"
    anchors[:, 2:] -= anchors[:, :2]
    return anchors


def clipped_one_less(anchors, deltas, size):
    "H - 1 and W - 1"
    H, W = size
    s = anchors[:, 2:] - anchors[:, :2]
    c = anchors[:, :2] + s / 2 + deltas[:, :2] * s
    h = s * np.exp(deltas[:, 2:]) / 2
    return np.clip(np.concatenate([c - h, c + h], 1), 0, [W - 1, H - 1, W - 1, H - 1])


def corner_and_size(anchors, deltas, size):
    "corner and size"
    H, W = size
    s = anchors[:, 2:] - anchors[:, :2]
    c = anchors[:, :2] + s / 2 + deltas[:, :2] * s
    h = s * np.exp(deltas[:, 2:]) / 2
    b = np.clip(np.concatenate([c - h, c + h], 1), 0, [W, H, W, H])
    b[:, 2:] -= b[:, :2]
    return b
