"""Mirrored edges for networks with valid padding (Ronneberger et al. 2015, figure 2)."""

from __future__ import annotations

import numpy as np

from ...typing import Array
from ..types import Sample, Target
from .base import check_image


class MirrorPad:
    """Extends the image by reflection so that a network with valid padding returns a score for each of its pixels.

    margin: pixels that the network loses on each side; first, step: the network's valid input sizes are first + k step.
    The target is padded with `ignore_index` to the size of the image.
    """

    def __init__(self, margin: int, first: int, step: int, ignore_index: int = 255) -> None:
        self.margin, self.first, self.step, self.ignore_index = margin, first, step, ignore_index

    def __call__(self, image: Array, target: Target, rng: np.random.Generator | None = None) -> Sample:
        check_image(image, "MirrorPad")
        pads = []
        for n in image.shape[:2]:
            steps = max(-(-(n + 2 * self.margin - self.first) // self.step), 0)
            spare = self.first + steps * self.step - n
            pads.append((spare // 2, spare - spare // 2))
        image = np.pad(image, [*pads, (0, 0)], mode="symmetric" if min(image.shape[:2]) == 1 else "reflect")
        return image, np.pad(target, pads, constant_values=self.ignore_index)
