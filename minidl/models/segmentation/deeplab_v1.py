"""DeepLab v1: dilated VGG-16 with a large field of view (Chen et al. 2015, sections 3.1 and 4.1, DeepLab-LargeFOV).

The last two pools have stride 1 and conv5 is dilated by 2, so that the same weights give scores at stride 8 instead of 32. The
7x7 fc6 becomes 3x3 at rate 12 with 1024 channels: a field of view of 224 with a sixth of the parameters. A fully connected
CRF (section 4.2) sharpens the scores: `predict_crf`.
"""

from __future__ import annotations

from collections.abc import Iterable

from ... import nn
from ...autograd.tape import no_grad
from ...autograd.tensor import Tensor
from ...crf.terms import DEFAULT, Term
from ...typing import Array
from .. import backbones
from ..backbones.base import Backbone
from .base import OnBackbone


class DeepLabV1(OnBackbone):
    """Dilated backbone, fc6 (3x3 at `rate`), fc7, fc8; bilinear enlargement by the output stride."""

    def __init__(
        self, backbone: Backbone, num_classes: int, rate: int = 12, hidden: int = 1024, dropout: float = 0.5
    ) -> None:
        super().__init__(backbone, num_classes)
        self.classifier = nn.Sequential(
            nn.Conv2d(backbone.stages[backbone.last].channels, hidden, 3, padding=rate, dilation=rate),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Conv2d(hidden, hidden, 1),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Conv2d(hidden, num_classes, 1),
        )

    def logits(self, x: Tensor) -> dict[str, Tensor]:
        """Scores at the output stride."""
        return {"out": self.classifier(self.backbone.pyramid(x)[self.backbone.last])}


@no_grad()
def predict_crf(
    model: nn.Module, x: Tensor, images: Array, iterations: int = 10, terms: Iterable[Term] | None = None
) -> Array:
    """Class probabilities (N, classes, H, W) of `model`, sharpened along edges by a fully connected CRF, as an array.

    x: the normalised batch; images: the same images (N, 3, H, W) with values 0 to 255; `iterations` of mean field, 10
    as in section 5.1; `terms` of `minidl.crf.DenseCRF`, its defaults if None.
    """
    from ...crf import DenseCRF, from_logits  # scores alone need no CRF

    if images.shape[2:] != x.shape[2:] or len(images) != x.shape[0]:
        raise ValueError(f"predict_crf: images are {images.shape}; needed N, H and W of the batch {x.shape}")
    unary = from_logits(model(x)["out"].data)
    return DenseCRF(images, DEFAULT if terms is None else terms).inference(unary, iterations)


def deeplab_v1(num_classes: int = 21, rate: int = 12, hidden: int = 1024) -> DeepLabV1:
    """DeepLab-LargeFOV on VGG-16; 20.5 M parameters, as the paper's table 1."""
    return DeepLabV1(backbones.vgg16(None, output_stride=8), num_classes, rate, hidden)


def deeplab_v1_small(num_classes: int = 11) -> DeepLabV1:
    """For lessons: `vgg_small` at stride 8, rate 4."""
    return DeepLabV1(backbones.vgg_small(output_stride=8), num_classes, rate=4, hidden=128, dropout=0.1)
