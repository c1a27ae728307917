"""MobileNet (Howard et al. 2017, table 1): depthwise separable convolutions after one ordinary convolution."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ... import functional as F
from ... import nn
from ...autograd.tensor import Tensor
from ..blocks import ConvBNReLU, SeparableConvBNReLU, round_channels
from .base import Backbone, Dilation, Stage, check_output_stride, collect

# Table 1: output channels and stride of the thirteen depthwise separable convolutions.
LAYERS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))


class MobileNetV1(Backbone):
    """A 3x3 convolution of stride 2, thirteen separable ones, global average, one linear layer.

    width_mult: alpha of section 3.3, which scales the channels of every layer. output_stride: 32, 16 or 8, by dilation.
    """

    def __init__(
        self,
        num_classes: int | None = 1000,
        width_mult: float = 1.0,
        dropout: float = 0.001,
        output_stride: int = 32,
        layers: Sequence[tuple[int, int]] = LAYERS,
    ) -> None:
        super().__init__()
        check_output_stride("MobileNetV1", output_stride)
        self.num_classes = num_classes
        plan, channels = Dilation(output_stride, stride=2), round_channels(32 * width_mult)
        self.features = nn.Sequential(ConvBNReLU(3, channels, stride=2))
        self.stages = {}
        for k, (width, stride) in enumerate(layers):
            if stride == 2:
                self.stages[f"features.{k}"] = Stage(plan.stride, channels)  # the last one before the size halves
            stride, _ = plan(stride)
            outputs = round_channels(width * width_mult)
            self.features.append(SeparableConvBNReLU(channels, outputs, stride, plan.before))
            channels = outputs
        self.stages[f"features.{len(layers)}"] = Stage(plan.stride, channels)
        if num_classes:
            self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(channels, num_classes))

    def pyramid(self, x: Tensor) -> dict[str, Tensor]:
        """features.1, features.3, features.5, features.11, features.13: the last map at each of the strides 2 to 32."""
        self.check_input(x)
        return collect(self.features, numbered(self.stages), x)

    def classify(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, num_classes)."""
        return self.classifier(F.mean(self.features(x), (2, 3)))


def numbered(stages: Iterable[str]) -> dict[int, str]:
    """{i: "features.i"} for the stages with such names."""
    return {int(name.removeprefix("features.")): name for name in stages}


def mobilenet_v1(
    num_classes: int | None = 1000, width_mult: float = 1.0, dropout: float = 0.001, output_stride: int = 32
) -> MobileNetV1:
    """MobileNet 1.0: 4.23 M parameters, 569 M multiply-adds at 224x224."""
    return MobileNetV1(num_classes, width_mult, dropout, output_stride)


def mobilenet_small(num_classes: int | None = None, output_stride: int = 32) -> MobileNetV1:
    """For lessons: a quarter of the channels, eight separable convolutions instead of thirteen."""
    layers = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1), (1024, 2))
    return MobileNetV1(num_classes, 0.25, 0.0, output_stride, layers)
