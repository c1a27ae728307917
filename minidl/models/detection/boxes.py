"""Box operations of `minidl.functional` on arrays, for the steps of a detector that have no gradient."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ... import functional as F
from ...typing import Array

UNIT = (1.0, 1.0, 1.0, 1.0)


def box_iou(a: Array, b: Array) -> Array:
    """(K, 4), (B, 4) -> (K, B)."""
    return F.box_iou(a, b).data


def encode(boxes: Array, proposals: Array, weights: Sequence[float] = UNIT) -> Array:
    """The deltas that turn `proposals` into `boxes`, both (R, 4)."""
    return F.encode_boxes(boxes, proposals, weights).data


def decode(deltas: Array, boxes: Array, weights: Sequence[float] = UNIT) -> Array:
    """`boxes` (R, 4) moved by `deltas` (R, 4)."""
    return F.decode_boxes(deltas, boxes, weights).data


def clip(boxes: Array, size: Sequence[int]) -> Array:
    """Boxes cut at the borders of an image of `size` (H, W)."""
    return F.clip_boxes_to_image(boxes, size).data


def large(boxes: Array, side: float) -> Array:
    """Which boxes have both sides of at least `side`: (R,) bool."""
    return (boxes[:, 2:] - boxes[:, :2] >= side).all(axis=1)


def suppress(boxes: Array, scores: Array, groups: Array, iou_threshold: float) -> Array:
    """Indices that NMS within each group keeps, best first."""
    return F.batched_nms(boxes, scores, groups, iou_threshold).data


def with_image(boxes: Sequence[Array]) -> Array:
    """Lists of (R_n, 4) per image -> (R, 5): image number, box."""
    numbers = np.repeat(np.arange(len(boxes), dtype=np.float32), [len(b) for b in boxes])
    return np.concatenate([numbers[:, None], np.concatenate(boxes)], axis=1)
