"""Functions of the tensors of all ranks; every rank has to call them, in the same order, and each gets the result.

The loss that is differentiated is the mean of the losses of all ranks. The gradient of a sum over ranks is then the sum
over ranks of the gradients: `all_reduce` is its own adjoint.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .autograd.primitive import differentiate_through, primitive
from .autograd.tape import is_grad_enabled
from .autograd.tensor import Tensor
from .backend import kernels, like, xp
from .backend.cuda import to_host
from .backend.ranks import Ranks
from .functional.activation import rectify
from .functional.norm import _check_affine, _like_input, _rows, move_statistics
from .functional.norm import batch_norm as local_batch_norm
from .functional.reduce import sum as total
from .functional.shape import reshape


@primitive
def all_reduce(x: Any, *, ranks: Ranks) -> Any:
    """The sum of the ranks' x, on every rank; it is self-adjoint, since each rank's result depends on all x."""
    return ranks.sum(x)


all_reduce.rules(x=lambda g, ranks: all_reduce(g, ranks=ranks))


@primitive
def gather(x: Any, *, ranks: Ranks) -> Any:
    """The ranks' x one after another along the first axis, on every rank."""
    return xp(x).concatenate(ranks.gather(x))


def _gather_rule(g, x_shape, ranks):
    start = sum(ranks.gather(x_shape[0])[: ranks.rank])
    return all_reduce(g, ranks=ranks)[start : start + x_shape[0]]


gather.rules(x=_gather_rule)


@primitive(aux=("moments",))
def _normalize(x, weight, bias, *, eps, ceiling, ranks):
    """(`norm._normalize` over the parts of all ranks, [mean, variance, values] of each channel) (Chan et al. 1979)."""
    K = kernels(x)
    here = x.shape[0] * x.shape[2]
    mean, var = (to_host(m) for m in K.moments(x))
    parts = np.zeros((ranks.size, 3, len(mean)))
    parts[ranks.rank] = np.full_like(mean, here), mean, var
    counts, means, variances = ranks.sum(parts).swapaxes(0, 1)
    count = counts[:, 0].sum()
    if count < 2:
        raise ValueError(f"batch_norm: {count:.0f} values per channel on all ranks together; needed two in training")
    mean = (counts * means).sum(0) / count
    var = (counts * (variances + (means - mean) ** 2)).sum(0) / count
    moments = like(np.stack([mean, var, np.full_like(mean, count)]), x)
    mean, var, _ = moments
    return K.normalize(x, mean, 1 / np.sqrt(var + eps), weight, bias, ceiling), moments


def _definition(x, weight, bias, *, eps, ceiling, ranks, count):
    """`_normalize` in differentiable operations."""

    def mean(values):
        return reshape(all_reduce(total(values, (0, 2)), ranks=ranks) / count, (1, -1, 1))

    centred = x - mean(x)
    y = centred / (mean(centred * centred) + eps) ** 0.5
    y = y if weight is None else y * reshape(weight, (1, -1, 1))
    y = y if bias is None else y + reshape(bias, (1, -1, 1))
    return y if ceiling is None else rectify(y, ceiling=ceiling)


def _normalize_rule(g, x, weight, bias, moments, eps, ceiling, ranks):
    """With M values here and `count` everywhere, dx = scale (g - sum g / count - x' sum (g x') / count), x' = standardised x.

    The kernel computes this with the sums and M of this rank; the correction to the sums of all ranks is linear in x.
    """
    mean, var, _ = moments.data
    count = float(moments.data[2, 0])
    if is_grad_enabled():
        return differentiate_through(
            lambda *args: _definition(*args, eps=eps, ceiling=ceiling, ranks=ranks, count=count), (x, weight, bias), g
        )
    K, x = kernels(x.data), x.data
    w, b = (None if t is None else t.data for t in (weight, bias))
    invstd = 1 / np.sqrt(var + eps)
    dx, dweight, dbias = K.normalize_backward(g.data, x, mean, invstd, w, b, ceiling)
    sums = xp(x).stack([dweight, dbias]).astype(np.float64)
    here = max(x.shape[0] * x.shape[2], 1)
    slope, shift = sums / here - ranks.sum(sums) / count
    scale = invstd if w is None else invstd * w
    dx += K.normalize(x, mean, invstd * scale * slope, None, (scale * shift).astype(x.dtype), None)
    return tuple(None if r is None else Tensor(r) for r in (dx, w if w is None else dweight, b if b is None else dbias))


_normalize.joint_rule(_normalize_rule)


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    relu: bool = False,
    ceiling: float = math.inf,
    *,
    ranks: Ranks,
) -> Tensor:
    """`F.batch_norm` over the batches of all `ranks` together; the parts may differ in size, and be empty."""
    if not training:
        return local_batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps, relu, ceiling)
    C = input.shape[1] if input.ndim > 1 else 0
    _check_affine("batch_norm", C, input, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    weight, bias = _like_input(input, weight, bias)
    y, moments = _normalize(_rows(input), weight, bias, eps=eps, ceiling=ceiling if relu else None, ranks=ranks)
    mean, var, count = moments.data
    move_statistics((running_mean, running_var), (Tensor(mean), Tensor(var)), momentum, float(count[0]))
    return reshape(y, input.shape)
