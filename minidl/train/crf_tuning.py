"""Coarse-to-fine search for the CRF's parameters on validation data (Chen et al. 2015, DeepLab v1, section 5.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from ..crf.inference import DenseCRF
from ..crf.terms import Bilateral, Gaussian
from .metrics import ConfusionMatrix

SMOOTH = Gaussian(3, 3)
COARSE = {"w1": (5, 10), "sxy": (50, 60, 70, 80, 90, 100), "srgb": (3, 4, 5, 6, 7, 8, 9, 10)}


@dataclass(frozen=True)
class Tuned:
    """The best parameters, their mean IoU, the mean IoU without a CRF, and every (w1, sxy, srgb, mean IoU) in trial order.

    gaussian is the fixed Gaussian term passed to `tune`.
    """

    w1: float
    sxy: float
    srgb: float
    mean_iou: float
    before: float
    tried: tuple
    gaussian: Gaussian = SMOOTH

    def terms(self) -> tuple[Gaussian, Bilateral]:
        """The terms for `DenseCRF`."""
        return self.gaussian, Bilateral(self.sxy, self.srgb, self.w1, self.gaussian.normalization)


def _neighbourhood(axes, best):
    """The next, finer grid: each parameter's best value, and the points half way to its neighbours on the axis."""
    finer = []
    for axis, value in zip(axes, best):
        k = axis.index(value)
        below = (axis[k - 1] + value) / 2 if k else value - (axis[1] - value) / 2 if len(axis) > 1 else value
        above = (axis[k + 1] + value) / 2 if k + 1 < len(axis) else value + (value - below)
        finer.append(tuple(sorted({v for v in (below, value, above) if v > 0})))
    return finer


def tune(
    samples: Sequence[Any],
    num_classes: int,
    grid: Mapping[str, Sequence[float]] | None = None,
    rounds: int = 2,
    iterations: int = 10,
    gaussian: Gaussian = SMOOTH,
    ignore_index: int = 255,
    progress: Callable[[Iterable[Any]], Iterable[Any]] | None = None,
) -> Tuned:
    """Find w1 (weight), sxy and srgb (standard deviations) of the bilateral term by mean IoU over `samples`.

    samples: a sequence of (image (c, H, W), unary (C, H, W), labels (H, W)), read once for every (sxy, srgb); it may load
    from disk. `grid` maps "w1", "sxy", "srgb" to increasing values for the first round (default: those of DeepLab v1); every
    later round of `rounds` tries the points half way to the best point's neighbours. The Gaussian term `gaussian`
    stays fixed, since it has little influence; the bilateral term has the same normalisation. `progress` wraps the iteration
    over (sxy, srgb) pairs, as tqdm does. Returns a Tuned; of equal scores the first is the best.
    """
    grid = {**COARSE, **(grid or {})}
    axes = [tuple(float(v) for v in grid[name]) for name in ("w1", "sxy", "srgb")]
    if grid.keys() != COARSE.keys() or any(not a or a != tuple(sorted(set(a))) or a[0] <= 0 for a in axes):
        raise ValueError(f"tune: grid takes increasing positive values for {tuple(COARSE)}; got {grid}")
    if not len(samples) or rounds < 1:
        raise ValueError(f"tune: at least 1 sample and 1 round are needed; got {len(samples)} and {rounds}")
    before = ConfusionMatrix(num_classes, ignore_index)
    for k in range(len(samples)):
        _, unary, labels = samples[k]
        before.update(unary.argmin(axis=0), labels)
    scores = {}
    for _ in range(rounds):
        new = {}
        for w1, *sigmas in product(*axes):
            if (w1, *sigmas) not in scores:
                new.setdefault(tuple(sigmas), []).append(w1)
        for (sxy, srgb), weights in progress(new.items()) if progress else new.items():
            matrices = [ConfusionMatrix(num_classes, ignore_index) for _ in weights]
            for k in range(len(samples)):
                image, unary, labels = samples[k]
                crf = DenseCRF(image, (gaussian, Bilateral(sxy, srgb, 1, gaussian.normalization)))
                for matrix, w1 in zip(matrices, weights):  # the lattice does not depend on the weight
                    crf.terms = crf.terms[0], replace(crf.terms[1], compat=w1)
                    matrix.update(crf.inference(unary, iterations).argmax(axis=0), labels)
            for matrix, w1 in zip(matrices, weights):
                scores[w1, sxy, srgb] = matrix.mean_iou()
        best = max(scores, key=lambda point: np.nan_to_num(scores[point]))
        axes = _neighbourhood(axes, best)
    tried = tuple((*point, score) for point, score in scores.items())
    return Tuned(*best, scores[best], before.mean_iou(), tried, gaussian)
