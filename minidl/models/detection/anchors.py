"""Anchors: reference boxes of a few sizes and shapes, the same around every cell (Ren et al. 2015, section 3.1.1)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...typing import Array


class AnchorGenerator:
    """Anchors of every size in `sizes[l]` and every ratio in `aspect_ratios[l]` at level l of the pyramid.

    Sizes are square roots of areas in pixels, ratios are height / width. The base boxes `base[l]` (A, 4) are centred on 0 and
    rounded to whole pixels, ordered by ratio, then size, as in torchvision. Level l has A anchors around the top left
    corner (0, 0), (stride, 0), ... of every cell.
    """

    def __init__(
        self,
        sizes: Sequence[Sequence[float]] = ((32,), (64,), (128,), (256,), (512,)),
        aspect_ratios: Sequence[Sequence[float]] = ((0.5, 1.0, 2.0),),
    ) -> None:
        if len(aspect_ratios) == 1:
            aspect_ratios = tuple(aspect_ratios) * len(sizes)
        if len(sizes) != len(aspect_ratios) or not all(map(len, (*sizes, *aspect_ratios))):
            raise ValueError(
                f"AnchorGenerator: sizes {sizes} and aspect_ratios {aspect_ratios}; needed one list per level"
            )
        if min(v for row in (*sizes, *aspect_ratios) for v in row) <= 0:
            raise ValueError(f"AnchorGenerator: sizes {sizes}, aspect_ratios {aspect_ratios}; needed positive numbers")
        self.base = [base_anchors(s, r) for s, r in zip(sizes, aspect_ratios)]

    @property
    def per_cell(self) -> list[int]:
        """The number of anchors around one cell, per level."""
        return [len(base) for base in self.base]

    def __call__(self, grids: Sequence[Sequence[int]], image_size: Sequence[int]) -> list[Array]:
        """A list of (H W A, 4) float32 boxes, one for each (H, W) of `grids`, over an image of `image_size` (height, width).

        Cells are ordered row by row, and the base boxes within a cell. The stride is image size // grid size on each axis.
        """
        if len(grids) != len(self.base):
            raise ValueError(
                f"AnchorGenerator: {len(grids)} feature maps given; needed {len(self.base)}, one per level"
            )
        levels = []
        for base, (H, W) in zip(self.base, grids):
            y, x = np.meshgrid(np.arange(H) * (image_size[0] // H), np.arange(W) * (image_size[1] // W), indexing="ij")
            corner = np.stack([x, y, x, y], axis=-1).reshape(-1, 1, 4).astype(np.float32)
            levels.append((corner + base).reshape(-1, 4))
        return levels


def base_anchors(sizes: Sequence[float], aspect_ratios: Sequence[float]) -> Array:
    """(R S, 4) boxes around 0: width s / sqrt(r), height s sqrt(r), corners rounded half to even."""
    root = np.sqrt(np.asarray(aspect_ratios, np.float32))[:, None]
    s = np.asarray(sizes, np.float32)
    w, h = ((1 / root) * s).ravel(), (root * s).ravel()
    return np.round(np.stack([-w, -h, w, h], axis=1) / 2)
