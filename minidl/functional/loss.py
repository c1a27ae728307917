"""Losses. `reduction` is "mean", "sum" or "none", as in PyTorch.

PyTorch's deprecated `size_average` and `reduce` are left out; the parameters after them are keyword-only here.
"""

from __future__ import annotations

import math

import numpy as np

from ..autograd.primitive import primitive
from ..autograd.tape import is_grad_enabled
from ..autograd.tensor import Tensor
from ..backend import asarray, kernels, like, xp
from ..typing import Operand, TensorLike
from .elementwise import abs, quiet, where
from .indexing import gather
from .logistic import _split, log_softmax, sigmoid, softmax, softplus
from .reduce import mean, sum
from .shape import reshape, unsqueeze


def _reduce(function, loss, reduction, divisor=None):
    if reduction == "none":
        return loss
    if reduction == "sum":
        return sum(loss)
    if reduction == "mean":
        return mean(loss) if divisor is None else sum(loss) / divisor
    raise ValueError(f'{function}: reduction must be "mean", "sum" or "none", not {reduction!r}')


def _divisor(total, labels, dtype):
    """The divisor of a mean: 1 where no label counts, so that the loss is 0; NaN for an empty target, as in PyTorch."""
    if xp(total) is not np:  # on a GPU a Tensor, since reading a number would wait for the GPU
        return Tensor(np.where(total == 0, 1, total).astype(dtype))
    return float(total) or (1.0 if labels.size else math.nan)


def _counted(x, kept, dim):
    """x with 0 where a label is ignored, so that its value there, even NaN, affects no value or derivative."""
    if xp(kept) is np and kept.all():
        return x
    return where(np.expand_dims(kept, dim), x, 0.0)


def _labels(function, x, target, weight):
    """Class axis, target as an int64 array, class weights as an array or None, all checked."""
    dim = 1 if x.ndim > 1 else 0
    target = like(target.data if isinstance(target, Tensor) else target, x.data)
    needed = x.shape[:dim] + x.shape[dim + 1 :]
    if target.dtype.kind not in "iu" or target.shape != needed:
        raise ValueError(
            f"{function}: target is {target.dtype} of shape {target.shape}; needed class indices of {needed}"
        )
    if weight is not None:
        weight = like(weight.data if isinstance(weight, Tensor) else weight, x.data)
        if weight.shape != (x.shape[dim],):
            raise ValueError(f"{function}: weight has shape {weight.shape}; needed ({x.shape[dim]},)")
        weight = weight.astype(x.dtype)
    return dim, target.astype(np.int64), weight


@primitive
def _without(p, *, index, dim):
    """p with 0 at `index` along `dim`; linear and self-adjoint."""
    p = p.copy()
    if p.size:
        np.put_along_axis(p, index, 0, dim)
    return p


_without.rules(p=lambda g, index, dim: _without(g, index=index, dim=dim))


def _at_label(p, index, dim):
    """(p with 0 at the labels, 1 - p at the labels with 0 elsewhere), 1 - p as the sum of the other classes."""
    others = _without(p, index=index, dim=dim)
    classes = xp(index).arange(p.shape[dim]).reshape(-1, *[1] * (p.ndim - dim - 1))
    return others, Tensor((index == classes).astype(p.dtype)) * sum(others, dim, keepdim=True)


@primitive
def _cross_entropy(x, *, target, weight, ignore_index):
    return kernels(x).cross_entropy(x, target, weight, ignore_index)


def _cross_entropy_rule(g, x, target, weight, ignore_index):
    """g w[t] (softmax(x) - onehot(t)), 0 where ignored; x (N, C, L), target (N, L).

    At the label it is minus the sum of the other classes: 1 - p would have no digit left where p is near 1.
    """
    if not is_grad_enabled():
        return Tensor(kernels(x.data).cross_entropy_backward(g.data, x.data, target, weight, ignore_index))
    kept = target != ignore_index
    label = np.where(kept, target, 0)
    g = _counted(unsqueeze(g, 1), kept, 1)
    if weight is not None:
        g = g * Tensor(weight[label][:, None])
    others, missed = _at_label(softmax(_counted(x, kept, 1), 1), label[:, None], 1)
    return g * (others - missed)


_cross_entropy.rules(x=_cross_entropy_rule)


def cross_entropy(
    input: Tensor,
    target: TensorLike,
    weight: TensorLike | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """-w[t] log softmax(x)[t] for logits x (N, C, ...) and class indices t (N, ...), or class probabilities (N, C, ...).

    "mean" divides by the sum of the weights of the targets that count. Targets equal to `ignore_index` do not count; any
    other label outside 0 .. C - 1 is an IndexError. `label_smoothing` mixes the target with the uniform distribution
    (Szegedy et al. 2016, section 7).
    """
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"cross_entropy: label_smoothing must be in [0, 1], not {label_smoothing}")
    if isinstance(target, Tensor) and target.dtype.kind == "f":
        return _soft_cross_entropy(input, target, weight, reduction, label_smoothing)
    dim, labels, weight = _labels("cross_entropy", input, target, weight)
    rows = _split(input.shape, dim)
    flat = labels.reshape(rows[0], rows[2])
    kept = flat != ignore_index
    x = reshape(input, rows)
    loss = _cross_entropy(x, target=flat, weight=weight, ignore_index=ignore_index)
    if label_smoothing:
        spread = -log_softmax(_counted(x, kept, 1), 1)
        spread = spread if weight is None else spread * Tensor(weight[:, None])
        uniform = sum(spread, 1) * Tensor((kept / rows[1]).astype(input.dtype))
        loss = (1 - label_smoothing) * loss + label_smoothing * uniform
    divisor = kept.sum() if weight is None else (kept * weight[np.where(kept, flat, 0)]).sum()
    loss = reshape(loss, labels.shape)
    return _reduce("cross_entropy", loss, reduction, _divisor(divisor, labels, input.dtype))


def _soft_cross_entropy(x, target, weight, reduction, label_smoothing):
    if target.shape != x.shape:
        raise ValueError(f"cross_entropy: target probabilities have shape {target.shape}; needed {x.shape}")
    dim = 1 if x.ndim > 1 else 0
    target = target * (1 - label_smoothing) + label_smoothing / x.shape[dim]
    scores = target * log_softmax(x, dim)
    if weight is not None:
        weight = weight if isinstance(weight, Tensor) else Tensor(like(weight, x.data, x.dtype))
        scores = scores * reshape(weight, (-1, *[1] * (x.ndim - dim - 1)))
    loss = -sum(scores, dim)
    return _reduce("cross_entropy", loss, reduction, loss.numel())


def nll_loss(
    input: Tensor,
    target: TensorLike,
    weight: TensorLike | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """-w[t] x[t] for log-probabilities x (N, C, ...) and class indices t (N, ...); see `cross_entropy`."""
    dim, labels, weight = _labels("nll_loss", input, target, weight)
    kept = labels != ignore_index
    index = np.where(kept, labels, 0)
    if index.size and not 0 <= index.min() <= index.max() < input.shape[dim]:
        raise IndexError(f"nll_loss: label {index.min()}..{index.max()} is outside 0..{input.shape[dim] - 1}")
    scale = (kept * (1.0 if weight is None else weight[index])).astype(input.dtype)
    picked = gather(input, dim, np.expand_dims(index, dim))
    loss = -where(kept, reshape(picked, labels.shape), 0.0) * Tensor(scale)
    return _reduce("nll_loss", loss, reduction, _divisor(scale.sum(), labels, input.dtype))


def _same_shape(function, input, target):
    target = target if isinstance(target, Tensor) else Tensor(like(target, input.data, input.dtype))
    if input.shape != target.shape:
        raise ValueError(f"{function}: target has shape {target.shape}; needed that of input, {input.shape}")
    return target


@primitive(broadcasts=True, floating=True)
@quiet
def _binary_cross_entropy(x, t, p):
    near = np.log1p(np.exp(-np.abs(x)))
    missed, false = np.maximum(-x, 0) + near, np.maximum(x, 0) + near  # -log of sigmoid(x) and of sigmoid(-x)
    return np.where(t == 0, 0, p * t * missed) + np.where(t == 1, 0, (1 - t) * false)


_binary_cross_entropy.rules(
    x=lambda g, x, t, p: g * ((1 - t) * sigmoid(x) - p * t * sigmoid(-x)),
    t=lambda g, x, p: g * ((p - 1) * softplus(-x) - x),
    p=lambda g, x, t: g * t * softplus(-x),
)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: TensorLike,
    weight: TensorLike | None = None,
    *,
    reduction: str = "mean",
    pos_weight: TensorLike | None = None,
) -> Tensor:
    """w (p t log(1 + e^-x) + (1 - t) log(1 + e^x)) with p = `pos_weight`, in a form that does not overflow."""
    target = _same_shape("binary_cross_entropy_with_logits", input, target)
    loss = _binary_cross_entropy(input, target, 1.0 if pos_weight is None else pos_weight)
    return _reduce("binary_cross_entropy_with_logits", loss if weight is None else loss * weight, reduction)


@primitive
@quiet
def _smooth_l1(d, *, beta):
    size, beta = np.abs(d), d.dtype.type(beta)
    return np.where(size < beta, d.dtype.type(0.5) * size * (size / beta), size - d.dtype.type(0.5) * beta)


@primitive
@quiet
def _smooth_l1_slope(d, *, beta):
    return np.clip(d / d.dtype.type(beta), -1, 1)


_smooth_l1.rules(d=lambda g, d, beta: g * _smooth_l1_slope(d, beta=beta))
_smooth_l1_slope.rules(d=lambda g, d, beta: g * Tensor(_inverse_inside(d.data, beta)))


def _inverse_inside(d, beta):
    """1 / beta (at most the largest number) where |d| < beta, else 0."""
    return np.where(np.abs(d) < beta, min(1 / beta, float(np.finfo(d.dtype).max)), 0).astype(d.dtype)


def smooth_l1_loss(input: Tensor, target: TensorLike, *, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """d^2 / (2 beta) where d = |x - t| < beta, else d - beta / 2 (Girshick 2015, section 2.3).

    input and target have the same shape. Raises ValueError for other shapes and for a negative beta.
    """
    if beta < 0:
        raise ValueError(f"smooth_l1_loss: beta must not be negative, not {beta}")
    d = input - _same_shape("smooth_l1_loss", input, target)
    loss = _smooth_l1(d, beta=beta) if d.dtype.type(beta) > 0 else abs(d)
    return _reduce("smooth_l1_loss", loss, reduction)


def mse_loss(input: Tensor, target: Operand, *, reduction: str = "mean") -> Tensor:
    """The squared error (x - t)^2, reduced by `reduction`; ValueError unless input and target have the same shape."""
    d = input - _same_shape("mse_loss", input, target)
    return _reduce("mse_loss", d * d, reduction)


def l1_loss(input: Tensor, target: Operand, *, reduction: str = "mean") -> Tensor:
    """The absolute error |x - t|, reduced by `reduction`; ValueError unless input and target have the same shape."""
    return _reduce("l1_loss", abs(input - _same_shape("l1_loss", input, target)), reduction)


def one_hot(target: TensorLike, num_classes: int = -1) -> Tensor:
    """Class indices (...) as zeros and ones (..., num_classes), int64; with -1 the number of classes is the largest label + 1.

    Raises TypeError for labels that are not integers, IndexError for labels outside 0 .. num_classes - 1.
    """
    labels = target.data if isinstance(target, Tensor) else asarray(target)
    if labels.dtype.kind not in "iu":
        raise TypeError(f"one_hot: integer labels are needed, not {labels.dtype}")
    if num_classes == -1 and not labels.size:
        raise ValueError("one_hot: num_classes=-1 needs a label to take it from; target is empty")
    count = int(labels.max()) + 1 if num_classes == -1 else num_classes
    if labels.size and not 0 <= labels.min() <= labels.max() < count:
        raise IndexError(f"one_hot: label {labels.min()}..{labels.max()} is outside 0..{count - 1}")
    return Tensor((labels[..., None] == xp(labels).arange(count)).astype(np.int64))
