"""Segmentation losses by name, and weighted sums of them, as in `minidl train --loss`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import functional as F
from ..autograd.tensor import Tensor
from ..backend import like, xp
from ..backend.ranks import ALONE, Ranks
from ..collective import gather
from ..typing import ArrayLike, TensorLike
from .border import border_weights
from .tasks import fitted, named_scores

LOSSES = ("cross_entropy", "dice", "focal", "lovasz", "tversky")


def parse(text: str) -> list[tuple[float, str]]:
    """[(1.0, "cross_entropy"), (0.5, "dice")] from "cross_entropy+0.5*dice"."""
    terms = []
    for term in text.split("+"):
        factor, star, name = term.strip().rpartition("*")
        try:
            factor = float(factor) if star else 1.0
        except ValueError:
            factor = math.nan
        if name.strip() not in LOSSES or not (math.isfinite(factor) and factor > 0):
            raise ValueError(
                f"--loss {text}: {term.strip()!r}; needed one of {', '.join(LOSSES)}, or a sum such as 0.5*dice+focal"
            )
        terms.append((factor, name.strip()))
    return terms


class SegmentationLoss:
    """A sum of losses: `loss(output, target, ignore_index)`.

    terms: the result of `parse`; weight: K, the weight of each class's pixels in cross-entropy and the focal loss; w0: the
    additional weight of pixels between objects in cross-entropy (see `border_weights`). output: scores N x K x h x w, or a
    dictionary of them, where all but "out" have the weight `aux_weight` (Zhao et al. 2017, section 3.3); target: N x H x W,
    cropped centrally where a network with valid padding returns h < H. 0 where no pixel has a label.

    With several ranks, each with a part of the batch, the mean of their results is the loss of the batch. For cross-entropy
    and the focal loss the ranks exchange the number of labelled pixels; Dice, Tversky and Lovász are functions of the whole
    batch, for which the scores are gathered.
    """

    def __init__(
        self,
        terms: list[tuple[float, str]],
        weight: ArrayLike | None = None,
        w0: float = 0.0,
        aux_weight: float = 0.4,
    ) -> None:
        self.terms, self.w0, self.aux_weight = terms, w0, aux_weight
        self.weight = None if weight is None else np.asarray(weight, np.float32)

    def __call__(
        self,
        output: Tensor | Mapping[str, Tensor],
        target: TensorLike,
        ignore_index: int = -100,
        ranks: Ranks = ALONE,
    ) -> Tensor:
        target = target.data if isinstance(target, Tensor) else target
        total: Any = 0.0
        for name, scores in named_scores(output).items():
            labels = like(fitted(target, scores.shape[2:]), scores.data)
            share = 1.0 if name == "out" else self.aux_weight
            for factor, term in self.terms:
                total = total + factor * share * self._term(term, scores, labels, ignore_index, ranks)
        return total

    def _term(self, name, scores, labels, ignore, ranks):
        if ranks.size > 1 and name in ("dice", "tversky", "lovasz"):
            scores = gather(scores, ranks=ranks)
            labels = xp(labels).concatenate(ranks.gather(labels))
        if name == "dice":
            return F.dice_loss(scores, labels, ignore_index=ignore)
        if name == "tversky":
            return F.tversky_loss(scores, labels, ignore_index=ignore)
        if name == "lovasz":
            return F.lovasz_softmax(scores, labels, ignore_index=ignore)
        if name == "focal":
            count = max(ranks.mean(int((labels != ignore).sum())), 1 / ranks.size)
            return F.focal_loss(scores, labels, weight=self.weight, ignore_index=ignore, reduction="sum") / count
        kept = labels != ignore
        pixel = kept.astype(scores.dtype)
        if self.weight is not None:
            pixel = pixel * like(self.weight, scores.data)[labels * kept]
        total = max(ranks.mean(float(pixel.sum())), 1e-12)
        if self.w0:
            maps = np.stack(
                [border_weights(np.asarray(like(y, np.empty(0))), self.w0, ignore_index=ignore) for y in labels]
            )
            pixel = pixel + like(maps, scores.data).astype(scores.dtype) * kept
        each = F.cross_entropy(scores, labels, ignore_index=ignore, reduction="none")
        return F.sum(each * Tensor(pixel.astype(scores.dtype))) / total
