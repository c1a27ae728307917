"""DeepLab v3+: an encoder with ASPP, a decoder for the edges (Chen et al. 2018, section 3, figure 2).

The encoder's 256 channels at stride 16 are enlarged by four and concatenated with the backbone's features at stride 4, which a
1x1 reduces to 48 channels so that they do not outweigh the encoder's; two 3x3 convolutions (tables 1 and 2) and a second
enlargement by four follow.
"""

from __future__ import annotations

from collections.abc import Sequence

from ... import functional as F
from ... import nn
from ...autograd.tensor import Tensor
from .. import backbones
from ..backbones.base import Backbone
from ..blocks import ConvBNReLU, SeparableConvBNReLU, resize_to
from .base import OnBackbone
from .deeplab_v3 import ASPP


class DeepLabV3Plus(OnBackbone):
    """Encoder with ASPP and decoder; `separable`: atrous separable convolutions in both (section 3.1), else ordinary ones."""

    def __init__(
        self,
        backbone: Backbone,
        num_classes: int,
        low: str,
        rates: Sequence[int] = (6, 12, 18),
        width: int = 256,
        reduced: int = 48,
        separable: bool = True,
        dropout: float = 0.5,
    ) -> None:
        super().__init__(backbone, num_classes)
        conv = SeparableConvBNReLU if separable else ConvBNReLU
        rates = [rate * 16 // backbone.output_stride for rate in rates]
        self.low = low
        self.aspp = ASPP(backbone.stages[backbone.last].channels, rates, width, conv, dropout)
        self.reduce = ConvBNReLU(backbone.stages[low].channels, reduced, 1)
        self.refine = nn.Sequential(conv(width + reduced, width), conv(width, width))
        self.score = nn.Conv2d(width, num_classes, 1)

    def logits(self, x: Tensor) -> dict[str, Tensor]:
        """Scores at stride 4."""
        features = self.backbone.pyramid(x)
        low = self.reduce(features[self.low])  # (N, 48, H / 4, W / 4)
        deep = self.aspp(features[self.backbone.last])  # (N, 256, H / 16, W / 16)
        return {"out": self.score(self.refine(F.cat([resize_to(deep, low), low], 1)))}


def deeplab_v3plus(num_classes: int = 21, output_stride: int = 16) -> DeepLabV3Plus:
    """On aligned Xception-65, the paper's strongest encoder (table 5)."""
    backbone = backbones.xception65(None, output_stride=output_stride)
    return DeepLabV3Plus(backbone, num_classes, low="entry2.units.1")


def deeplab_v3plus_resnet101(num_classes: int = 21, output_stride: int = 16) -> DeepLabV3Plus:
    """On ResNet-101 (table 3)."""
    backbone = backbones.resnet101(None, output_stride=output_stride)
    return DeepLabV3Plus(backbone, num_classes, backbone.at_stride(4))


def deeplab_v3plus_mobilenet_v2(num_classes: int = 21, output_stride: int = 16) -> DeepLabV3Plus:
    """On MobileNetV2."""
    backbone = backbones.mobilenet_v2(None, output_stride=output_stride)
    return DeepLabV3Plus(backbone, num_classes, backbone.at_stride(4))


def deeplab_v3plus_small(num_classes: int = 11) -> DeepLabV3Plus:
    """For lessons: `mobilenet_v2_small` at output stride 8, 64 channels, rates 2, 4, 6."""
    backbone = backbones.mobilenet_v2_small(output_stride=8)
    return DeepLabV3Plus(backbone, num_classes, backbone.at_stride(4), (1, 2, 3), width=64, reduced=16, dropout=0.1)
