"""Frozen batch norm: the statistics and the affine map of a pretrained network, kept constant."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from ... import functional as F
from ... import nn
from ...autograd.tensor import Tensor

_Module = TypeVar("_Module", bound=nn.Module)


class FrozenBatchNorm2d(nn.Module):
    """weight (x - running_mean) / sqrt(running_var + eps) + bias per channel; all four are buffers, none is learned.

    Detectors train with about two images per batch, too few to estimate statistics from (Ren et al. 2017, section 4). The names
    are torchvision's. eps: torchvision's COCO weights need 0.
    """

    def __init__(self, num_features: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.num_features, self.eps = num_features, eps
        for name, value in {"weight": 1, "bias": 0, "running_mean": 0, "running_var": 1}.items():
            self.register_buffer(name, Tensor(np.full(num_features, value, np.float32)))

    def forward(self, input: Tensor, relu: bool = False) -> Tensor:
        """`relu=True` returns max(y, 0), computed in the same pass."""
        if input.ndim != 4 or input.shape[1] != self.num_features:
            raise ValueError(f"FrozenBatchNorm2d: input has shape {input.shape}; needed (N, {self.num_features}, H, W)")
        return F.batch_norm(
            input, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps, relu
        )

    def extra_repr(self) -> str:
        return f"{self.num_features}, eps={self.eps}"


def freeze_norms(module: _Module, eps: float | None = None) -> _Module:
    """Replace every BatchNorm2d below `module` by a frozen one with the same values, in place; returns `module`.

    eps: by default that of each replaced norm. Raises ValueError for a norm without affine map or running statistics.
    """
    for name, child in list(module.named_children()):
        if isinstance(child, nn.BatchNorm2d):
            if not (child.affine and child.track_running_stats):
                raise ValueError(f"freeze_norms: {name} has no affine map or no running statistics to freeze")
            frozen = FrozenBatchNorm2d(child.num_features, child.eps if eps is None else eps)
            for key in ("weight", "bias", "running_mean", "running_var"):
                getattr(frozen, key).data[:] = getattr(child, key).data
            setattr(module, name, frozen)
        else:
            freeze_norms(child, eps)
    return module
