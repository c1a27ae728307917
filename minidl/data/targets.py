"""Targets of an image: a mask (H x W), or a dictionary of instances as torchvision's detectors take it.

The dictionary: boxes (K x 4 float32: x1, y1, x2, y2 at pixel edges), labels (K int64), masks (K x H x W uint8), iscrowd
(K int64), area (K float64: pixels), image_id; boxes or masks are required, the rest is optional. The datasets here
return all of them. Changes of geometry recompute the boxes from the masks, if there are any; areas change in proportion to
the masks, or to the boxes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..typing import Array, ArrayLike
from .types import Target

PER_INSTANCE = ("boxes", "labels", "masks", "iscrowd", "area", "scores")


def mask_boxes(masks: ArrayLike) -> Array:
    """Tight boxes (x1, y1, x2, y2; pixel edges, so x2 - x1 is the width) of K x H x W masks, K x 4 float32.

    An empty mask has the box 0, 0, 0, 0.
    """
    planes: Any = np.asarray(masks, dtype=bool)
    sides = []
    for axis in (1, 2):  # nonempty columns, then nonempty rows
        line = planes.any(axis=axis)
        sides += [line.argmax(axis=1), (line.shape[1] - line[:, ::-1].argmax(axis=1)) * line.any(axis=1)]
    x1, x2, y1, y2 = sides
    return np.stack([x1, y1, x2, y2], axis=1).astype(np.float32)


def _pixels(target):
    """K: the area of each mask, or of each box."""
    if "masks" in target:
        return np.count_nonzero(target["masks"], axis=(1, 2)).astype(np.float64)
    x1, y1, x2, y2 = np.asarray(target["boxes"], np.float64).reshape(-1, 4).T
    return (x2 - x1) * (y2 - y1)


def change(target: Target, labels: Callable[[Array], Array], boxes: Callable[[Array], Array]) -> Target:
    """The target after a change of geometry: `labels` maps ... x H x W label arrays, `boxes` K x 4 arrays.

    Instances whose mask or box is empty after the change are dropped.
    """
    if not isinstance(target, dict):
        return labels(target)
    target, before = dict(target), _pixels(target)
    if "masks" in target:
        target["masks"] = labels(target["masks"])
        target["boxes"] = mask_boxes(target["masks"])
    else:
        target["boxes"] = boxes(np.asarray(target["boxes"], np.float32).reshape(-1, 4)).astype(np.float32)
    if "area" in target:
        share = np.divide(_pixels(target), before, out=np.zeros(len(before)), where=before > 0)
        target["area"] = np.asarray(target["area"], np.float64) * share
    x1, y1, x2, y2 = target["boxes"].T
    left = (x2 > x1) & (y2 > y1)
    return target | {key: np.asarray(target[key])[left] for key in PER_INSTANCE if key in target}
