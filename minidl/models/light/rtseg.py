"""RTSeg: three decoders, each of which works with any backbone (Siam et al. 2018, section 2).

SkipNet: FCN-8s on a light encoder; skips from strides 16 and 8 are scored and added (2.2). U-Net: transposed convolutions,
a skip at every stride, features instead of scores. Dilation: dilations replace strides 16 and 32, and stride 8 is scored
directly.
"""

from __future__ import annotations

from itertools import pairwise

from ... import functional as F
from ... import nn
from ...autograd.tensor import Tensor
from .. import backbones
from ..backbones.base import Backbone
from ..blocks import ConvBNReLU
from ..segmentation.base import OnBackbone
from ..segmentation.fcn import FCN


class UNetDecoder(OnBackbone):
    """From stride 32 up to 2: a transposed 4x4 of stride 2 to the skip's channels, plus the skip, then two 3x3."""

    def __init__(self, backbone: Backbone, num_classes: int, convs: int = 2) -> None:
        super().__init__(backbone, num_classes)
        self.names = [backbone.at_stride(s) for s in (32, 16, 8, 4, 2)]
        channels = [backbone.stages[name].channels for name in self.names]
        self.up = nn.ModuleList(
            [nn.ConvTranspose2d(a, b, 4, stride=2, padding=1, bias=False) for a, b in pairwise(channels)]
        )
        self.merge = nn.ModuleList([nn.Sequential(*[ConvBNReLU(c, c, 3) for _ in range(convs)]) for c in channels[1:]])
        self.score = nn.Conv2d(channels[-1], num_classes, 1)

    def logits(self, x: Tensor) -> dict[str, Tensor]:
        """Scores at stride 2."""
        features = self.backbone.pyramid(x)
        y, *skips = [features[name] for name in self.names]
        for up, merge, skip in zip(self.up, self.merge, skips):
            H, W = skip.shape[2:]  # where the size is odd, up(y) is one row or column too large
            y = merge(F.crop(up(y), 0, 0, H, W) + skip)
        return {"out": self.score(y)}


class DilationDecoder(OnBackbone):
    """Scores of the last stage of a backbone at output stride 8, enlarged by a learned 16x16 transposed convolution."""

    def __init__(self, backbone: Backbone, num_classes: int) -> None:
        super().__init__(backbone, num_classes)
        stride = backbone.output_stride
        self.score = nn.Conv2d(backbone.stages[backbone.last].channels, num_classes, 1)
        self.up = nn.ConvTranspose2d(
            num_classes, num_classes, 2 * stride, stride=stride, padding=stride // 2, bias=False
        )
        nn.init.bilinear_(self.up.weight)

    def logits(self, x: Tensor) -> dict[str, Tensor]:
        """Scores at the size of the image, rounded up to whole cells."""
        y = self.up(self.score(self.backbone.pyramid(x)[self.backbone.last]))
        H, W = x.shape[2:]
        return {"out": F.crop(y, 0, 0, H, W)}


def skipnet_mobilenet(num_classes: int = 20) -> FCN:
    """SkipNet-MobileNet."""
    return FCN(backbones.mobilenet_v1(None), num_classes, hidden=0)


def skipnet_shufflenet(num_classes: int = 20) -> FCN:
    """SkipNet-ShuffleNet, the paper's fastest."""
    return FCN(backbones.shufflenet_v1(None), num_classes, hidden=0)


def unet_mobilenet(num_classes: int = 20) -> UNetDecoder:
    """UNet-MobileNet."""
    return UNetDecoder(backbones.mobilenet_v1(None), num_classes)


def unet_shufflenet(num_classes: int = 20) -> UNetDecoder:
    """UNet-ShuffleNet."""
    return UNetDecoder(backbones.shufflenet_v1(None), num_classes)


def dilation_mobilenet(num_classes: int = 20) -> DilationDecoder:
    """Dilation-MobileNet."""
    return DilationDecoder(backbones.mobilenet_v1(None, output_stride=8), num_classes)


def dilation_shufflenet(num_classes: int = 20) -> DilationDecoder:
    """Dilation-ShuffleNet."""
    return DilationDecoder(backbones.shufflenet_v1(None, output_stride=8), num_classes)


def skipnet_small(num_classes: int = 11) -> FCN:
    """For lessons: SkipNet on `mobilenet_small`."""
    return FCN(backbones.mobilenet_small(), num_classes, hidden=0)


def unet_mobilenet_small(num_classes: int = 11) -> UNetDecoder:
    """For lessons: the U-Net decoder on `mobilenet_small`, one 3x3 a level."""
    return UNetDecoder(backbones.mobilenet_small(), num_classes, convs=1)


def dilation_small(num_classes: int = 11) -> DilationDecoder:
    """For lessons: the dilation decoder on `shufflenet_v1_small` at stride 8."""
    return DilationDecoder(backbones.shufflenet_v1_small(output_stride=8), num_classes)
