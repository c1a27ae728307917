"""Wrong answers to boxes_to_deltas."""

import numpy as np


def _cs(b):
    w, h = b[:, 2] - b[:, 0], b[:, 3] - b[:, 1]
    return b[:, 0] + w / 2, b[:, 1] + h / 2, w, h


def exchanged(anchors, boxes):
    "exchanged"
    (x, y, w, h), (a, b, c, d) = _cs(anchors), _cs(boxes)
    return np.stack([(x - a) / c, (y - b) / d, np.log(w / c), np.log(h / d)], 1)


def no_log(anchors, boxes):
    "logarithm is missing"
    (a, b, c, d), (x, y, w, h) = _cs(anchors), _cs(boxes)
    return np.stack([(x - a) / c, (y - b) / d, w / c, h / d], 1)


def log_two(anchors, boxes):
    "base 2"
    (a, b, c, d), (x, y, w, h) = _cs(anchors), _cs(boxes)
    return np.stack([(x - a) / c, (y - b) / d, np.log2(w / c), np.log2(h / d)], 1)


def corners(anchors, boxes):
    "corners are taken for centres"
    (_, _, c, d), (_, _, w, h) = _cs(anchors), _cs(boxes)
    dx, dy = (boxes[:, 0] - anchors[:, 0]) / c, (boxes[:, 1] - anchors[:, 1]) / d
    return np.stack([dx, dy, np.log(w / c), np.log(h / d)], 1)


def own_size(anchors, boxes):
    "size of the box"
    (a, b, c, d), (x, y, w, h) = _cs(anchors), _cs(boxes)
    return np.stack([(x - a) / w, (y - b) / h, np.log(w / c), np.log(h / d)], 1)


def not_divided(anchors, boxes):
    "not divided"
    (a, b, c, d), (x, y, w, h) = _cs(anchors), _cs(boxes)
    return np.stack([x - a, y - b, np.log(w / c), np.log(h / d)], 1)


def plus_one(anchors, boxes):
    "one pixel larger"

    def cs(b):
        w, h = b[:, 2] - b[:, 0] + 1, b[:, 3] - b[:, 1] + 1
        return b[:, 0] + w / 2, b[:, 1] + h / 2, w, h

    (a, b, c, d), (x, y, w, h) = cs(anchors), cs(boxes)
    return np.stack([(x - a) / c, (y - b) / d, np.log(w / c), np.log(h / d)], 1)


def wide_box(anchors, boxes):
    "x, y, width, height"

    def cs(b):
        return b[:, 0] + b[:, 2] / 2, b[:, 1] + b[:, 3] / 2, b[:, 2], b[:, 3]

    (a, b, c, d), (x, y, w, h) = cs(anchors), cs(boxes)
    return np.stack([(x - a) / c, (y - b) / d, np.log(w / c), np.log(h / d)], 1)


def four_rows(anchors, boxes):
    "one row for each"
    (a, b, c, d), (x, y, w, h) = _cs(anchors), _cs(boxes)
    return np.stack([(x - a) / c, (y - b) / d, np.log(w / c), np.log(h / d)])


def order(anchors, boxes):
    "x and y are exchanged | another order"
    (a, b, c, d), (x, y, w, h) = _cs(anchors), _cs(boxes)
    return np.stack([(y - b) / d, (x - a) / c, np.log(h / d), np.log(w / c)], 1)


def _other_cs(b):
    s = b[:, 2:] - b[:, :2]
    return (b[:, :2] + s / 2, s)


def divides_by_the_other(anchors, boxes):
    "width and height are exchanged"
    (o, own), (c, s) = (_other_cs(anchors), _other_cs(boxes))
    return np.concatenate([(c - o) / own[:, ::-1], np.log(s / own)], 1)
