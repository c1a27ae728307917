"""Losses for segmentation that reduce the weight of easy pixels or large classes: focal, Dice, Tversky, Lovász.

All use 1 - p_t, computed as the sum of the probabilities of all wrong labels: where p_t is near 1, the difference 1 - p_t
loses all digits by cancellation. An ignored pixel contributes nothing, whatever its logits are.
"""

from __future__ import annotations

import numpy as np

from ..autograd.primitive import primitive
from ..autograd.tensor import Tensor
from ..backend import like, xp
from ..typing import TensorLike
from .elementary import exp, expm1
from .elementwise import clamp, quiet, where
from .logistic import softmax
from .loss import _at_label, _counted, _divisor, _labels, _reduce, _without, cross_entropy
from .reduce import mean, sum


def _prepared(function, x, target, weight, ignore_index):
    """(x with 0 at ignored pixels, class axis, labels with 0 where ignored, which pixels count, class weights), checked."""
    dim, labels, weight = _labels(function, x, target, weight)
    kept = labels != ignore_index
    index = np.where(kept, labels, 0)
    if index.size and not 0 <= index.min() <= index.max() < x.shape[dim]:
        raise IndexError(f"{function}: label {index.min()}..{index.max()} is outside 0..{x.shape[dim] - 1}")
    return _counted(x, kept, dim), dim, index, kept, weight


def dice_loss(input: Tensor, target: TensorLike, *, ignore_index: int = -100, smooth: float = 1.0) -> Tensor:
    """1 - mean over classes of (2 <p, t> + smooth) / (<p, 1> + <t, 1> + smooth), p = softmax(x) (Milletari et al. 2016).

    Computed as the mean of <|p - t|, 1> / (<p, 1> + <t, 1> + smooth).
    """
    x, dim, index, kept, _ = _prepared("dice_loss", input, target, None, ignore_index)
    index, kept = np.expand_dims(index, dim), np.expand_dims(kept, dim)
    dims = tuple(d for d in range(x.ndim) if d != dim)
    counts = Tensor(kept.astype(x.dtype))
    p = softmax(x, dim) * counts
    others, missed = _at_label(p, index, dim)
    hot = counts - _without(counts.expand(x.shape), index=index, dim=dim)
    size = sum(p, dims) + sum(hot, dims) + smooth
    size = where(size.data == 0, 1.0, size)
    return mean(sum(others + missed, dims) / size)


# -- focal loss, a function of n = -log p_t -------------------------------------------------------------------------------


@quiet
def _ratio_array(n):
    return np.where(n == 0, 1, np.where(n < 80, n / np.expm1(n), 0)).astype(n.dtype)


@primitive
def _ratio(n):
    """n / (e^n - 1), 1 at 0."""
    return _ratio_array(n)


def _ratio_slope(n):
    """-1/2 + n / 6 near 0, where the formula (r / n)(1 - n - r) cancels."""
    near = n.data < 1e-2
    far = where(near, 1.0, n)
    r = _ratio(far)
    return where(near, n / 6 - 0.5, r / far * (1 - far - r))


_ratio.rules(n=lambda g, n: g * _ratio_slope(n))


@primitive
@quiet
def _focal(n, *, gamma):
    return (-np.expm1(-n)) ** gamma * n


@primitive
@quiet
def _focal_slope(n, *, gamma):
    """q^gamma (1 + gamma n / (e^n - 1)), q = 1 - e^-n."""
    return (-np.expm1(-n)) ** gamma * (1 + gamma * _ratio_array(n))


def _focal_curvature(n, gamma):
    """gamma q^(gamma - 1) e^-n (2 - n + (gamma - 1) n / (e^n - 1))."""
    n = clamp(n, max=80)
    return gamma * (-expm1(-n)) ** (gamma - 1) * exp(-n) * (2 - n + (gamma - 1) * _ratio(n))


_focal.rules(n=lambda g, n, gamma: g * _focal_slope(n, gamma=gamma))
_focal_slope.rules(n=lambda g, n, gamma: g * _focal_curvature(n, gamma))


def focal_loss(
    input: Tensor,
    target: TensorLike,
    gamma: float = 2.0,
    weight: TensorLike | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """-w[t] (1 - p_t)^gamma log p_t, p = softmax(x), which reduces the weight of easy pixels (Lin et al. 2017, equation 4).

    "mean" divides by the number of pixels that count.
    """
    if gamma < 0:
        raise ValueError(f"focal_loss: gamma must not be negative, not {gamma}")
    x, _, index, kept, weight = _prepared("focal_loss", input, target, weight, ignore_index)
    n = cross_entropy(x, index, reduction="none")
    loss = _focal(n, gamma=gamma) if gamma else n
    scale = kept if weight is None else kept * weight[index]
    loss = where(kept, loss * Tensor(like(scale.astype(input.dtype), input.data)), 0.0)
    return _reduce("focal_loss", loss, reduction, _divisor(kept.sum(), kept, input.dtype))


# -- losses of overlap -------------------------------------------------------------------------------------------------


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

    Computed as the mean of (alpha FP + beta FN) / (TP + alpha FP + beta FN + smooth).

    TP = <p, t>, FP = <p, 1 - t>, FN = <1 - p, t> over the pixels that count (Salehi et al. 2017, equation 3); beta > alpha
    gives missed pixels a larger weight; alpha = beta = 0.5 is the Dice loss.
    """
    if alpha < 0 or beta < 0:
        raise ValueError(f"tversky_loss: alpha {alpha}, beta {beta}; needed 0 or more")
    x, dim, index, kept, _ = _prepared("tversky_loss", input, target, None, ignore_index)
    index, kept = np.expand_dims(index, dim), np.expand_dims(kept, dim)
    dims = tuple(d for d in range(x.ndim) if d != dim)
    p = softmax(x, dim) * Tensor(kept.astype(x.dtype))
    others, missed = _at_label(p, index, dim)
    error = alpha * sum(others, dims) + beta * sum(missed, dims)
    size = sum(p - others, dims) + error + smooth
    return mean(error / where(size.data == 0, 1.0, size))


def lovasz_softmax(input: Tensor, target: TensorLike, *, ignore_index: int = -100) -> Tensor:
    """The Lovász extension of 1 - IoU, averaged over the classes that occur (Berman et al. 2018, equations 8 and 11).

    input: logits (N, C, H, W); target: labels (N, H, W); all pixels of the batch are one set. With errors m = |t - p| of a
    class in descending order, the loss is <m, g>, where g_k is the increase of the Jaccard loss from the first k - 1 to the
    first k pixels. 0 where no pixel has a label.
    """
    x, dim, index, kept, _ = _prepared("lovasz_softmax", input, target, None, ignore_index)
    others, missed = _at_label(softmax(x, dim), np.expand_dims(index, dim), dim)
    errors = (others + missed) * Tensor(np.expand_dims(kept, dim).astype(x.dtype))
    module = xp(errors.data)
    slope = module.zeros_like(errors.data)
    present = 0
    for c in range(input.shape[1]):
        there = ((index == c) & kept).ravel().astype(x.dtype)
        if there.sum() == 0:
            continue
        present += 1
        order = module.argsort(-errors.data[:, c].ravel(), kind="stable")
        row = module.empty_like(there)
        row[order] = _jaccard_slope(there[order], kept.ravel()[order])
        slope[:, c] = row.reshape(slope[:, c].shape)
    return sum(errors * Tensor(slope)) / max(present, 1)


def _jaccard_slope(there, counts):
    """The increase of 1 - intersection / union by each pixel, in order; 0 for pixels that do not count."""
    total = there.sum()
    intersection = total - there.cumsum()
    union = total + ((1 - there) * counts).cumsum()
    jaccard = 1 - intersection / union
    first = jaccard[:1]
    return np.concatenate([first, jaccard[1:] - jaccard[:-1]])
