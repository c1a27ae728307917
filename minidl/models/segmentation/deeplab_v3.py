"""DeepLab v3 (Chen et al. 2017, sections 3.2 and 3.3, figures 3 b and 5).

In parallel: a 1x1, three 3x3 at rates 6, 12, 18, and the average over the image are concatenated and projected to 256
channels. In cascade: block 4 is repeated as blocks 5, 6, 7, each at twice the dilation. Rates are for output stride 16, and
double at 8.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ... import functional as F
from ... import nn
from ...autograd.tensor import Tensor
from .. import backbones
from ..backbones.base import Backbone, Dilation
from ..backbones.resnet import Bottleneck, residual_layer
from ..blocks import ConvBNReLU
from .base import OnBackbone, check_pooled_batch


class ASPPPooling(nn.Sequential):
    """Global average, 1x1 convolution, broadcast to every cell (image-level features, section 3.3)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(nn.AdaptiveAvgPool2d(1), *ConvBNReLU(inputs, outputs, 1))

    def forward(self, x: Tensor) -> Tensor:
        check_pooled_batch("ASPPPooling", x, self.training)
        y = super().forward(x)  # (N, outputs, 1, 1)
        return F.expand(y, (*y.shape[:2], *x.shape[2:]))


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling with batch norm and image-level features."""

    def __init__(
        self,
        inputs: int,
        rates: Sequence[int],
        outputs: int = 256,
        conv: Callable[..., nn.Module] = ConvBNReLU,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        branches: list[nn.Module] = [ConvBNReLU(inputs, outputs, 1)]
        branches += [conv(inputs, outputs, dilation=rate) for rate in rates]
        branches.append(ASPPPooling(inputs, outputs))
        self.convs = nn.ModuleList(branches)
        self.project = nn.Sequential(*ConvBNReLU(len(branches) * outputs, outputs, 1), nn.Dropout(dropout))

    def forward(self, x: Tensor) -> Tensor:
        return self.project(F.cat([branch(x) for branch in self.convs], 1))


class DeepLabHead(nn.Sequential):
    """ASPP, 3x3, scores."""

    def __init__(self, inputs: int, num_classes: int, rates: Sequence[int], width: int = 256) -> None:
        super().__init__(ASPP(inputs, rates, width), *ConvBNReLU(width, width, 3), nn.Conv2d(width, num_classes, 1))


class CascadeHead(nn.Sequential):
    """Blocks 5, 6, 7: copies of block 4 with dilation instead of stride (section 3.2); then scores."""

    def __init__(self, inputs: int, num_classes: int, plan: Dilation, multi_grid: Sequence[int] | None) -> None:
        layers = [residual_layer(Bottleneck, inputs, inputs // 4, 3, 2, plan, multi_grid) for _ in range(3)]
        super().__init__(*layers, nn.Dropout(0.1), nn.Conv2d(inputs, num_classes, 1))


class FCNHead(nn.Sequential):
    """3x3 to a quarter of the channels, dropout, scores: torchvision's head for FCN-ResNet and for auxiliary outputs."""

    def __init__(self, inputs: int, num_classes: int) -> None:
        middle = inputs // 4
        super().__init__(*ConvBNReLU(inputs, middle, 3), nn.Dropout(0.1), nn.Conv2d(middle, num_classes, 1))


class DilatedNetwork(OnBackbone):
    """A dilated backbone, `classifier` on its last stage, `aux_classifier` (or None) on the one before."""

    def __init__(
        self, backbone: Backbone, classifier: nn.Module, num_classes: int, aux_classifier: nn.Module | None = None
    ) -> None:
        super().__init__(backbone, num_classes)
        self.classifier = classifier
        self.aux_classifier = aux_classifier

    def logits(self, x: Tensor) -> dict[str, Tensor]:
        """Scores at the output stride."""
        *_, before, last = self.backbone.pyramid(x).values()
        scores = {"out": self.classifier(last)}
        if self.aux_classifier is not None:
            scores["aux"] = self.aux_classifier(before)
        return scores


class DeepLabV3(DilatedNetwork):
    """ASPP on a dilated backbone; `rates` are those of output stride 16."""

    def __init__(
        self,
        backbone: Backbone,
        num_classes: int,
        rates: Sequence[int] = (6, 12, 18),
        aux_loss: bool = False,
        width: int = 256,
    ) -> None:
        *_, before, last = backbone.stages.values()
        rates = [rate * 16 // backbone.output_stride for rate in rates]
        head = DeepLabHead(last.channels, num_classes, rates, width)
        super().__init__(backbone, head, num_classes, FCNHead(before.channels, num_classes) if aux_loss else None)


def deeplabv3_resnet50(
    num_classes: int = 21, aux_loss: bool = False, output_stride: int = 8, multi_grid: Sequence[int] | None = None
) -> DeepLabV3:
    """DeepLabv3 on ResNet-50 with torchvision's parameter names, strides and rates; 39.64 M parameters, 42.00 M with aux."""
    backbone = backbones.resnet50(None, output_stride=output_stride, multi_grid=multi_grid)
    return DeepLabV3(backbone, num_classes, aux_loss=aux_loss)


def deeplabv3_resnet101(
    num_classes: int = 21, aux_loss: bool = False, output_stride: int = 8, multi_grid: Sequence[int] | None = None
) -> DeepLabV3:
    """DeepLabv3 on ResNet-101 with torchvision's parameter names, strides and rates."""
    backbone = backbones.resnet101(None, output_stride=output_stride, multi_grid=multi_grid)
    return DeepLabV3(backbone, num_classes, aux_loss=aux_loss)


def deeplab_v3(num_classes: int = 21, output_stride: int = 16) -> DeepLabV3:
    """The paper's best model: ResNet-101, multi-grid (1, 2, 4), trained at output stride 16, tested at 8 (section 4.2)."""
    return deeplabv3_resnet101(num_classes, output_stride=output_stride, multi_grid=(1, 2, 4))


def deeplab_v3_cascade(
    num_classes: int = 21, output_stride: int = 16, multi_grid: Sequence[int] = (1, 2, 1)
) -> DilatedNetwork:
    """Blocks in cascade instead of ASPP: blocks 5 to 7 on ResNet-50, multi-grid (1, 2, 1) (section 4.1)."""
    backbone = backbones.resnet50(None, output_stride=output_stride, multi_grid=multi_grid)
    head = CascadeHead(backbone.stages["layer4"].channels, num_classes, backbone.plan, multi_grid)
    return DilatedNetwork(backbone, head, num_classes)


def deeplab_v3_small(num_classes: int = 11, aux_loss: bool = False) -> DeepLabV3:
    """For lessons: `resnet_small` at output stride 8, rates 2, 4, 6."""
    return DeepLabV3(backbones.resnet_small(output_stride=8), num_classes, (1, 2, 3), aux_loss, width=64)


def _fcn_resnet(resnet, num_classes, aux_loss):
    aux = FCNHead(1024, num_classes) if aux_loss else None
    return DilatedNetwork(resnet(None, output_stride=8), FCNHead(2048, num_classes), num_classes, aux)


def fcn_resnet50(num_classes: int = 21, aux_loss: bool = False) -> DilatedNetwork:
    """FCN on a dilated ResNet-50 with torchvision's parameter names; 32.96 M parameters, 35.32 M with aux."""
    return _fcn_resnet(backbones.resnet50, num_classes, aux_loss)


def fcn_resnet101(num_classes: int = 21, aux_loss: bool = False) -> DilatedNetwork:
    """The same on ResNet-101; 51.95 M parameters, 54.31 M with aux."""
    return _fcn_resnet(backbones.resnet101, num_classes, aux_loss)


def fcn_resnet_small(num_classes: int = 11, aux_loss: bool = False) -> DilatedNetwork:
    """For lessons: the same on `resnet_small`."""
    aux = FCNHead(64, num_classes) if aux_loss else None
    return DilatedNetwork(backbones.resnet_small(output_stride=8), FCNHead(128, num_classes), num_classes, aux)
