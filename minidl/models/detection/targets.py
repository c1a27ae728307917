"""Checks a detector's training targets: boxes, labels, masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ...autograd.tensor import Tensor
from ...backend.cuda import to_host
from ...typing import Array, TensorLike


def check_targets(
    targets: Sequence[Mapping[str, TensorLike]] | None, sizes: Sequence[Sequence[int]], num_classes: int, masks: bool
) -> list[dict[str, Array]]:
    """Copies of the dictionaries as arrays: boxes K x 4 float32, labels K int64 and, if `masks`, masks K x H x W uint8.

    targets: one dictionary per image, of arrays or Tensors; sizes: (H, W) of each image. Boxes may have any
    numeric dtype and lie partly outside the image; an image without objects has boxes (0, 4). Errors name the image.
    """
    if targets is None:
        raise ValueError("detector: targets is None; in training each image needs boxes and labels")
    if len(targets) != len(sizes):
        raise ValueError(f"detector: {len(targets)} targets given for {len(sizes)} images; needed one each")
    return [_check(k, target, size, num_classes, masks) for k, (target, size) in enumerate(zip(targets, sizes))]


def _check(k, target, size, num_classes, masks):
    needed = ("boxes", "labels", "masks")[: 3 if masks else 2]
    if missing := [name for name in needed if name not in target]:
        raise ValueError(f"detector: target of image {k} has no {' and no '.join(missing)}; it has {list(target)}")
    arrays = {name: _array(target[name]) for name in needed}
    boxes, labels = arrays["boxes"], arrays["labels"]
    if boxes.ndim != 2 or boxes.shape[1] != 4 or boxes.dtype.kind not in "iuf":
        raise ValueError(f"detector: boxes of image {k} are {boxes.dtype} {boxes.shape}; needed (K, 4) numbers")
    boxes = boxes.astype(np.float32)
    wrong = ~((boxes[:, 2:] > boxes[:, :2]).all(axis=1) & np.isfinite(boxes).all(axis=1))  # a NaN compares false
    if wrong.any():
        box = boxes[wrong.argmax()].tolist()
        raise ValueError(
            f"detector: image {k} has the box {box}, number {wrong.argmax()}; needed finite x1 < x2 and y1 < y2"
        )
    if labels.dtype.kind not in "iu" or labels.shape != (len(boxes),):
        raise ValueError(
            f"detector: labels of image {k} are {labels.dtype} {labels.shape}; needed {len(boxes)} integers, one per box"
        )
    if labels.size and not 1 <= labels.min() <= labels.max() < num_classes:
        raise ValueError(
            f"detector: labels of image {k} are {labels.min()}..{labels.max()}; needed 1..{num_classes - 1} "
            "(0 is the background)"
        )
    checked = {"boxes": boxes, "labels": labels.astype(np.int64)}
    if masks:
        m = arrays["masks"]
        if m.shape != (len(boxes), *size) or m.dtype.kind not in "biuf":
            raise ValueError(
                f"detector: masks of image {k} are {m.dtype} {m.shape}; needed {(len(boxes), *size)}: one per box, "
                "of the image's size"
            )
        if not ((m == 0) | (m == 1)).all():
            raise ValueError(f"detector: masks of image {k} contain values other than 0 and 1")
        checked["masks"] = m.astype(np.uint8)
    return checked


def _array(value):
    return to_host(value.data if isinstance(value, Tensor) else value)  # boxes are matched and drawn on the CPU
