"""ResNet (He et al. 2016, table 1), with strides that can become dilations (Chen et al. 2017, section 3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ... import functional as F
from ... import nn
from ...autograd.tensor import Tensor
from .base import Backbone, Dilation, Stage, check_output_stride


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut (figure 5, left)."""

    expansion = 1

    def __init__(
        self,
        inputs: int,
        planes: int,
        stride: int = 1,
        dilation: tuple[int, int] = (1, 1),
        downsample: nn.Module | None = None,
    ) -> None:
        super().__init__()
        first, second = dilation
        self.conv1 = nn.Conv2d(inputs, planes, 3, stride, padding=first, dilation=first, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=second, dilation=second, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.bn1(self.conv1(x), relu=True)
        return F.relu(self.bn2(self.conv2(y)) + shortcut)


class Bottleneck(nn.Module):
    """1x1 down, 3x3, 1x1 up to four times the planes (figure 5, right); the stride is in the 3x3, as torchvision's."""

    expansion = 4

    def __init__(
        self,
        inputs: int,
        planes: int,
        stride: int = 1,
        dilation: tuple[int, int] = (1, 1),
        downsample: nn.Module | None = None,
    ) -> None:
        super().__init__()
        rate, _ = dilation
        self.conv1 = nn.Conv2d(inputs, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride, padding=rate, dilation=rate, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, planes * 4, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(planes * 4)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.bn1(self.conv1(x), relu=True)
        y = self.bn2(self.conv2(y), relu=True)
        return F.relu(self.bn3(self.conv3(y)) + shortcut)


def residual_layer(
    block: type[BasicBlock] | type[Bottleneck],
    inputs: int,
    planes: int,
    blocks: int,
    stride: int,
    plan: Dilation,
    multi_grid: Sequence[int] | None = None,
) -> nn.Sequential:
    """`blocks` residual blocks, the first with `stride` or, beyond the output stride, dilated.

    multi_grid: unit rates of the blocks, multiplied by the layer's dilation (Chen et al. 2017, section 3.2.1). Without
        it the first 3x3 has the dilation of the layer before, as in torchvision: its input still has the finer grid.
    """
    stride, dilation = plan(stride)
    rates = [(plan.before, dilation)] + [(dilation, dilation)] * (blocks - 1)
    if multi_grid:
        if len(multi_grid) != blocks:
            raise ValueError(f"ResNet: multi_grid {tuple(multi_grid)} has {len(multi_grid)} rates for {blocks} blocks")
        rates = [(unit * dilation, unit * dilation) for unit in multi_grid]
    outputs = planes * block.expansion
    shortcut = None
    if stride != 1 or inputs != outputs:
        shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
    first = block(inputs, planes, stride, rates[0], shortcut)
    return nn.Sequential(first, *[block(outputs, planes, dilation=rate) for rate in rates[1:]])


class ResNet(Backbone):
    """Stem of stride 4, four layers of residual blocks, global average, one linear layer.

    output_stride: 32; at 16 layer4, at 8 layer3 and layer4 are dilated instead of strided.
    replace_stride_with_dilation: torchvision's argument for the same choice, three booleans for layers 2 to 4.
    """

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        layers: Sequence[int],
        num_classes: int | None = 1000,
        replace_stride_with_dilation: Sequence[bool] | None = None,
        output_stride: int = 32,
        multi_grid: Sequence[int] | None = None,
        width: int = 64,
    ) -> None:
        super().__init__()
        if replace_stride_with_dilation is not None:
            output_stride = _output_stride(replace_stride_with_dilation)
        check_output_stride("ResNet", output_stride)
        self.num_classes = num_classes
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.stages, channels, plan = {}, width, Dilation(output_stride, stride=4)
        for k, blocks in enumerate(layers):
            planes = width * 2**k
            grid = multi_grid if k == 3 else None
            layer = residual_layer(block, channels, planes, blocks, 2 if k else 1, plan, grid)
            setattr(self, f"layer{k + 1}", layer)
            channels = planes * block.expansion
            self.stages[f"layer{k + 1}"] = Stage(plan.stride, channels)
        self.plan = plan  # state from which DeepLabv3's cascade continues the dilations
        if num_classes:
            self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
            self.fc = nn.Linear(channels, num_classes)
        self.apply(_initialise)

    def pyramid(self, x: Tensor) -> dict[str, Tensor]:
        """layer1, layer2, layer3, layer4."""
        self.check_input(x)
        x = self.maxpool(self.bn1(self.conv1(x), relu=True))
        found = {}
        for name in self.stages:
            x = found[name] = getattr(self, name)(x)
        return found

    def classify(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, num_classes)."""
        return self.fc(F.flatten(self.avgpool(self.pyramid(x)["layer4"]), 1))


def _output_stride(replaced):
    replaced = tuple(bool(r) for r in replaced)
    strides = {(False, False, False): 32, (False, False, True): 16, (False, True, True): 8}
    if replaced not in strides:
        raise ValueError(
            f"ResNet: replace_stride_with_dilation is {replaced}; needed three booleans, the last ones true: "
            "a stride after a dilated layer would undo it"
        )
    return strides[replaced]


def _initialise(module):
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def resnet18(num_classes: int | None = 1000, **options: Any) -> ResNet:
    """ResNet-18 with torchvision's parameter names; 11.69 M parameters. Options as `ResNet`."""
    return ResNet(BasicBlock, (2, 2, 2, 2), num_classes, **options)


def resnet34(num_classes: int | None = 1000, **options: Any) -> ResNet:
    """ResNet-34; 21.80 M parameters."""
    return ResNet(BasicBlock, (3, 4, 6, 3), num_classes, **options)


def resnet50(num_classes: int | None = 1000, **options: Any) -> ResNet:
    """ResNet-50; 25.56 M parameters."""
    return ResNet(Bottleneck, (3, 4, 6, 3), num_classes, **options)


def resnet101(num_classes: int | None = 1000, **options: Any) -> ResNet:
    """ResNet-101; 44.55 M parameters."""
    return ResNet(Bottleneck, (3, 4, 23, 3), num_classes, **options)


def resnet_small(num_classes: int | None = None, **options: Any) -> ResNet:
    """For lessons: ResNet-10 with a quarter of the channels."""
    return ResNet(BasicBlock, (1, 1, 1, 1), num_classes, width=16, **options)
