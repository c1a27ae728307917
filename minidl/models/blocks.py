"""Layers that several networks share: convolution with batch norm and activation, separable convolution, resizing."""

from __future__ import annotations

from collections.abc import Callable

from .. import functional as F
from .. import nn
from ..autograd.tensor import Tensor


class ConvBNReLU(nn.Sequential):
    """Convolution without bias, batch norm, activation: `0`, `1`, `2`, as torchvision's Conv2dNormActivation.

    padding is dilation (kernel_size - 1) / 2, so that only the stride changes the size. `activation` is a layer class, or None.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel_size: int = 3,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        activation: Callable[[], nn.Module] | None = nn.ReLU,
    ) -> None:
        padding = dilation * (kernel_size - 1) // 2
        conv = nn.Conv2d(inputs, outputs, kernel_size, stride, padding, dilation, groups, bias=False)
        super().__init__(conv, nn.BatchNorm2d(outputs), *([activation()] if activation else []))


class SeparableConvBNReLU(nn.Sequential):
    """Depthwise 3x3, then pointwise 1x1, batch norm and activation after each (Howard et al. 2017, figure 3).

    With `dilation` > 1 this is the atrous separable convolution of Chen et al. 2018 (v3+), section 3.1.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        stride: int = 1,
        dilation: int = 1,
        activation: Callable[[], nn.Module] | None = nn.ReLU,
    ) -> None:
        super().__init__(
            ConvBNReLU(inputs, inputs, 3, stride, dilation, groups=inputs, activation=activation),
            ConvBNReLU(inputs, outputs, 1, activation=activation),
        )


def resize_to(x: Tensor, reference: Tensor) -> Tensor:
    """x resized bilinearly (align_corners=False) to the height and width of `reference`."""
    size = tuple(reference.shape[2:])
    return x if tuple(x.shape[2:]) == size else F.interpolate(x, size=size, mode="bilinear", align_corners=False)


def pad_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """x with zeros at the bottom and right, up to the next multiple of `multiple` in height and width."""
    H, W = x.shape[2:]
    return F.pad(x, (0, -W % multiple, 0, -H % multiple))


def round_channels(channels: float, divisor: int = 8) -> int:
    """The multiple of `divisor` nearest to `channels`, but never more than 10 % below it, as MobileNets scale their widths."""
    nearest = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return nearest + divisor if nearest < 0.9 * channels else nearest
