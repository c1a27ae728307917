"""Metrics of label maps from one confusion matrix (Long, Shelhamer and Darrell 2015, section 5), and AP of instances."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from ..backend import asarray, like, xp
from ..backend.cuda import to_host
from ..typing import Array, ArrayLike, TensorLike
from .average_precision import AveragePrecision

__all__ = ["AveragePrecision", "ConfusionMatrix", "trimap"]


class ConfusionMatrix:
    """Counts n_ij of pixels of class i (target) that were predicted to be class j: K x K int64 in `counts`.

    With t_i = sum_j n_ij: pixel accuracy sum_i n_ii / sum_i t_i; mean accuracy mean_i n_ii / t_i; intersection over
    union of a class n_ii / (t_i + sum_j n_ji - n_ii); its mean over classes, and its mean weighted by t_i. Classes
    for which a score is undefined (0/0: absent from targets, or from both) are nan and left out of means. Pixels whose
    target is ignore_index do not count.
    """

    def __init__(self, num_classes: int, ignore_index: int | None = None) -> None:
        if num_classes < 1:
            raise ValueError(f"ConfusionMatrix: num_classes {num_classes}; needed at least 1")
        self.num_classes, self.ignore_index = num_classes, ignore_index
        self.counts = np.zeros((num_classes, num_classes), np.int64)

    def update(self, prediction: TensorLike, target: TensorLike, where: ArrayLike | None = None) -> Self:
        """Add the pixels of two label arrays of the same shape, only those where the boolean array `where` is True.

        Labels are integers 0..K-1, in targets also ignore_index (predictions there may have any value). Returns self.
        Raises TypeError for labels that are not integers, ValueError for other shapes or labels.
        """
        K = self.num_classes
        prediction = asarray(prediction)  # on a GPU the pixels are counted there, and the counts copied
        target, module = like(target, prediction), xp(prediction)
        for name, labels in (("prediction", prediction), ("target", target)):
            if labels.dtype.kind not in "iu":
                raise TypeError(
                    f"ConfusionMatrix.update: {name} is {labels.dtype}; needed integer labels (argmax first)"
                )
        if prediction.shape != target.shape or (where is not None and np.shape(where) != target.shape):
            given = f"prediction {prediction.shape}, target {target.shape}"
            given += "" if where is None else f", where {np.shape(where)}"
            raise ValueError(f"ConfusionMatrix.update: {given}; needed one shape")
        keep = None if where is None else like(where, prediction, bool)
        if self.ignore_index is not None:
            valid = target != self.ignore_index
            keep = valid if keep is None else keep & valid
        for name, labels in (("prediction", prediction), ("target", target)):
            strange = (labels < 0) | (labels >= K)
            if keep is not None:
                strange &= keep
            if strange.any():
                raise ValueError(
                    f"ConfusionMatrix.update: {name} holds labels {np.unique(labels[strange])[:8].tolist()}; "
                    f"needed 0..{K - 1}" + (f", or ignore_index ({self.ignore_index})" if name == "target" else "")
                )
        pairs = target.astype(np.intp)
        pairs *= K
        pairs += prediction.astype(np.intp, copy=False)
        if keep is not None:
            module.copyto(pairs, K * K, where=~keep)  # one more bin, for pixels that do not count
        self.counts += to_host(module.bincount(pairs.ravel(), minlength=K * K + 1)[: K * K].reshape(K, K))
        return self

    def reset(self) -> None:
        """Set all counts to zero."""
        self.counts[:] = 0

    def merge(self, other: ConfusionMatrix) -> Self:
        """Add another matrix's counts to these, in place; returns self."""
        if self.num_classes != other.num_classes:
            raise ValueError(
                f"ConfusionMatrix.merge: {self.num_classes} and {other.num_classes} classes; needed the same"
            )
        self.counts += other.counts
        return self

    def __add__(self, other: ConfusionMatrix) -> ConfusionMatrix:
        return ConfusionMatrix(self.num_classes, self.ignore_index).merge(self).merge(other)

    def state_dict(self) -> dict[str, Any]:
        """The counts, to be saved."""
        return {"counts": self.counts.copy()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from saved counts."""
        counts = np.asarray(state["counts"])
        if counts.shape != self.counts.shape:
            raise ValueError(f"ConfusionMatrix.load_state_dict: counts {counts.shape}; needed {self.counts.shape}")
        self.counts = counts.astype(np.int64)

    def pixel_accuracy(self) -> float:
        """Share of correct pixels: sum_i n_ii / sum_i t_i."""
        return float(_ratio(np.trace(self.counts), self.counts.sum()))

    def accuracy(self) -> Array:
        """Per class, the share of correct pixels n_ii / t_i: K, nan for classes absent from targets."""
        return _ratio(np.diag(self.counts), self.counts.sum(axis=1))

    def mean_accuracy(self) -> float:
        """Mean over the classes present in targets."""
        return _mean(self.accuracy())

    def iou(self) -> Array:
        """Per class, n_ii / (t_i + sum_j n_ji - n_ii): K, nan for classes absent from targets and predictions."""
        n = self.counts
        return _ratio(np.diag(n), n.sum(axis=1) + n.sum(axis=0) - np.diag(n))

    def mean_iou(self) -> float:
        """Mean over the classes present in targets or predictions."""
        return _mean(self.iou())

    def dice(self) -> Array:
        """Per class, 2 n_ii / (t_i + sum_j n_ji), the Dice coefficient or F1: K, nan as in `iou`."""
        n = self.counts
        return _ratio(2 * np.diag(n), n.sum(axis=1) + n.sum(axis=0))

    def mean_dice(self) -> float:
        """Mean over the classes present in targets or predictions."""
        return _mean(self.dice())

    def frequency_weighted_iou(self) -> float:
        """IoU weighted by each class's share of the targets."""
        share = _ratio(self.counts.sum(axis=1), np.full(self.num_classes, self.counts.sum()))
        return float(share @ np.nan_to_num(self.iou()))

    def __repr__(self) -> str:
        return (
            f"ConfusionMatrix({self.num_classes} classes, {self.counts.sum()} pixels: pixel accuracy "
            f"{self.pixel_accuracy():.3f}, mean accuracy {self.mean_accuracy():.3f}, mean IoU {self.mean_iou():.3f})"
        )


def _ratio(part, whole):
    part, whole = np.asarray(part, float), np.asarray(whole, float)
    return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)


def _mean(scores):
    defined = scores[~np.isnan(scores)]
    return float(defined.mean()) if defined.size else float("nan")


def trimap(mask: Array, width: int) -> Array:
    """The band around borders: pixels with a differently labelled pixel within Euclidean distance `width`.

    mask: ... x H x W labels, void included (a border with void is a border); bool of the same shape. With
    `ConfusionMatrix.update(prediction, mask, where=trimap(mask, 3))` every score becomes the score near borders
    (Kohli et al. 2009; Krähenbühl & Koltun 2011, section 5).
    """
    mask = np.asarray(mask)
    if mask.ndim < 2 or width < 1:
        raise ValueError(f"trimap: mask {mask.shape}, width {width}; needed ... x H x W and at least 1")
    H, W = mask.shape[-2:]
    band = np.zeros(mask.shape, bool)
    reach = int(width)
    for dy in range(min(reach, H - 1) + 1):
        for dx in range(-min(reach, W - 1), min(reach, W - 1) + 1):
            if dy * dy + dx * dx > width * width or (dy == 0 and dx <= 0):
                continue  # each pair of pixels once
            above = np.s_[..., : H - dy, max(-dx, 0) : W - max(dx, 0)]
            below = np.s_[..., dy:, max(dx, 0) : W - max(-dx, 0)]
            differ = mask[above] != mask[below]
            band[above] |= differ
            band[below] |= differ
    return band
