"""LiteSeg: a deeper, lighter ASPP and residual concatenations (Emara, Abd El Munim and Abbas 2019, section III, figure 1).

    backbone --- DASPP --- cat with DASPP's input (short) --- 1x1 --- enlarge --- cat with low features (long) --- refine

Where the paper leaves a choice open (which maps; no batch norm between depthwise and pointwise), this file follows the
authors' published code.
"""

from __future__ import annotations

from collections.abc import Sequence

from ... import functional as F
from ... import nn
from ...autograd.tensor import Tensor
from .. import backbones
from ..backbones.base import Backbone
from ..blocks import resize_to
from .base import OnBackbone
from .deeplab_v3 import ASPPPooling


class SeparableBN(nn.Sequential):
    """Depthwise k x k and pointwise with nothing between, then batch norm, and ReLU unless `linear`."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, dilation: int = 1, linear: bool = False) -> None:
        padding = dilation * (kernel - 1) // 2
        super().__init__(
            nn.DepthwiseSeparableConv2d(inputs, outputs, kernel, padding=padding, dilation=dilation, bias=False),
            nn.BatchNorm2d(outputs),
            *([] if linear else [nn.ReLU()]),
        )


class DASPP(nn.Module):
    """Deeper ASPP: each atrous branch is followed by a plain 3x3; x itself stays in the concatenation."""

    def __init__(self, inputs: int, width: int = 96, rates: Sequence[int] = (3, 6, 9)) -> None:
        super().__init__()
        branches: list[nn.Module] = [SeparableBN(inputs, width, 1, linear=True)]
        branches += [
            nn.Sequential(SeparableBN(inputs, width, 3, rate, linear=True), SeparableBN(width, width)) for rate in rates
        ]
        branches.append(ASPPPooling(inputs, width))
        self.branches = nn.ModuleList(branches)
        self.project = SeparableBN(inputs + len(branches) * width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.project(F.cat([x, *[branch(x) for branch in self.branches]], 1))


class LiteSeg(OnBackbone):
    """low: the stage of the long residual concatenation; reduced: its channels after a 1x1, None for no 1x1.

    top: channels of a 1x1 convolution between the backbone and DASPP (MobileNetV2's last layer), None for none.
    """

    def __init__(
        self,
        backbone: Backbone,
        num_classes: int,
        low: str,
        reduced: int | None = None,
        top: int | None = None,
        width: int = 96,
        rates: Sequence[int] = (3, 6, 9),
    ) -> None:
        super().__init__(backbone, num_classes)
        self.low = low
        deep, shallow = backbone.stages[backbone.last].channels, backbone.stages[low].channels
        self.top: nn.Module = nn.Identity()
        if top:
            self.top = nn.Sequential(nn.Conv2d(deep, top, 1, bias=False), nn.BatchNorm2d(top), nn.ReLU6())
        self.daspp = DASPP(top or deep, width, rates)
        self.reduce = SeparableBN(shallow, reduced, 1) if reduced else nn.Identity()
        self.refine = nn.Sequential(SeparableBN(width + (reduced or shallow), width), SeparableBN(width, width))
        self.score = nn.Conv2d(width, num_classes, 1)

    def logits(self, x: Tensor) -> dict[str, Tensor]:
        """Scores at the stride of `low`."""
        features = self.backbone.pyramid(x)
        low = self.reduce(features[self.low])
        deep = self.daspp(self.top(features[self.backbone.last]))
        return {"out": self.score(self.refine(F.cat([resize_to(deep, low), low], 1)))}


def liteseg(num_classes: int = 19) -> LiteSeg:
    """On MobileNetV2 at output stride 32, the paper's main model."""
    return LiteSeg(backbones.mobilenet_v2(None), num_classes, low="features.3", top=1280)


def liteseg_shufflenet(num_classes: int = 19) -> LiteSeg:
    """On ShuffleNet with 8 groups; its low features have stride 8."""
    return LiteSeg(backbones.shufflenet_v1(None, groups=8), num_classes, low="stage2", reduced=48)


def liteseg_darknet19(num_classes: int = 19) -> LiteSeg:
    """On Darknet-19 at output stride 16, the paper's most accurate."""
    return LiteSeg(backbones.darknet19(None, output_stride=16), num_classes, low="block3", reduced=32)


def liteseg_small(num_classes: int = 11) -> LiteSeg:
    """For lessons: `mobilenet_v2_small` at output stride 8, 48 channels, rates 1, 2, 3."""
    backbone = backbones.mobilenet_v2_small(output_stride=8)
    return LiteSeg(backbone, num_classes, backbone.at_stride(4), width=48, rates=(1, 2, 3))
