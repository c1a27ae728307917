"""Brings images of any size into one batch, and detections in the batch back to the images."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from ... import functional as F
from ... import nn
from ...autograd.tensor import Tensor
from ...backend import like, random
from ...typing import Array


class DetectionTransform(nn.Module):
    """Normalise, resize so that the shorter side is `min_size` and the longer at most `max_size`, pad to one size.

    min_size: one number, or several, of which training draws one for each image and evaluation takes the last; None keeps
    the size. The batch has the size of its largest image, rounded up to a multiple of `size_divisible`; images lie at the top
    left, padded with zeros (the mean colour). The same steps as torchvision's GeneralizedRCNNTransform.
    """

    def __init__(
        self,
        min_size: int | Sequence[int] | None = 800,
        max_size: int = 1333,
        image_mean: Sequence[float] | None = None,
        image_std: Sequence[float] | None = None,
        size_divisible: int = 32,
    ) -> None:
        super().__init__()
        self.min_size = (min_size,) if isinstance(min_size, int | None) else tuple(min_size)
        self.max_size, self.size_divisible = max_size, size_divisible
        self.mean = np.asarray((0.485, 0.456, 0.406) if image_mean is None else image_mean, np.float32)
        self.std = np.asarray((0.229, 0.224, 0.225) if image_std is None else image_std, np.float32)

    def forward(
        self, images: Sequence[Tensor], targets: Sequence[Mapping[str, Array]] | None = None
    ) -> tuple[Tensor, list[tuple[int, int]], Sequence[Mapping[str, Array]] | None]:
        """(batch Tensor N x C x H x W, [(h, w) of each image in it], targets with boxes and masks at that size)."""
        images = [self.normalise(image) for image in images]
        sizes = [self.new_size(*image.shape[1:]) for image in images]
        resized = [resize_image(image, size) for image, size in zip(images, sizes)]
        if targets is not None:
            targets = [resize_target(t, x.shape[1:], size) for t, x, size in zip(targets, images, sizes)]
        multiple = self.size_divisible
        H, W = (-(-max(side) // multiple) * multiple for side in zip(*sizes))
        padded = [F.pad(x, (0, W - x.shape[2], 0, H - x.shape[1])) for x in resized]
        return F.stack(padded), sizes, targets

    def normalise(self, image: Tensor) -> Tensor:
        """(image - mean) / std per channel."""
        mean, std = (like(v.astype(image.dtype)[:, None, None], image.data) for v in (self.mean, self.std))
        return (image - Tensor(mean)) * Tensor(1 / std)

    def new_size(self, h: int, w: int) -> tuple[int, int]:
        """The size to which an image of (h, w) is resized."""
        choice = (
            int(random.generator().integers(len(self.min_size))) if self.training and len(self.min_size) > 1 else -1
        )
        shorter = self.min_size[choice]
        if shorter is None:
            return h, w
        factor = min(shorter / min(h, w), self.max_size / max(h, w))
        return max(math.floor(h * factor), 1), max(math.floor(w * factor), 1)

    def restore(
        self,
        detections: Sequence[Mapping[str, Tensor]],
        sizes: Sequence[tuple[int, int]],
        originals: Sequence[Sequence[int]],
    ) -> list[dict[str, Tensor]]:
        """Detections in the batch -> detections in the original images: boxes scaled, masks pasted."""
        restored = []
        for found, size, original in zip(detections, sizes, originals):
            found = dict(found) | {"boxes": Tensor(resize_boxes(found["boxes"].data, size, original))}
            if "masks" in found:
                found["masks"] = F.paste_masks(found["masks"], found["boxes"], original)
            restored.append(found)
        return restored


def resize_image(image: Tensor, size: Sequence[int]) -> Tensor:
    """C x H x W to C x h x w, bilinear."""
    if image.shape[1:] == tuple(size):
        return image
    return F.squeeze(F.interpolate(F.unsqueeze(image, 0), size, mode="bilinear", align_corners=False), 0)


def resize_boxes(boxes: Array, old: Sequence[int], new: Sequence[int]) -> Array:
    """Boxes in an image of size `old` (H, W) -> the same in one of size `new`, float32."""
    y, x = (np.float32(n) / np.float32(o) for n, o in zip(new, old))
    return boxes * np.array([x, y, x, y], np.float32)


def resize_target(target: Mapping[str, Array], old: Sequence[int], new: Sequence[int]) -> dict[str, Array]:
    """A target for the resized image: boxes scaled, masks resized to the nearest pixel."""
    target = dict(target) | {"boxes": resize_boxes(target["boxes"], old, new)}
    if "masks" in target and tuple(old) != tuple(new):
        rows, cols = (np.minimum(np.arange(n) * o // n, o - 1) for o, n in zip(old, new))
        target["masks"] = target["masks"][:, rows[:, None], cols]
    return target
