"""Features of fixed size from boxes of any size, each pooled from the pyramid level of its size (Lin et al. 2017, 4.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ... import functional as F
from ... import nn
from ...autograd.tensor import Tensor
from ...typing import Array
from .boxes import with_image


class MultiScaleRoIPool(nn.Module):
    """Boxes in image pixels -> (R, C, output_size, output_size) from the levels `names`.

    pooling: "align" (He et al. 2017, section 3: bilinear, `sampling_ratio`^2 samples a bin) or "pool" (Girshick 2015,
    section 2.1: the maximum over bins whose corners are rounded to whole cells).

    A box of area a is pooled from level floor(canonical_level + log2(sqrt(a) / canonical_scale)), clamped to the levels that
    exist; level l has stride 2^l. By default boxes of 224 pixels, ImageNet's image size, are pooled at stride 16.
    """

    def __init__(
        self,
        names: Sequence[str],
        output_size: int,
        sampling_ratio: int = 2,
        pooling: str = "align",
        canonical_scale: int = 224,
        canonical_level: int = 4,
    ) -> None:
        super().__init__()
        if pooling not in ("align", "pool"):
            raise ValueError(f"MultiScaleRoIPool: pooling is {pooling!r}; needed 'align' or 'pool'")
        self.names, self.pooling = list(names), pooling
        self.output_size, self.sampling_ratio = output_size, sampling_ratio
        self.canonical_scale, self.canonical_level = canonical_scale, canonical_level

    def scales(self, features: Mapping[str, Tensor], sizes: Sequence[tuple[int, int]]) -> list[float]:
        """Feature cells per pixel of each level, the nearest power of two, for images of `sizes`."""
        H = max(h for h, _ in sizes)
        return [float(2.0 ** np.round(np.log2(features[name].shape[2] / H))) for name in self.names]

    def levels(self, boxes: Array, scales: Sequence[float]) -> Array:
        """The position in `names` that each of the boxes (R, 4) is pooled from."""
        side = np.sqrt((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
        first, last = (-int(np.log2(scales[k])) for k in (0, -1))
        level = np.floor(self.canonical_level + np.log2(np.maximum(side, 1e-9) / self.canonical_scale) + 1e-6)
        return np.clip(level, first, last).astype(np.int64) - first

    def forward(
        self, features: Mapping[str, Tensor], boxes: Sequence[Array], sizes: Sequence[tuple[int, int]]
    ) -> Tensor:
        """features {level: map}; boxes: a list of (R_n, 4) arrays, one per image; sizes: [(h, w)] of the images."""
        rois, scales = with_image(boxes), self.scales(features, sizes)
        level = self.levels(rois[:, 1:], scales)
        order, pieces = [], []
        for k, (name, scale) in enumerate(zip(self.names, scales)):
            here = np.flatnonzero(level == k)
            if len(here) or (k == 0 and not len(rois)):
                order.append(here)
                pieces.append(self.pool(features[name], Tensor(rois[here]), scale))
        if len(pieces) == 1:
            return pieces[0]
        return F.cat(pieces)[np.argsort(np.concatenate(order))]

    def pool(self, x: Tensor, rois: Tensor, scale: float) -> Tensor:
        """One level's features of `rois` (R, 5)."""
        if self.pooling == "pool":
            return F.roi_pool(x, rois, self.output_size, scale)
        return F.roi_align(x, rois, self.output_size, scale, self.sampling_ratio)

    def extra_repr(self) -> str:
        return f"{self.names}, output_size={self.output_size}, pooling={self.pooling!r}"
