"""U-Net's weight map: pixels in narrow gaps between objects get a larger weight (Ronneberger et al. 2015, equation 2)."""

from __future__ import annotations

import numpy as np

from ..typing import Array

REACH = 4.0  # in units of sigma: where d1 + d2 is larger the weight, below 0.0004 w0, is taken as 0


def border_weights(labels: Array, w0: float = 10.0, sigma: float = 5.0, ignore_index: int = 255) -> Array:
    """w0 exp(-(d1 + d2)^2 / (2 sigma^2)) at background pixels, 0 at others: H x W float32.

    d1, d2: distances in pixels to the nearest and the second nearest object; an object is a connected region (8
    neighbours) of labels other than 0 and `ignore_index`. All zeros for fewer than two objects.
    """
    from scipy import ndimage

    labels = np.asarray(labels)
    objects = (labels != 0) & (labels != ignore_index)
    numbered, count = ndimage.label(objects, structure=np.ones((3, 3)))
    nearest = np.full(labels.shape, np.inf, np.float32)
    second = nearest.copy()
    margin = int(np.ceil(REACH * sigma))
    for k, box in enumerate(ndimage.find_objects(numbered), 1):
        window = tuple(
            slice(max(side.start - margin, 0), min(side.stop + margin, n)) for side, n in zip(box, labels.shape)
        )
        distance = ndimage.distance_transform_edt(numbered[window] != k).astype(np.float32)
        one, two = nearest[window], second[window]
        two[:] = np.minimum(two, np.maximum(one, distance))
        one[:] = np.minimum(one, distance)
    if count < 2:
        return np.zeros(labels.shape, np.float32)
    weights = w0 * np.exp(-((nearest + second) ** 2) / (2 * sigma**2))
    return np.where(labels == 0, weights, 0).astype(np.float32)
