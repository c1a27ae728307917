"""PSPNet: context of the whole scene from averages over 1, 4, 9 and 36 regions (Zhao et al. 2017, figure 3)."""

from __future__ import annotations

from collections.abc import Sequence

from ... import functional as F
from ... import nn
from ...autograd.tensor import Tensor
from .. import backbones
from ..backbones.base import Backbone
from ..blocks import ConvBNReLU, resize_to
from .base import check_pooled_batch
from .deeplab_v3 import DilatedNetwork, FCNHead


class PyramidPooling(nn.Module):
    """Means over bins x bins regions, reduced by 1x1 to equal shares, enlarged, concatenated with x (section 3.2)."""

    def __init__(self, inputs: int, bins: Sequence[int] = (1, 2, 3, 6)) -> None:
        super().__init__()
        share = inputs // len(bins)
        self.stages = nn.ModuleList(
            [nn.Sequential(nn.AdaptiveAvgPool2d(n), ConvBNReLU(inputs, share, 1)) for n in bins]
        )
        self.coarsest = min(bins)

    def forward(self, x: Tensor) -> Tensor:
        if self.coarsest == 1:
            check_pooled_batch("PyramidPooling", x, self.training)
        return F.cat([x, *[resize_to(stage(x), x) for stage in self.stages]], 1)


class PSPNet(DilatedNetwork):
    """Dilated backbone, pyramid pooling, 3x3, scores; an auxiliary head on the stage before the last (section 3.3)."""

    def __init__(
        self,
        backbone: Backbone,
        num_classes: int,
        bins: Sequence[int] = (1, 2, 3, 6),
        width: int = 512,
        aux_loss: bool = True,
    ) -> None:
        *_, before, last = backbone.stages.values()
        head = nn.Sequential(
            PyramidPooling(last.channels, bins),
            ConvBNReLU(2 * last.channels, width, 3),
            nn.Dropout(0.1),
            nn.Conv2d(width, num_classes, 1),
        )
        super().__init__(backbone, head, num_classes, FCNHead(before.channels, num_classes) if aux_loss else None)


def pspnet(num_classes: int = 21, aux_loss: bool = True) -> PSPNet:
    """On ResNet-50 at output stride 8, auxiliary loss weight 0.4 (section 4.2)."""
    return PSPNet(backbones.resnet50(None, output_stride=8), num_classes, aux_loss=aux_loss)


def pspnet_small(num_classes: int = 11, aux_loss: bool = True) -> PSPNet:
    """For lessons: `resnet_small`, 64 channels."""
    return PSPNet(backbones.resnet_small(output_stride=8), num_classes, width=64, aux_loss=aux_loss)
