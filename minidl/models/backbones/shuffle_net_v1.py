"""ShuffleNet (Zhang et al. 2018, figure 2 b, c and table 1): grouped 1x1 convolutions, and a shuffle that mixes the groups."""

from __future__ import annotations

from collections.abc import Sequence

from ... import functional as F
from ... import nn
from ...autograd.tensor import Tensor
from ..blocks import ConvBNReLU
from .base import Backbone, Dilation, Stage, check_output_stride
from .shufflenet import channel_shuffle

# Table 1: output channels of stage 2 for each number of groups; stages 3 and 4 double them.
CHANNELS = {1: 144, 2: 200, 3: 240, 4: 272, 8: 384}


class ShuffleUnit(nn.Module):
    """Grouped 1x1 to a quarter, shuffle, depthwise 3x3, grouped 1x1; x is added, or at stride 2 its average concatenated."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        groups: int,
        first: bool = False,
        stride: int = 1,
        dilation: int = 1,
        group_first: bool = True,
    ) -> None:
        super().__init__()
        self.groups, self.first, self.stride = groups, first, stride
        middle, made = outputs // 4, outputs - inputs if first else outputs
        self.compress = ConvBNReLU(inputs, middle, 1, groups=groups if group_first else 1)
        self.depthwise = ConvBNReLU(middle, middle, 3, stride, dilation, groups=middle, activation=None)
        self.expand = ConvBNReLU(middle, made, 1, groups=groups, activation=None)

    def forward(self, x: Tensor) -> Tensor:
        y = channel_shuffle(self.compress(x), self.groups)
        y = self.expand(self.depthwise(y))
        if not self.first:
            return F.relu(x + y)
        shortcut = F.avg_pool2d(x, 3, self.stride, padding=1)
        return F.relu(F.cat([shortcut, y], 1))


class ShuffleNetV1(Backbone):
    """Stem of stride 4 and 24 channels, stages of 4, 8 and 4 units, global average, one linear layer."""

    def __init__(
        self,
        groups: int = 3,
        num_classes: int | None = 1000,
        output_stride: int = 32,
        repeats: Sequence[int] = (4, 8, 4),
        channels: int | None = None,
    ) -> None:
        super().__init__()
        check_output_stride("ShuffleNetV1", output_stride)
        if groups not in CHANNELS:
            raise ValueError(f"ShuffleNetV1: groups is {groups}; needed one of {tuple(CHANNELS)}")
        self.num_classes = num_classes
        plan, inputs, width = Dilation(output_stride, stride=4), 24, channels or CHANNELS[groups]
        self.conv1 = ConvBNReLU(3, inputs, stride=2)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.stages = {"conv1": Stage(2, inputs), "maxpool": Stage(4, inputs)}
        for k, count in enumerate(repeats, 2):
            stride, dilation = plan(2)
            units = [ShuffleUnit(inputs, width, groups, True, stride, plan.before, k > 2)]  # "few input channels"
            units += [ShuffleUnit(width, width, groups, dilation=dilation) for _ in range(count - 1)]
            setattr(self, f"stage{k}", nn.Sequential(*units))
            self.stages[f"stage{k}"] = Stage(plan.stride, width)
            inputs, width = width, 2 * width
        if num_classes:
            self.fc = nn.Linear(inputs, num_classes)

    def pyramid(self, x: Tensor) -> dict[str, Tensor]:
        """conv1, maxpool, stage2, stage3, stage4."""
        self.check_input(x)
        found = {}
        for name in self.stages:
            x = found[name] = getattr(self, name)(x)
        return found

    def classify(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, num_classes)."""
        return self.fc(F.mean(self.pyramid(x)["stage4"], (2, 3)))


def shufflenet_v1(num_classes: int | None = 1000, groups: int = 3, output_stride: int = 32) -> ShuffleNetV1:
    """ShuffleNet 1x; 1.86 M parameters with 3 groups, 2.4 M with 8."""
    return ShuffleNetV1(groups, num_classes, output_stride)


def shufflenet_v1_small(num_classes: int | None = None, output_stride: int = 32) -> ShuffleNetV1:
    """For lessons: two groups, 48 channels at stage 2, two units per stage."""
    return ShuffleNetV1(2, num_classes, output_stride, (2, 2, 2), 48)
