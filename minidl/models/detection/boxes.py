"""Boxes between the stages: what `functional` says of Tensors, for the arrays that no gradient passes through."""

import numpy as np

from ... import functional as F

UNIT = (1.0, 1.0, 1.0, 1.0)


def box_iou(a, b):
    """(K, 4), (B, 4) -> (K, B)."""
    return F.box_iou(a, b).data


def encode(boxes, proposals, weights=UNIT):
    """The deltas that turn `proposals` into `boxes`, both (R, 4)."""
    return F.encode_boxes(boxes, proposals, weights).data


def decode(deltas, boxes, weights=UNIT):
    """`boxes` (R, 4) moved by `deltas` (R, 4)."""
    return F.decode_boxes(deltas, boxes, weights).data


def clip(boxes, size):
    """Boxes cut at the borders of an image of `size` (H, W)."""
    return F.clip_boxes_to_image(boxes, size).data


def large(boxes, side):
    """Which boxes have both sides of at least `side`: (R,) bool."""
    return (boxes[:, 2:] - boxes[:, :2] >= side).all(axis=1)


def suppress(boxes, scores, groups, iou_threshold):
    """Indices that NMS within each group keeps, best first."""
    return F.batched_nms(boxes, scores, groups, iou_threshold).data


def with_image(boxes):
    """Lists of (R_n, 4) per image -> (R, 5): image number, box."""
    numbers = np.repeat(np.arange(len(boxes), dtype=np.float32), [len(b) for b in boxes])
    return np.concatenate([numbers[:, None], np.concatenate(boxes)], axis=1)
