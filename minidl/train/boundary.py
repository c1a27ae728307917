"""Boundary IoU: the overlap of prediction and truth near their outlines (Cheng et al. 2021)."""

from __future__ import annotations

import numpy as np

from ..typing import Array, ArrayLike


class BoundaryIoU:
    """Per class |G_d & P_d| / |G_d | P_d| over all images: G_d, P_d are the pixels of truth and prediction within `width`
    pixels of their own outline; the edge of the image is part of the outline. Ignored pixels do not count.
    """

    def __init__(self, num_classes: int, width: int = 3, ignore_index: int | None = None) -> None:
        if width < 1:
            raise ValueError(f"BoundaryIoU: width {width}; needed at least 1")
        self.num_classes, self.width, self.ignore_index = num_classes, width, ignore_index
        self.common, self.either = np.zeros(num_classes, np.int64), np.zeros(num_classes, np.int64)

    def update(self, prediction: ArrayLike, target: ArrayLike) -> BoundaryIoU:
        """Count one image, both H x W labels; returns self."""
        prediction, target = np.asarray(prediction), np.asarray(target)
        counts = np.ones(target.shape, bool) if self.ignore_index is None else target != self.ignore_index
        for k in np.union1d(np.unique(prediction), np.unique(target[counts])):
            if not 0 <= k < self.num_classes or k == self.ignore_index:
                continue
            ours, theirs = (self._band(labels == k) & counts for labels in (prediction, target))
            self.common[k] += np.count_nonzero(ours & theirs)
            self.either[k] += np.count_nonzero(ours | theirs)
        return self

    def _band(self, region: Array) -> Array:
        """The pixels of a region within `width` of its outline."""
        from scipy import ndimage

        return region & (ndimage.distance_transform_edt(np.pad(region, 1))[1:-1, 1:-1] <= self.width)

    def iou(self) -> Array:
        """K; nan for classes without a boundary in truth and prediction."""
        return np.divide(self.common, self.either, out=np.full(self.num_classes, np.nan), where=self.either > 0)

    def mean_iou(self) -> float:
        """Mean over the classes that have one."""
        scores = self.iou()
        return float(np.nanmean(scores)) if (self.either > 0).any() else float("nan")
