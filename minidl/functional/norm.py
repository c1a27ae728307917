"""Normalisation: subtract a mean, divide by a standard deviation, scale and shift.

The functions differ only in the elements that share statistics: batch norm takes a channel over the batch, layer norm one
sample, instance norm one channel of one sample, group norm a group of channels of one sample (Wu and He 2018, figure 2).
"""

from __future__ import annotations

import math

import numpy as np

from ..autograd.primitive import differentiate_through, primitive
from ..autograd.tape import is_grad_enabled
from ..autograd.tensor import Tensor
from ..backend import kernels, xp
from ..typing import Dims
from .activation import cut, rectify
from .elementwise import clone
from .reduce import centre, mean
from .reduce import sum as total
from .shape import reshape, sizes_of


def _definition(x, weight, bias, *, eps, ceiling):
    """(x - mean) / sqrt(var + eps) weight + bias per channel of (N, C, L), in operations that can be differentiated again."""
    centred = centre(x, axes=(0, 2))
    y = centred / (mean(centred * centred, (0, 2), keepdim=True) + eps) ** 0.5
    y = y if weight is None else y * reshape(weight, (1, -1, 1))
    y = y if bias is None else y + reshape(bias, (1, -1, 1))
    return y if ceiling is None else rectify(y, ceiling=ceiling)


@primitive(aux=("mean", "var"))
def _normalize(x, weight, bias, *, eps, ceiling):
    K = kernels(x)
    mean, var = K.moments(x)
    return K.normalize(x, mean, 1 / np.sqrt(var + eps), weight, bias, ceiling), mean, var


def _normalize_rule(g, x, weight, bias, mean, var, eps, ceiling):
    if is_grad_enabled():
        return differentiate_through(lambda *args: _definition(*args, eps=eps, ceiling=ceiling), (x, weight, bias), g)
    arrays = (None if t is None else t.data for t in (weight, bias))
    invstd = 1 / np.sqrt(var.data + eps)
    results = kernels(x.data).normalize_backward(g.data, x.data, mean.data, invstd, *arrays, ceiling)
    return tuple(r if r is None else Tensor(r) for r in results)


_normalize.joint_rule(_normalize_rule)


def _rows(x):
    """(N, C, ...) as (N, C, L)."""
    return reshape(x, (*x.shape[:2], math.prod(x.shape[2:])))


def _check_affine(function, channels, x, **vectors):
    if x.dtype.kind != "f" or x.ndim < 2:
        raise ValueError(f"{function}: input is {x.dtype} of shape {x.shape}; needed floating of (N, C, ...)")
    for name, v in vectors.items():
        if v is not None and v.shape != (channels,):
            raise ValueError(f"{function}: {name} has shape {v.shape}; needed ({channels},)")


def _like_input(x, *vectors):
    """Vectors in the dtype of x; their gradients have the vectors' own dtypes."""
    return (v if v is None else v.to(x.dtype) for v in vectors)


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
) -> Tensor:
    """y = (x - mean) / sqrt(var + eps) weight + bias per channel of (N, C, ...) (Ioffe and Szegedy 2015, algorithm 1).

    In training, mean and biased variance are those of the batch, and the running statistics (Tensors, or None) become
    (1 - momentum) running + momentum batch, in place, with the unbiased variance; otherwise the running statistics are used.
    `relu` computes min(max(y, 0), ceiling) in the same pass: ReLU, or ReLU6 with a ceiling of 6. Raises ValueError where
    statistics are missing, or in training for one value per channel.
    """
    C = input.shape[1] if input.ndim > 1 else 0
    _check_affine("batch_norm", C, input, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    if not training and (running_mean is None or running_var is None):
        raise ValueError("batch_norm: without training, running_mean and running_var are needed")
    ceiling = ceiling if relu else None
    weight, bias = _like_input(input, weight, bias)
    if not training:
        return _with_statistics(input, running_mean, running_var, weight, bias, eps, ceiling)
    count = input.numel() // C if C else 0
    if count < 2 and input.numel():
        raise ValueError(
            f"batch_norm: more than one value per channel is needed in training, input is {input.shape}; "
            "use a larger batch, or eval() mode"
        )
    y, batch_mean, batch_var = _normalize(_rows(input), weight, bias, eps=eps, ceiling=ceiling)
    move_statistics((running_mean, running_var), (batch_mean, batch_var), momentum, count)
    return reshape(y, input.shape)


def move_statistics(
    running: tuple[Tensor | None, Tensor | None], batch: tuple[Tensor, Tensor], momentum: float, count: float
) -> None:
    """Move the running mean and variance, in place, towards those of a batch with `count` values per channel."""
    for mine, new, correction in zip(running, batch, (1, count / max(count - 1, 1))):
        if mine is not None and count:
            mine.copy_((1 - momentum) * mine.data + momentum * correction * new.data)


@primitive
def _affine(x, scale, shift, *, ceiling):
    """scale x + shift per channel of (N, C, L), optionally rectified."""
    zero, one = xp(x).zeros(x.shape[1]), xp(x).ones(x.shape[1])
    return kernels(x).normalize(x, zero, one, scale, shift, ceiling)


def _affine_rule(g, x, out, scale, ceiling):
    if ceiling is not None:
        g = cut(g, out, ceiling=ceiling)
    return g * reshape(scale, (1, -1, 1)), total(g * x, (0, 2)), total(g, (0, 2))


_affine.joint_rule(_affine_rule)


def _with_statistics(x, running_mean, running_var, weight, bias, eps, ceiling):
    scale = (running_var + eps) ** -0.5
    scale = scale if weight is None else scale * weight
    shift = -running_mean * scale
    shift = shift if bias is None else shift + bias
    return reshape(_affine(_rows(x), scale.to(x.dtype), shift.to(x.dtype), ceiling=ceiling), x.shape)


def _standardize(x, rows, eps):
    """x with each of `rows` equal runs of elements normalised to mean 0 and variance 1."""
    if not x.numel():
        return clone(x)
    y = _normalize(reshape(x, (1, rows, -1)), None, None, eps=eps, ceiling=None)[0]
    return reshape(y, x.shape)


def _scale_channels(y, weight, bias):
    weight, bias = _like_input(y, weight, bias)
    shape = (1, -1, *[1] * (y.ndim - 2))
    y = y if weight is None else y * reshape(weight, shape)
    return y if bias is None else y + reshape(bias, shape)


def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """(x - mean) / sqrt(var + eps) weight + bias, with statistics over groups of channels of each sample (Wu and He 2018).

    input (N, C, ...), with C a multiple of `num_groups`; weight and bias (C,).
    """
    N, C = input.shape[:2]
    if C % num_groups:
        raise ValueError(f"group_norm: num_groups={num_groups} does not divide the {C} channels of {input.shape}")
    _check_affine("group_norm", C, input, weight=weight, bias=bias)
    return _scale_channels(_standardize(input, N * num_groups, eps), weight, bias)


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) weight + bias, with statistics over each channel of each sample (Ulyanov et al. 2016).

    input (N, C, ...); weight and bias (C,). Without `use_input_stats` the running statistics are used.
    """
    N, C = input.shape[:2]
    _check_affine(
        "instance_norm", C, input, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias
    )
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    L = math.prod(input.shape[2:])
    if L == 1:
        raise ValueError(f"instance_norm: more than one value per channel is needed, input is {input.shape}")
    y, batch_mean, batch_var = _normalize(reshape(input, (1, N * C, L)), None, None, eps=eps, ceiling=None)
    for running, batch, correction in ((running_mean, batch_mean, 1), (running_var, batch_var, L / (L - 1))):
        if running is not None and N and L:
            average = batch.data.reshape(N, C).mean(0)
            running.copy_((1 - momentum) * running.data + momentum * correction * average)
    return _scale_channels(reshape(y, input.shape), weight, bias)


def layer_norm(
    input: Tensor, normalized_shape: Dims, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """(x - mean) / sqrt(var + eps) weight + bias, with statistics over the last axes of each sample (Ba et al. 2016).

    `normalized_shape`: the sizes of these axes, and the shape of weight and bias.
    """
    shape = sizes_of("layer_norm", normalized_shape)
    weight, bias = _like_input(input, weight, bias)
    for name, v in (
        ("the end of input", input.shape[-len(shape) :]),
        *((n, v.shape) for n, v in (("weight", weight), ("bias", bias)) if v is not None),
    ):
        if v != shape:
            raise ValueError(f"layer_norm: {name} has shape {v}; needed {shape}")
    y = _standardize(input, input.numel() // max(math.prod(shape), 1), eps)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias
