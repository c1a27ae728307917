"""Mirrored edges for networks without padding (Ronneberger et al. 2015, figure 2)."""

from __future__ import annotations

import numpy as np

from ...typing import Array
from ..types import Sample, Target
from .base import check_image


class MirrorPad:
    """Continues image by reflection until a network without padding gives a score for every pixel of it.

    margin: pixels that the network loses on each side; first, step: it takes the sizes first + k step.
    The target grows by `ignore_index`, so that image and target keep one size.
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
