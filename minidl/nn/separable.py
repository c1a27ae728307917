"""The depthwise separable convolution: a convolution in two cheaper steps."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from ..typing import Size2
from .container import Sequential
from .conv import Conv2d
from .module import Module


class DepthwiseSeparableConv2d(Sequential):
    """A k x k convolution of each channel on its own (`depthwise`), then a 1 x 1 convolution across channels (`pointwise`).

    Arguments as in Conv2d. Multiply-adds per output pixel: C k^2 + C O instead of C O k^2, a ratio of 1/O + 1/k^2 (Howard
    et al. 2017, section 3.1). `norm_layer(channels)` and `activation_layer()` come between the two if given, as
    `norm` and `activation`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size2,
        stride: Size2 = 1,
        padding: Size2 = 0,
        dilation: Size2 = 1,
        bias: bool = True,
        norm_layer: Callable[[int], Module] | None = None,
        activation_layer: Callable[[], Module] | None = None,
    ) -> None:
        depthwise = Conv2d(
            in_channels, in_channels, kernel_size, stride, padding, dilation, groups=in_channels, bias=bias
        )
        layers: OrderedDict[str, Module] = OrderedDict(depthwise=depthwise)
        if norm_layer:
            layers["norm"] = norm_layer(in_channels)
        if activation_layer:
            layers["activation"] = activation_layer()
        layers["pointwise"] = Conv2d(in_channels, out_channels, 1, bias=bias)
        super().__init__(layers)
