"""MobileNetV2 (Sandler et al. 2018, table 2): few channels between the blocks, many within, no ReLU where they are few."""

from __future__ import annotations

from collections.abc import Sequence

from ... import functional as F
from ... import nn
from ...autograd.tensor import Tensor
from ..blocks import ConvBNReLU, round_channels
from .base import Backbone, Dilation, Stage, check_output_stride, collect
from .mobilenet import numbered

# Table 2: expansion t, output channels c, repetitions n, stride s.
SETTING = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


class InvertedResidual(nn.Module):
    """1x1 to `expand_ratio` times the channels, depthwise 3x3, 1x1 without activation; x is added where the shape stays."""

    def __init__(self, inputs: int, outputs: int, stride: int, expand_ratio: int, dilation: int = 1) -> None:
        super().__init__()
        hidden = round(inputs * expand_ratio)
        self.use_res_connect = stride == 1 and inputs == outputs
        layers = [ConvBNReLU(inputs, hidden, 1, activation=nn.ReLU6)] if expand_ratio != 1 else []
        self.conv = nn.Sequential(
            *layers,
            ConvBNReLU(hidden, hidden, 3, stride, dilation, groups=hidden, activation=nn.ReLU6),
            nn.Conv2d(hidden, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


class MobileNetV2(Backbone):
    """A 3x3 convolution of stride 2, seventeen inverted residuals, 1x1 to 1280, global average, one linear layer.

    width_mult scales the channels of every layer, rounded to `round_nearest`. output_stride: 32, 16 or 8, by dilation.
    """

    def __init__(
        self,
        num_classes: int | None = 1000,
        width_mult: float = 1.0,
        inverted_residual_setting: Sequence[Sequence[int]] = SETTING,
        round_nearest: int = 8,
        dropout: float = 0.2,
        output_stride: int = 32,
    ) -> None:
        super().__init__()
        check_output_stride("MobileNetV2", output_stride)
        self.num_classes = num_classes
        plan, channels = Dilation(output_stride, stride=2), round_channels(32 * width_mult, round_nearest)
        self.features = nn.Sequential(ConvBNReLU(3, channels, stride=2, activation=nn.ReLU6))
        self.stages = {}
        for t, c, n, s in inverted_residual_setting:
            outputs = round_channels(c * width_mult, round_nearest)
            if s == 2:
                self.stages[f"features.{len(self.features) - 1}"] = Stage(plan.stride, channels)
            for i in range(n):
                stride, _ = plan(s if i == 0 else 1)
                self.features.append(InvertedResidual(channels, outputs, stride, t, plan.before))
                channels = outputs
        self.stages[f"features.{len(self.features) - 1}"] = Stage(plan.stride, channels)
        if num_classes:
            last = round_channels(1280 * max(1.0, width_mult), round_nearest)
            self.features.append(ConvBNReLU(channels, last, 1, activation=nn.ReLU6))
            self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(last, num_classes))
        self.apply(_initialise)

    def pyramid(self, x: Tensor) -> dict[str, Tensor]:
        """features.1, features.3, features.6, features.13, features.17: the last map at each of the strides 2 to 32."""
        self.check_input(x)
        return collect(self.features, numbered(self.stages), x)

    def classify(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, num_classes)."""
        return self.classifier(F.mean(self.features(x), (2, 3)))


def _initialise(module):
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out")
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, 0, 0.01)
        nn.init.zeros_(module.bias)


def mobilenet_v2(
    num_classes: int | None = 1000, width_mult: float = 1.0, dropout: float = 0.2, output_stride: int = 32
) -> MobileNetV2:
    """MobileNetV2 with torchvision's parameter names; 3.50 M parameters."""
    return MobileNetV2(num_classes, width_mult, dropout=dropout, output_stride=output_stride)


def mobilenet_v2_small(num_classes: int | None = None, output_stride: int = 32) -> MobileNetV2:
    """For lessons: half the channels, six blocks instead of seventeen."""
    setting = ((1, 16, 1, 1), (6, 24, 1, 2), (6, 32, 1, 2), (6, 64, 2, 2), (6, 160, 1, 2))
    return MobileNetV2(num_classes, 0.5, setting, output_stride=output_stride)
