"""VGG (Simonyan and Zisserman 2015, table 1): 3x3 convolutions only, and 2x2 pools that halve the size."""

from __future__ import annotations

from collections.abc import Sequence

from ... import functional as F
from ... import nn
from ...autograd.tensor import Tensor
from .base import Backbone, Dilation, Stage, check_output_stride, collect

# Columns A (11 layers) and D (16) of table 1: channels of the convolutions before each pool.
VGG11 = ((64,), (128,), (256, 256), (512, 512), (512, 512))
VGG16 = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


class VGG(Backbone):
    """Blocks of 3x3 convolutions, each block ended by a pool; then three fully connected layers.

    blocks: channels of every convolution, grouped by block.
    output_stride: at 16 or 8 the last pools are 3x3 of stride 1, and the convolutions after them are dilated (DeepLab:
        Chen et al. 2015, section 3.1).
    """

    def __init__(
        self,
        blocks: Sequence[Sequence[int]] = VGG16,
        num_classes: int | None = 1000,
        batch_norm: bool = False,
        dropout: float = 0.5,
        output_stride: int = 32,
        input_channels: int = 3,
    ) -> None:
        super().__init__()
        deepest = 2 ** len(blocks)
        check_output_stride("VGG", output_stride, tuple(2**k for k in range(3, len(blocks) + 1)) or (deepest,))
        self.num_classes, self.input_channels = num_classes, input_channels
        plan, channels = Dilation(output_stride), input_channels
        layers: list[nn.Module] = []
        self.stages, self.ends = {}, {}  # {index in `features`: stage}
        for k, block in enumerate(blocks, 1):
            for width in block:
                layers.append(nn.Conv2d(channels, width, 3, padding=plan.dilation, dilation=plan.dilation))
                layers += [nn.BatchNorm2d(width)] if batch_norm else []
                layers.append(nn.ReLU())
                channels = width
            stride, _ = plan(2)
            layers.append(nn.MaxPool2d(2, 2) if stride == 2 else nn.MaxPool2d(3, 1, 1))
            self.ends[len(layers) - 1] = f"pool{k}"
            self.stages[f"pool{k}"] = Stage(plan.stride, channels, (plan.stride - 1) / 2)
        self.features = nn.Sequential(*layers)
        if num_classes:
            self.avgpool = nn.AdaptiveAvgPool2d((7, 7))  # the identity for 224x224 images
            self.classifier = nn.Sequential(
                nn.Linear(channels * 7 * 7, 4096),
                nn.ReLU(),
                nn.Dropout(dropout),
                nn.Linear(4096, 4096),
                nn.ReLU(),
                nn.Dropout(dropout),
                nn.Linear(4096, num_classes),
            )
        self.apply(_initialise)

    def check_input(self, x: Tensor) -> None:
        super().check_input(x)
        if min(x.shape[2:]) < self.output_stride:
            size, side = f"{x.shape[2]}x{x.shape[3]}", self.output_stride
            raise ValueError(
                f"VGG: input is {size}; needed at least {side}x{side} pixels: pooling must leave at least one cell"
            )

    def pyramid(self, x: Tensor) -> dict[str, Tensor]:
        """pool1, pool2, ..."""
        self.check_input(x)
        return collect(self.features, self.ends, x)

    def classify(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, num_classes)."""
        x = self.avgpool(self.features(x))  # (N, 512, 7, 7)
        return self.classifier(F.flatten(x, 1))


def _initialise(module):
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, 0, 0.01)
        nn.init.zeros_(module.bias)


def vgg16(num_classes: int | None = 1000, dropout: float = 0.5, output_stride: int = 32) -> VGG:
    """VGG-16 (configuration D) with torchvision's parameter names; 138.36 M parameters."""
    return VGG(VGG16, num_classes, False, dropout, output_stride)


def vgg16_bn(num_classes: int | None = 1000, dropout: float = 0.5, output_stride: int = 32) -> VGG:
    """VGG-16 with a batch norm after every convolution."""
    return VGG(VGG16, num_classes, True, dropout, output_stride)


def vgg_small(num_classes: int | None = None, output_stride: int = 32, base: int = 16) -> VGG:
    """For lessons: one convolution a block, batch norm, widths `base` to 8 `base`; strides 2 to 32, no classification head."""
    if num_classes:
        raise ValueError(
            f"vgg_small: num_classes is {num_classes}; it has no classification head: needed num_classes=None"
        )
    widths = [(min(base * 2**k, base * 8),) for k in range(5)]
    return VGG(widths, None, True, output_stride=output_stride)
