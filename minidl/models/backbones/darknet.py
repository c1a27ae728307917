"""Darknet-19 (Redmon and Farhadi 2017, table 6): 3x3 convolutions double the channels, 1x1 halve them; pools between blocks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ... import functional as F
from ... import nn
from ...autograd.tensor import Tensor
from ..blocks import ConvBNReLU
from .base import Backbone, Dilation, Stage, check_output_stride, collect

# Table 6: output channels of each block's convolutions; kernels alternate 3, 1, 3, ...
BLOCKS = ((32,), (64,), (128, 64, 128), (256, 128, 256), (512, 256, 512, 256, 512), (1024, 512, 1024, 512, 1024))
Leaky = partial(nn.LeakyReLU, 0.1)


class Darknet(Backbone):
    """Blocks of convolutions with batch norm and leaky ReLU, max-pools between them, a 1x1 convolution to the classes.

    output_stride: at 16 or 8 the last pools are left out, and the convolutions after them are dilated.
    """

    def __init__(
        self, blocks: Sequence[Sequence[int]] = BLOCKS, num_classes: int | None = 1000, output_stride: int = 32
    ) -> None:
        super().__init__()
        check_output_stride("Darknet", output_stride)
        self.num_classes = num_classes
        plan, channels = Dilation(output_stride), 3
        layers: list[nn.Module] = []
        self.stages, self.ends = {}, {}
        for k, block in enumerate(blocks, 1):
            if k > 1:
                stride, _ = plan(2)
                layers += [nn.MaxPool2d(2, 2)] if stride == 2 else []
            for i, width in enumerate(block):
                kernel = 1 if i % 2 else 3
                layers.append(ConvBNReLU(channels, width, kernel, dilation=plan.dilation, activation=Leaky))
                channels = width
            self.ends[len(layers) - 1] = f"block{k}"
            self.stages[f"block{k}"] = Stage(plan.stride, channels, (plan.stride - 1) / 2)
        self.layers = nn.Sequential(*layers)
        if num_classes:
            self.score = nn.Conv2d(channels, num_classes, 1)

    def pyramid(self, x: Tensor) -> dict[str, Tensor]:
        """block1, ..., block6, at strides 1 to 32."""
        self.check_input(x)
        if min(x.shape[2:]) < self.output_stride:
            side = self.output_stride
            raise ValueError(f"Darknet: input is {x.shape[2]}x{x.shape[3]}; needed at least {side}x{side} pixels")
        return collect(self.layers, self.ends, x)

    def classify(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, num_classes)."""
        return F.mean(self.score(self.pyramid(x)[self.last]), (2, 3))


def darknet19(num_classes: int | None = 1000, output_stride: int = 32) -> Darknet:
    """Darknet-19; 20.84 M parameters."""
    return Darknet(BLOCKS, num_classes, output_stride)


def darknet_small(num_classes: int | None = None, output_stride: int = 32) -> Darknet:
    """For lessons: a quarter of the channels or fewer, one convolution in most blocks."""
    return Darknet(((8,), (16,), (32, 16, 32), (64,), (128,), (128,)), num_classes, output_stride)
