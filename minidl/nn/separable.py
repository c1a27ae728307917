"""A convolution in two cheaper factors."""

from collections import OrderedDict

from .container import Sequential
from .conv import Conv2d


class DepthwiseSeparableConv2d(Sequential):
    """A k x k convolution of each channel on its own (`depthwise`), then a 1 x 1 convolution across channels (`pointwise`).

    Arguments as Conv2d's. Multiply-adds per output pixel: C k^2 + C O instead of C O k^2, a ratio of 1/O + 1/k^2 (Howard
    et al. 2017, section 3.1). `norm_layer(channels)` and `activation_layer()` come between the two if given, as
    `norm` and `activation`.
    """

    def __init__(
        self,
        in_channels,
        out_channels,
        kernel_size,
        stride=1,
        padding=0,
        dilation=1,
        bias=True,
        norm_layer=None,
        activation_layer=None,
    ):
        depthwise = Conv2d(
            in_channels, in_channels, kernel_size, stride, padding, dilation, groups=in_channels, bias=bias
        )
        layers = OrderedDict(depthwise=depthwise)
        if norm_layer:
            layers["norm"] = norm_layer(in_channels)
        if activation_layer:
            layers["activation"] = activation_layer()
        layers["pointwise"] = Conv2d(in_channels, out_channels, 1, bias=bias)
        super().__init__(layers)
