"""Losses of overlap: they judge a class's region as a whole, so that a rare class counts as much as a frequent one."""

from __future__ import annotations

import numpy as np

from ..autograd.tensor import Tensor
from ..backend import xp
from ..typing import TensorLike
from .elementwise import abs as absolute
from .loss import _labels, softmax
from .reduce import mean, sum


def _overlap_target(function, input, target, ignore_index):
    """Labels (N, H, W) as one-hot targets (N, C, H, W), and a mask of the pixels that count."""
    _, labels, _ = _labels(function, input, target, None)
    kept = labels != ignore_index
    hot = np.where(kept, labels, -1)[:, None] == np.arange(input.shape[1]).reshape(1, -1, *[1] * (input.ndim - 2))
    return Tensor(hot.astype(input.dtype)), Tensor(kept[:, None].astype(input.dtype))


def tversky_loss(
    input: Tensor,
    target: TensorLike,
    alpha: float = 0.3,
    beta: float = 0.7,
    *,
    ignore_index: int = -100,
    smooth: float = 1.0,
) -> Tensor:
    """1 - mean over classes of (TP + smooth) / (TP + alpha FP + beta FN + smooth), with p = softmax(x).

    TP = <p, t>, FP = <p, 1 - t>, FN = <1 - p, t> over the pixels that count (Salehi et al. 2017, equation 3); beta > alpha
    weighs missed pixels more; alpha = beta = 0.5 is the Dice loss.
    """
    if alpha < 0 or beta < 0:
        raise ValueError(f"tversky_loss: alpha {alpha}, beta {beta}; needed 0 or more")
    hot, kept = _overlap_target("tversky_loss", input, target, ignore_index)
    p, hot = softmax(input, 1) * kept, hot * kept
    dims = [d for d in range(input.ndim) if d != 1]
    overlap = sum(p * hot, dims)
    false_positive, false_negative = sum(p, dims) - overlap, sum(hot, dims) - overlap
    return 1 - mean((overlap + smooth) / (overlap + alpha * false_positive + beta * false_negative + smooth))


def lovasz_softmax(input: Tensor, target: TensorLike, *, ignore_index: int = -100) -> Tensor:
    """The Lovász extension of 1 - IoU, averaged over the classes that occur (Berman et al. 2018, equations 8 and 11).

    input: logits (N, C, H, W); target: labels (N, H, W); all pixels of the batch are one set. With errors m = |t - p| of a
    class in descending order, the loss is <m, g>, where g_k is what pixel k adds to the Jaccard loss of the first k. 0 where
    no pixel has a label.
    """
    hot, kept = _overlap_target("lovasz_softmax", input, target, ignore_index)
    errors = absolute(hot - softmax(input, 1)) * kept
    module = xp(errors.data)
    slope = module.zeros_like(errors.data)
    present = 0
    for c in range(input.shape[1]):
        there = (hot.data[:, c] * kept.data[:, 0]).ravel()
        if there.sum() == 0:
            continue
        present += 1
        order = module.argsort(-errors.data[:, c].ravel(), kind="stable")
        row = module.empty_like(there)
        row[order] = _jaccard_slope(there[order], kept.data[:, 0].ravel()[order])
        slope[:, c] = row.reshape(slope[:, c].shape)
    return sum(errors * Tensor(slope)) / max(present, 1)


def _jaccard_slope(there, counts):
    """What each pixel, taken in order, adds to 1 - intersection / union; pixels that do not count add nothing."""
    total = there.sum()
    intersection = total - there.cumsum()
    union = total + ((1 - there) * counts).cumsum()
    jaccard = 1 - intersection / union
    first = jaccard[:1]
    return np.concatenate([first, jaccard[1:] - jaccard[:-1]])
