"""Targets that go with an image: a mask (H x W), or a dictionary of instances as torchvision's detectors take it.

The dictionary: boxes (K x 4 float32: x1, y1, x2, y2 at pixel edges), labels (K), masks (K x H x W), each optional but
one of boxes and masks, and anything else. Where there are masks, boxes follow them through every change of geometry.
"""

import numpy as np

PER_INSTANCE = ("boxes", "labels", "masks", "iscrowd", "scores")


def mask_boxes(masks):
    """Tight boxes (x1, y1, x2, y2; pixel edges, so x2 - x1 is the width) of K x H x W masks, K x 4 float32.

    An empty mask has the box 0, 0, 0, 0.
    """
    masks = np.asarray(masks, dtype=bool)
    sides = []
    for axis in (1, 2):  # columns, then rows, that hold anything
        line = masks.any(axis=axis)
        sides += [line.argmax(axis=1), (line.shape[1] - line[:, ::-1].argmax(axis=1)) * line.any(axis=1)]
    x1, x2, y1, y2 = sides
    return np.stack([x1, y1, x2, y2], axis=1).astype(np.float32)


def change(target, labels, boxes):
    """The target after a change of geometry: `labels` maps ... x H x W label arrays, `boxes` K x 4 arrays.

    Instances of which nothing is left are dropped.
    """
    if not isinstance(target, dict):
        return labels(target)
    target = dict(target)
    if "masks" in target:
        target["masks"] = labels(target["masks"])
        target["boxes"] = mask_boxes(target["masks"])
    else:
        target["boxes"] = boxes(np.asarray(target["boxes"], np.float32).reshape(-1, 4)).astype(np.float32)
    x1, y1, x2, y2 = target["boxes"].T
    left = (x2 > x1) & (y2 > y1)
    return target | {key: np.asarray(target[key])[left] for key in PER_INSTANCE if key in target}
