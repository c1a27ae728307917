"""Inference over several scales and mirror images, fused into one prediction (Chen et al. 2016, 4.1.2; 2017, 4.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import functional as F
from .. import nn
from ..autograd.tape import no_grad
from ..autograd.tensor import Tensor

FUSIONS = ("mean", "max")


@no_grad()
def predict_multiscale(
    model: nn.Module,
    x: Tensor,
    scales: Sequence[float] = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75),
    flip: bool = True,
    fuse: str = "mean",
) -> Tensor:
    """Class probabilities (N, classes, H, W) fused over `scales` of the image, each also mirrored left to right.

    fuse: "mean" of the probabilities (DeepLabv3), or their "max" (DeepLabv2), normalised to sum to 1.
    """
    if not scales or min(scales) <= 0:
        raise ValueError(f"predict_multiscale: scales are {scales}; needed at least one, all positive")
    if fuse not in FUSIONS:
        raise ValueError(f"predict_multiscale: fuse is {fuse!r}; needed one of {FUSIONS}")
    size = x.shape[2:]
    total: Any = None
    looks = 0
    for scale in scales:
        scaled = x if scale == 1 else F.interpolate(x, size=_scaled(size, scale), mode="bilinear")
        for mirrored in (False, True) if flip else (False,):
            y = model(F.flip(scaled, 3) if mirrored else scaled)["out"]
            y = F.softmax(F.interpolate(y, size=size, mode="bilinear"), 1)
            y = F.flip(y, 3) if mirrored else y
            total = y if total is None else total + y if fuse == "mean" else F.maximum(total, y)
            looks += 1
    return total / looks if fuse == "mean" else total / F.sum(total, 1, keepdim=True)


def _scaled(size, scale):
    return tuple(max(1, round(n * scale)) for n in size)
