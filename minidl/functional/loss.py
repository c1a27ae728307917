"""Losses, and the softmax that they rest on. `reduction` is "mean", "sum" or "none", as in PyTorch.

PyTorch's deprecated `size_average` and `reduce` are left out; what stands behind them is keyword-only here.
"""

from __future__ import annotations

import math

import numpy as np

from ..autograd.primitive import primitive
from ..autograd.tape import is_grad_enabled
from ..autograd.tensor import Tensor
from ..backend import asarray, kernels, like, xp
from ..typing import Operand, TensorLike
from .elementwise import abs, exp, log, where
from .reduce import mean, sum
from .shape import gather, reshape, unsqueeze


def _split(shape, dim):
    """Sizes before, at and after axis `dim`: kernels take (N, C, L)."""
    return math.prod(shape[:dim]), shape[dim], math.prod(shape[dim + 1 :])


@primitive(floating=True)
def _softmax(x, *, dim):
    return kernels(x).softmax(x.reshape(_split(x.shape, dim))).reshape(x.shape)


@primitive(floating=True)
def _log_softmax(x, *, dim):
    return kernels(x).log_softmax(x.reshape(_split(x.shape, dim))).reshape(x.shape)


def _softmax_rule(g, out, dim):
    """y (g - <g, y>)."""
    if is_grad_enabled():
        return out * (g - sum(g * out, dim, keepdim=True))
    rows = _split(out.shape, dim)
    return Tensor(kernels(g.data).softmax_backward(g.data.reshape(rows), out.data.reshape(rows)).reshape(out.shape))


def _log_softmax_rule(g, out, dim):
    """g - softmax(x) sum(g)."""
    if is_grad_enabled():
        return g - exp(out) * sum(g, dim, keepdim=True)
    rows = _split(out.shape, dim)
    return Tensor(kernels(g.data).log_softmax_backward(g.data.reshape(rows), out.data.reshape(rows)).reshape(out.shape))


_softmax.rules(x=_softmax_rule)
_log_softmax.rules(x=_log_softmax_rule)


def softmax(x: Tensor, dim: int) -> Tensor:
    """exp(x_i) / sum over j of exp(x_j) along `dim`."""
    return _softmax(x, dim=dim % x.ndim)


def log_softmax(x: Tensor, dim: int) -> Tensor:
    """x_i - log sum over j of exp(x_j) along `dim`."""
    return _log_softmax(x, dim=dim % x.ndim)


def _reduce(function, loss, reduction, divisor=None):
    if reduction == "none":
        return loss
    if reduction == "sum":
        return sum(loss)
    if reduction == "mean":
        return mean(loss) if divisor is None else sum(loss) / divisor
    raise ValueError(f'{function}: reduction must be "mean", "sum" or "none", not {reduction!r}')


def _count(total, dtype):
    """What a mean divides by: NaN where nothing counts. On a GPU a Tensor, since a number would have to be waited for."""
    if xp(total) is not np:
        return Tensor(total.astype(dtype))
    return float(total) if total else math.nan


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
def _cross_entropy(x, *, target, weight, ignore_index):
    return kernels(x).cross_entropy(x, target, weight, ignore_index)


def _cross_entropy_rule(g, x, target, weight, ignore_index):
    """g w[t] (softmax(x) - onehot(t)), 0 where ignored; x (N, C, L), target (N, L)."""
    if not is_grad_enabled():
        return Tensor(kernels(x.data).cross_entropy_backward(g.data, x.data, target, weight, ignore_index))
    kept = target != ignore_index
    label = np.where(kept, target, 0)
    scale = kept * (1.0 if weight is None else weight[label])
    hot = (label[:, None] == xp(target).arange(x.shape[1])[:, None]).astype(x.dtype)
    return unsqueeze(g * Tensor(scale.astype(x.dtype)), 1) * (softmax(x, 1) - Tensor(hot))


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
    loss = _cross_entropy(reshape(input, rows), target=flat, weight=weight, ignore_index=ignore_index)
    kept = flat != ignore_index
    if label_smoothing:
        spread = -log_softmax(reshape(input, rows), 1)
        spread = spread if weight is None else spread * Tensor(weight[:, None])
        uniform = sum(spread, 1) * Tensor((kept / rows[1]).astype(input.dtype))
        loss = (1 - label_smoothing) * loss + label_smoothing * uniform
    divisor = kept.sum() if weight is None else (kept * weight[np.where(kept, flat, 0)]).sum()
    loss = reshape(loss, labels.shape)
    return _reduce("cross_entropy", loss, reduction, _count(divisor, input.dtype))


def _soft_cross_entropy(x, target, weight, reduction, label_smoothing):
    if target.shape != x.shape:
        raise ValueError(f"cross_entropy: target probabilities have shape {target.shape}; needed {x.shape}")
    dim = 1 if x.ndim > 1 else 0
    target = target * (1 - label_smoothing) + label_smoothing / x.shape[dim]
    scores = target * log_softmax(x, dim)
    if weight is not None:
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
    loss = -reshape(picked, labels.shape) * Tensor(scale)
    return _reduce("nll_loss", loss, reduction, _count(scale.sum(), input.dtype))


def _same_shape(function, input, target):
    target = target if isinstance(target, Tensor) else Tensor(like(target, input.data, input.dtype))
    if input.shape != target.shape:
        raise ValueError(f"{function}: target has shape {target.shape}; needed that of input, {input.shape}")
    return target


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Operand,
    weight: TensorLike | None = None,
    *,
    reduction: str = "mean",
    pos_weight: TensorLike | None = None,
) -> Tensor:
    """w (p t log(1 + e^-x) + (1 - t) log(1 + e^x)) with p = `pos_weight`, in a form that does not overflow."""
    target = _same_shape("binary_cross_entropy_with_logits", input, target)
    softplus = log(1 + exp(-abs(input))) + where(input > 0, 0.0, -input)  # log(1 + exp(-x))
    factor = 1.0 if pos_weight is None else (pos_weight - 1) * target + 1
    loss = (1 - target) * input + factor * softplus
    return _reduce("binary_cross_entropy_with_logits", loss if weight is None else loss * weight, reduction)


def smooth_l1_loss(input: Tensor, target: Operand, *, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """d^2 / (2 beta) where d = |x - t| < beta, else d - beta / 2 (Girshick 2015, section 2.3)."""
    if beta < 0:
        raise ValueError(f"smooth_l1_loss: beta must not be negative, not {beta}")
    d = abs(input - _same_shape("smooth_l1_loss", input, target))
    return _reduce("smooth_l1_loss", where(d < beta, d * d * (0.5 / beta), d - 0.5 * beta) if beta else d, reduction)


def mse_loss(input: Tensor, target: Operand, *, reduction: str = "mean") -> Tensor:
    """(x - t)^2."""
    d = input - _same_shape("mse_loss", input, target)
    return _reduce("mse_loss", d * d, reduction)


def l1_loss(input: Tensor, target: Operand, *, reduction: str = "mean") -> Tensor:
    """|x - t|."""
    return _reduce("l1_loss", abs(input - _same_shape("l1_loss", input, target)), reduction)


def one_hot(target: TensorLike, num_classes: int = -1) -> Tensor:
    """Class indices (...) as zeros and ones (..., num_classes), int64; -1 takes the largest label + 1."""
    labels = target.data if isinstance(target, Tensor) else asarray(target)
    if labels.dtype.kind not in "iu":
        raise TypeError(f"one_hot: integer labels are needed, not {labels.dtype}")
    count = (int(labels.max()) + 1 if labels.size else 0) if num_classes == -1 else num_classes
    if labels.size and not 0 <= labels.min() <= labels.max() < count:
        raise IndexError(f"one_hot: label {labels.min()}..{labels.max()} is outside 0..{count - 1}")
    return Tensor((labels[..., None] == xp(labels).arange(count)).astype(np.int64))


def _overlap_target(function, input, target, ignore_index):
    """Logits (N, C, H, W) and labels (N, H, W) -> one-hot targets and a mask of the pixels that count."""
    _, labels, _ = _labels(function, input, target, None)
    kept = labels != ignore_index
    hot = one_hot(np.where(kept, labels, 0), input.shape[1]).data
    return Tensor(np.moveaxis(hot, -1, 1).astype(input.dtype)), Tensor(kept[:, None].astype(input.dtype))


def dice_loss(input: Tensor, target: TensorLike, *, ignore_index: int = -100, smooth: float = 1.0) -> Tensor:
    """1 - mean over classes of (2 <p, t> + smooth) / (<p, 1> + <t, 1> + smooth), p = softmax(x) (Milletari et al. 2016)."""
    hot, kept = _overlap_target("dice_loss", input, target, ignore_index)
    p = softmax(input, 1) * kept
    dims = [d for d in range(input.ndim) if d != 1]
    overlap = sum(p * hot, dims)
    size = sum(p, dims) + sum(hot * kept, dims)
    return 1 - mean((2 * overlap + smooth) / (size + smooth))


def focal_loss(
    input: Tensor,
    target: TensorLike,
    gamma: float = 2.0,
    weight: TensorLike | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """-w[t] (1 - p_t)^gamma log p_t, p = softmax(x): easy pixels count less (Lin et al. 2017, equation 4).

    "mean" divides by the number of pixels that count.
    """
    dim, labels, _ = _labels("focal_loss", input, target, weight)
    nll = nll_loss(log_softmax(input, dim), labels, ignore_index=ignore_index, reduction="none")
    loss = (1 - exp(-nll)) ** gamma * nll
    kept = labels != ignore_index
    if weight is not None:
        weight = like(weight.data if isinstance(weight, Tensor) else weight, input.data)
        loss = loss * Tensor(weight[np.where(kept, labels, 0)].astype(input.dtype))
    return _reduce("focal_loss", loss, reduction, _count(kept.sum(), input.dtype))
