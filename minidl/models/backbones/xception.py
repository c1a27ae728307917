"""Aligned Xception (Chen et al. 2018, DeepLabv3+, figure 4), 41 and 65 layers deep.

It differs from Xception in two ways: a strided separable convolution replaces every max-pool, so that any stride can become a
dilation, and batch norm and ReLU follow every depthwise 3x3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ... import functional as F
from ... import nn
from ...autograd.tensor import Tensor
from ..blocks import ConvBNReLU
from .base import Backbone, Dilation, Stage, check_output_stride


class Separable(nn.Sequential):
    """ReLU, depthwise 3x3, batch norm, ReLU, pointwise, batch norm; with the ReLU first, none follows the sum of a block."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__(
            nn.ReLU(),
            ConvBNReLU(inputs, inputs, 3, stride, dilation, groups=inputs),
            ConvBNReLU(inputs, outputs, 1, activation=None),
        )


class Block(nn.Module):
    """Three separable convolutions, the last with the stride, around a shortcut (1x1 where the shape changes)."""

    def __init__(
        self, inputs: int, widths: Sequence[int], stride: int = 1, dilations: Sequence[int] = (1, 1, 1)
    ) -> None:
        super().__init__()
        a, b, c = widths
        self.units = nn.Sequential(
            Separable(inputs, a, dilation=dilations[0]),
            Separable(a, b, dilation=dilations[1]),
            Separable(b, c, stride, dilations[2]),
        )
        fits = stride == 1 and inputs == c
        self.shortcut = nn.Identity() if fits else ConvBNReLU(inputs, c, 1, stride, activation=None)

    def forward(self, x: Tensor) -> Tensor:
        return self.units(x) + self.shortcut(x)


class Xception(Backbone):
    """Entry, middle and exit flow of figure 4. `middle`: blocks of the middle flow, 16 (65 layers) or 8 (41).

    multi_grid: unit rates of the last three convolutions, times the exit flow's dilation.
    """

    def __init__(
        self,
        middle: int = 16,
        num_classes: int | None = 1000,
        output_stride: int = 32,
        width_mult: float = 1.0,
        multi_grid: Sequence[int] = (1, 1, 1),
    ) -> None:
        super().__init__()
        check_output_stride("Xception", output_stride)
        self.num_classes = num_classes
        w32, w64, w128, w256, w728, w1024, w1536, w2048 = (
            max(8, int(w * width_mult)) for w in (32, 64, 128, 256, 728, 1024, 1536, 2048)
        )
        plan = Dilation(output_stride, stride=2)
        self.stem = nn.Sequential(ConvBNReLU(3, w32, stride=2), ConvBNReLU(w32, w64))
        self.entry1 = self._block(w64, (w128,) * 3, 2, plan)
        self.stages = {"stem": Stage(2, w64), "entry1": Stage(4, w128), "entry2.units.1": Stage(4, w256)}
        self.entry2 = self._block(w128, (w256,) * 3, 2, plan)
        self.stages["entry2"] = Stage(plan.stride, w256)
        self.entry3 = self._block(w256, (w728,) * 3, 2, plan)
        rate = plan.dilation
        self.middle = nn.Sequential(*[Block(w728, (w728,) * 3, 1, (rate,) * 3) for _ in range(middle)])
        self.stages["middle"] = Stage(plan.stride, w728)
        self.exit1 = self._block(w728, (w728, w1024, w1024), 2, plan)
        units, channels = [], w1024
        for width, unit in zip((w1536, w1536, w2048), multi_grid):
            units.append(Separable(channels, width, dilation=unit * plan.dilation))
            channels = width
        self.exit2 = nn.Sequential(*units, nn.ReLU())
        self.stages["exit2"] = Stage(plan.stride, channels)
        if num_classes:
            self.fc = nn.Linear(channels, num_classes)

    @staticmethod
    def _block(inputs, widths, stride, plan):
        stride, _ = plan(stride)
        return Block(inputs, widths, stride, (plan.before,) * 3)

    def pyramid(self, x: Tensor) -> dict[str, Tensor]:
        """stem, entry1, entry2.units.1 (the low-level features of DeepLabv3+), entry2, middle, exit2."""
        self.check_input(x)
        found = {"stem": self.stem(x)}
        x = found["entry1"] = self.entry1(found["stem"])
        low = found["entry2.units.1"] = self.entry2.units[:2](x)
        x = found["entry2"] = self.entry2.units[2](low) + self.entry2.shortcut(x)
        x = found["middle"] = self.middle(self.entry3(x))
        found["exit2"] = self.exit2(self.exit1(x))
        return found

    def classify(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, num_classes)."""
        return self.fc(F.mean(self.pyramid(x)["exit2"], (2, 3)))


def xception41(num_classes: int | None = 1000, **options: Any) -> Xception:
    """Aligned Xception-41. Options as `Xception`."""
    return Xception(8, num_classes, **options)


def xception65(num_classes: int | None = 1000, **options: Any) -> Xception:
    """Aligned Xception-65. Options as `Xception`."""
    return Xception(16, num_classes, **options)


def xception_small(num_classes: int | None = None, **options: Any) -> Xception:
    """For lessons: one middle block, an eighth of the channels."""
    return Xception(1, num_classes, width_mult=0.125, **options)
