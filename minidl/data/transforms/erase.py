"""Random erasing: a rectangle of the image is filled with one colour, and its pixels are ignored."""

from __future__ import annotations

import numpy as np

from ...typing import Array
from ..types import Sample, Target
from .base import check_image, check_probability
from .geometry import fill_levels


class RandomErasing:
    """With probability p a random rectangle becomes the fill colour (DeVries & Taylor 2017; Zhong et al. 2020).

    scale: (minimum, maximum) share of the image's area; ratio: (minimum, maximum) height over width.
    ignore_index: the label of the rectangle in the mask; None keeps the mask. Masks of instances are kept.
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: tuple[float, float] = (0.02, 0.2),
        ratio: tuple[float, float] = (0.3, 3.3),
        ignore_index: int | None = 255,
    ) -> None:
        check_probability(p, "RandomErasing")
        if not 0 < scale[0] <= scale[1] <= 1 or not 0 < ratio[0] <= ratio[1]:
            raise ValueError(
                f"RandomErasing: scale {scale}, ratio {ratio}; needed 0 < minimum <= maximum, scale at most 1"
            )
        self.p, self.scale, self.ratio, self.ignore_index = p, scale, ratio, ignore_index

    def __call__(self, image: Array, target: Target, rng: np.random.Generator) -> Sample:
        check_image(image, "RandomErasing")
        if rng.random() >= self.p:
            return image, target
        H, W = image.shape[:2]
        area, ratio = rng.uniform(*self.scale) * H * W, np.exp(rng.uniform(*np.log(self.ratio)))
        h, w = min(max(round(np.sqrt(area * ratio)), 1), H), min(max(round(np.sqrt(area / ratio)), 1), W)
        top, left = int(rng.integers(H - h + 1)), int(rng.integers(W - w + 1))
        image, there = image.copy(), np.s_[top : top + h, left : left + w]
        image[there] = fill_levels(None, image)
        if self.ignore_index is not None and not isinstance(target, dict):
            target = target.copy()
            target[there] = self.ignore_index
        return image, target
