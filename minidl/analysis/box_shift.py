"""Change of a region's features as its box moves by fractions of a pixel (He et al. 2017, section 3, on misalignment)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import functional as F
from ..autograd.tape import no_grad
from ..autograd.tensor import Tensor
from ..typing import ArrayLike, TensorLike


class BoxShift(NamedTuple):
    """Result of `box_shift`: values (T, C, s, s) at each of the shifts (T,), and the norm of every change (T - 1,).

    largest: the largest change over the mean change: about 1 where the output changes continuously; where it changes in
    jumps, about the number of steps between two jumps.
    """

    shifts: np.ndarray
    values: np.ndarray
    changes: np.ndarray

    @property
    def largest(self) -> float:
        """The largest change of a step over the mean change; 0 where nothing changes."""
        mean = self.changes.mean()
        return float(self.changes.max() / mean) if mean else 0.0


@no_grad()
def box_shift(
    x: Tensor,
    box: Sequence[float],
    shifts: ArrayLike,
    pooling: str = "align",
    output_size: int = 7,
    spatial_scale: float = 1.0,
    sampling_ratio: int = 2,
    direction: Sequence[float] = (1, 0),
) -> BoxShift:
    """The features that ROI Align or ROI Pool computes from `x` (1, C, H, W) as `box` (x1, y1, x2, y2) moves: a BoxShift.

    shifts: distances along `direction` (dx, dy), in the box's pixels; pooling: "align", "aligned" (`roi_align` with
    aligned=True, as in Detectron2) or "pool".
    """
    poolers = {
        "align": lambda b: F.roi_align(x, b, output_size, spatial_scale, sampling_ratio),
        "aligned": lambda b: F.roi_align(x, b, output_size, spatial_scale, sampling_ratio, aligned=True),
        "pool": lambda b: F.roi_pool(x, b, output_size, spatial_scale),
    }
    x = x if isinstance(x, Tensor) else Tensor(np.asarray(x))
    if pooling not in poolers:
        raise ValueError(f"box_shift: pooling is {pooling!r}; needed one of {', '.join(poolers)}")
    shifts = np.asarray(shifts, float)
    if x.ndim != 4 or x.shape[0] != 1 or shifts.ndim != 1 or len(shifts) < 2:
        raise ValueError(f"box_shift: x {x.shape}, shifts {shifts.shape}; needed (1, C, H, W) and at least two shifts")
    moved = np.asarray(box, float) + shifts[:, None] * np.tile(direction, 2)  # (T, 4)
    values = poolers[pooling](Tensor(np.insert(moved, 0, 0, axis=1))).data
    return _shift(shifts, values)


@no_grad()
def detector_shift(
    model: Any, image: TensorLike, box: Sequence[float], shifts: ArrayLike, direction: Sequence[float] = (1, 0)
) -> dict[str, BoxShift]:
    """Outputs of a detector's heads (`models.detection`) for one region of `image` as its box moves.

    image: (C, H, W), 0..1. Returns {"features": (T, C, s, s), "scores": (T, K) class probabilities, "masks": (T, m, m)},
    each as a BoxShift; masks, if the detector has them, are of the most probable class before the box moves.
    """
    if model.training:
        raise ValueError("detector_shift: the model is in training mode; call eval() first")
    stages, heads = model.stages([image]), model.roi_heads
    shifts = np.asarray(shifts, float)
    to_batch = np.tile([new / old for new, old in zip(stages.sizes[0][::-1], stages.originals[0][::-1])], 2)
    moved = ((np.asarray(box, float) + shifts[:, None] * np.tile(direction, 2)) * to_batch).astype(np.float32)
    where = (stages.features, [moved], stages.sizes)
    features = heads.box_roi_pool(*where)
    scores = F.softmax(heads.box_predictor(heads.box_head(features))[0], 1)
    found = {"features": features.data, "scores": scores.data}
    if heads.mask_head is not None:
        logits = heads.mask_predictor(heads.mask_head(heads.mask_roi_pool(*where)))
        found["masks"] = F.sigmoid(logits).data[:, 1 + int(scores.data[0, 1:].argmax())]
    return {name: _shift(shifts, values) for name, values in found.items()}


def _shift(shifts, values):
    steps = np.diff(values, axis=0).reshape(len(shifts) - 1, -1)
    return BoxShift(shifts, values, np.linalg.norm(steps, axis=1))
