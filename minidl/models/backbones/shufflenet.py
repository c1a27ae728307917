"""ShuffleNetV2 (Ma et al. 2018, figure 3 c, d and table 5): half of the channels bypass each block, then all are shuffled."""

from __future__ import annotations

from collections.abc import Sequence

from ... import functional as F
from ... import nn
from ...autograd.tensor import Tensor
from ..blocks import ConvBNReLU
from .base import Backbone, Dilation, Stage, check_output_stride


def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    """Channels (g, c) in the order (c, g), so that the next block mixes channels of all groups.

    (N, C, H, W) -> (N, C, H, W); C is a multiple of `groups` (Zhang et al. 2018, section 3.1).
    """
    N, C, H, W = x.shape
    x = F.reshape(x, (N, groups, C // groups, H, W))
    return F.reshape(F.transpose(x, 1, 2), (N, C, H, W))


class InvertedResidual(nn.Module):
    """1x1, depthwise 3x3, 1x1 on half of the channels (on all of them, twice, where the layer's first block strides)."""

    def __init__(self, inputs: int, outputs: int, first: bool = False, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        half = outputs // 2
        self.first = first
        if first:
            self.branch1 = nn.Sequential(*_depthwise(inputs, stride, dilation), *ConvBNReLU(inputs, half, 1))
        self.branch2 = nn.Sequential(
            *ConvBNReLU(inputs if first else half, half, 1),
            *_depthwise(half, stride, dilation),
            *ConvBNReLU(half, half, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        kept, worked = (self.branch1(x), x) if self.first else F.chunk(x, 2, 1)
        return channel_shuffle(F.cat([kept, self.branch2(worked)], 1), 2)


def _depthwise(channels, stride, dilation):
    return ConvBNReLU(channels, channels, 3, stride, dilation, groups=channels, activation=None)


class ShuffleNetV2(Backbone):
    """Stem of stride 4, stages of `stages_repeats` blocks, 1x1, global average, one linear layer.

    stages_out_channels: of conv1, stage2, stage3, stage4, conv5 (table 5). output_stride: 32, 16 or 8, by dilation.
    """

    def __init__(
        self,
        stages_repeats: Sequence[int] = (4, 8, 4),
        stages_out_channels: Sequence[int] = (24, 116, 232, 464, 1024),
        num_classes: int | None = 1000,
        output_stride: int = 32,
    ) -> None:
        super().__init__()
        check_output_stride("ShuffleNetV2", output_stride)
        self.num_classes = num_classes
        channels, *widths, last = stages_out_channels
        plan = Dilation(output_stride, stride=4)
        self.conv1 = ConvBNReLU(3, channels, stride=2)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.stages = {"conv1": Stage(2, channels), "maxpool": Stage(4, channels)}
        for k, (repeats, width) in enumerate(zip(stages_repeats, widths), 2):
            stride, dilation = plan(2)
            blocks = [InvertedResidual(channels, width, True, stride, plan.before)]
            blocks += [InvertedResidual(width, width, dilation=dilation) for _ in range(repeats - 1)]
            setattr(self, f"stage{k}", nn.Sequential(*blocks))
            self.stages[f"stage{k}"] = Stage(plan.stride, width)
            channels = width
        if num_classes:
            self.conv5 = ConvBNReLU(channels, last, 1)
            self.fc = nn.Linear(last, num_classes)

    def pyramid(self, x: Tensor) -> dict[str, Tensor]:
        """conv1, maxpool, stage2, stage3, stage4."""
        self.check_input(x)
        found = {}
        for name in self.stages:
            x = found[name] = getattr(self, name)(x)
        return found

    def classify(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, num_classes)."""
        x = self.conv5(self.pyramid(x)["stage4"])
        return self.fc(F.mean(x, (2, 3)))


def shufflenet_v2_x1_0(num_classes: int | None = 1000, output_stride: int = 32) -> ShuffleNetV2:
    """ShuffleNetV2 x1.0 with torchvision's parameter names; 2.28 M parameters."""
    return ShuffleNetV2(num_classes=num_classes, output_stride=output_stride)


def shufflenet_v2_x0_5(num_classes: int | None = 1000, output_stride: int = 32) -> ShuffleNetV2:
    """ShuffleNetV2 x0.5; 1.37 M parameters."""
    return ShuffleNetV2(
        stages_out_channels=(24, 48, 96, 192, 1024), num_classes=num_classes, output_stride=output_stride
    )


def shufflenet_small(num_classes: int | None = None, output_stride: int = 32) -> ShuffleNetV2:
    """For lessons: two blocks per stage, the channels of x0.5 in all of them, 256 in the last layer."""
    return ShuffleNetV2((2, 2, 2), (24, 48, 96, 192, 256), num_classes, output_stride)
