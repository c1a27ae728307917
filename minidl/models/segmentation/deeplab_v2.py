"""DeepLab v2: atrous spatial pyramid pooling (Chen et al. 2016, section 3.2, figures 4 and 7; ASPP-L).

Four 3x3 convolutions with dilations 6, 12, 18 and 24 read the same features; their scores are added.
"""

from __future__ import annotations

from collections.abc import Sequence

from ... import nn
from ...autograd.tensor import Tensor
from .. import backbones
from ..backbones.base import Backbone
from .base import OnBackbone

ASPP_L, ASPP_S = (6, 12, 18, 24), (2, 4, 8, 12)


class DeepLabV2(OnBackbone):
    """Dilated backbone, one branch per rate, sum, bilinear enlargement by the output stride.

    hidden: channels of each branch's fc6 and fc7 (1024 on VGG-16); 0 for branches of a single convolution (ResNet-101).
    """

    def __init__(
        self, backbone: Backbone, num_classes: int, rates: Sequence[int] = ASPP_L, hidden: int = 0, dropout: float = 0.5
    ) -> None:
        super().__init__(backbone, num_classes)
        channels = backbone.stages[backbone.last].channels
        self.branches = nn.ModuleList([_branch(channels, hidden, num_classes, rate, dropout) for rate in rates])

    def logits(self, x: Tensor) -> dict[str, Tensor]:
        """Scores at the output stride."""
        x = self.backbone.pyramid(x)[self.backbone.last]
        first, *others = [branch(x) for branch in self.branches]
        return {"out": sum(others, first)}


def _branch(channels, hidden, num_classes, rate, dropout):
    if not hidden:
        return nn.Conv2d(channels, num_classes, 3, padding=rate, dilation=rate)
    return nn.Sequential(
        nn.Conv2d(channels, hidden, 3, padding=rate, dilation=rate),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Conv2d(hidden, hidden, 1),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Conv2d(hidden, num_classes, 1),
    )


def deeplab_v2(num_classes: int = 21, rates: Sequence[int] = ASPP_L) -> DeepLabV2:
    """ASPP-L on ResNet-101 at stride 8 (section 4.1.2)."""
    return DeepLabV2(backbones.resnet101(None, output_stride=8), num_classes, rates)


def deeplab_v2_vgg16(num_classes: int = 21, rates: Sequence[int] = ASPP_L) -> DeepLabV2:
    """ASPP-L on VGG-16 at stride 8 (section 4.1.1)."""
    return DeepLabV2(backbones.vgg16(None, output_stride=8), num_classes, rates, hidden=1024)


def deeplab_v2_small(num_classes: int = 11) -> DeepLabV2:
    """For lessons: `resnet_small` at stride 8, rates that fit 96 pixels."""
    return DeepLabV2(backbones.resnet_small(output_stride=8), num_classes, (1, 2, 3, 5))
