"""Normalisation layers: learned scale and shift, and running statistics."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import functional as F
from ..autograd.tape import touch
from ..autograd.tensor import Tensor
from ..typing import Dims
from . import init
from .module import Module, Parameter


class _Norm(Module):
    """Scale `weight` and shift `bias` of a given shape, initialised with 1 and 0, or None."""

    def _add_affine(self, shape, weight=True, bias=True):
        self.register_parameter("weight", Parameter(np.ones(shape, np.float32)) if weight else None)
        self.register_parameter("bias", Parameter(np.zeros(shape, np.float32)) if bias else None)

    def reset_parameters(self) -> None:
        """Scale 1, shift 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)


class _RunningNorm(_Norm):
    """Per channel of (N, C, H, W), with running statistics."""

    optional_state = ("num_batches_tracked",)  # older published weights have none

    def __init__(
        self, num_features: int, eps: float, momentum: float | None, affine: bool, track_running_stats: bool
    ) -> None:
        super().__init__()
        self.num_features, self.eps = num_features, eps
        self.momentum: Any = momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self._add_affine(num_features, affine, affine)
        self.register_buffer(
            "running_mean", Tensor(np.zeros(num_features, np.float32)) if track_running_stats else None
        )
        self.register_buffer("running_var", Tensor(np.ones(num_features, np.float32)) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", Tensor(np.zeros((), np.int64)) if track_running_stats else None)

    def reset_running_stats(self) -> None:
        """Reset to mean 0, variance 1 and a count of 0 batches."""
        if self.track_running_stats:
            init.zeros_(self.running_mean)
            init.ones_(self.running_var)
            init.zeros_(self.num_batches_tracked)

    def _check(self, input):
        if input.ndim != 4 or input.shape[1] != self.num_features:
            raise ValueError(
                f"{type(self).__name__}: input has shape {input.shape}; needed (N, {self.num_features}, H, W)"
            )

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"track_running_stats={self.track_running_stats}"
        )


class BatchNorm2d(_RunningNorm):
    """`F.batch_norm` per channel of (N, C, H, W).

    In training the batch's statistics are used, and the running ones become (1 - momentum) running + momentum batch (with
    momentum=None the mean over all batches); in evaluation the running ones are used, if `track_running_stats`.
    """

    function: Callable[..., Tensor] | None = None  # set by `distributed.wrap`: batch norm over the batches of all ranks

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats)

    def forward(self, input: Tensor, relu: bool = False, ceiling: float = math.inf) -> Tensor:
        """`relu=True` returns min(max(y, 0), ceiling), computed in the same pass."""
        self._check(input)
        momentum = self.momentum
        if self.training and self.track_running_stats:
            self.num_batches_tracked.data += 1
            touch(self.num_batches_tracked.data)
            momentum = 1 / self.num_batches_tracked.item() if momentum is None else momentum
        return (self.function or F.batch_norm)(
            input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            momentum,
            self.eps,
            relu,
            ceiling,
        )


class InstanceNorm2d(_RunningNorm):
    """`F.instance_norm` per channel of each image; without parameters by default, as in PyTorch."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats)

    def forward(self, input: Tensor) -> Tensor:
        self._check(input)
        return F.instance_norm(
            input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            self.momentum,
            self.eps,
        )


class GroupNorm(_Norm):
    """`F.group_norm` over `num_groups` groups of channels."""

    def __init__(self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True) -> None:
        super().__init__()
        if num_channels % num_groups:
            raise ValueError(f"GroupNorm: num_groups={num_groups} does not divide num_channels={num_channels}")
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        self._add_affine(num_channels, affine, affine)

    def forward(self, input: Tensor) -> Tensor:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}"


class LayerNorm(_Norm):
    """`F.layer_norm` over the last axes, whose sizes are `normalized_shape`."""

    def __init__(
        self, normalized_shape: Dims, eps: float = 1e-5, elementwise_affine: bool = True, bias: bool = True
    ) -> None:
        super().__init__()
        self.normalized_shape = (
            (normalized_shape,) if isinstance(normalized_shape, int | np.integer) else tuple(normalized_shape)
        )
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self._add_affine(self.normalized_shape, elementwise_affine, elementwise_affine and bias)

    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        bias = self.bias is not None
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, bias={bias}"
