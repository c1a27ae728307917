"""Fully convolutional networks FCN-32s, 16s, 8s (Long, Shelhamer and Darrell 2015, sections 3 and 4, figure 3).

A classifier becomes convolutional (4.1); a transposed convolution enlarges its scores from stride 32 to pixels (3.3); scores
of finer layers are added in between (4.2).

Alignment of the scores: the paper pads the image by 100, so that small images too leave at least one cell after the 7x7 fc6,
and crops the surplus (offsets 5, 9, 19, 27, 31 in its network files). Here `Stage.centre` says on which pixel
the first cell of a map is centred, and the offsets follow from it, for any backbone and border. The default is no border and
a padded fc6, which has the same alignment and at 224x224 a third of the paper's cost; `border=99` is the paper's network (its
first convolution already pads by 1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Self

from ... import functional as F
from ... import nn
from ...autograd.tensor import Tensor
from .. import backbones
from ..backbones.base import Backbone
from ..blocks import pad_to_multiple
from .base import OnBackbone


class FCN(OnBackbone):
    """Scores of the stages at `strides`, coarsest first, enlarged and summed down to the finest, then to the image.

    hidden: channels of fc6 and fc7, 0 for none (backbones without fully connected layers).
    border: zeros around the image; above 0, fc6 is not padded.
    """

    def __init__(
        self,
        backbone: Backbone,
        num_classes: int,
        strides: Sequence[int] = (32, 16, 8),
        hidden: int = 4096,
        kernel: int = 7,
        border: int = 0,
        dropout: float = 0.5,
    ) -> None:
        super().__init__(backbone, num_classes)
        self.names = [backbone.at_stride(s) for s in strides]
        stages = [backbone.stages[name] for name in self.names]
        self.border, self.min_size = border, 1  # any image is padded to a multiple of the coarsest stride
        self.lost = kernel // 2 if hidden and border else 0  # cells that an unpadded fc6 loses at each side
        channels = [stage.channels for stage in stages]
        if hidden:
            self.fc6 = nn.Conv2d(channels[0], hidden, kernel, padding=0 if border else kernel // 2)
            self.fc7 = nn.Conv2d(hidden, hidden, 1)
            self.drop = nn.Dropout(dropout)
            channels[0] = hidden
        self.score = nn.ModuleList([nn.Conv2d(c, num_classes, 1) for c in channels])
        factors = [a // b for a, b in zip(strides, [*strides[1:], 1])]
        self.up = nn.ModuleList(
            [nn.ConvTranspose2d(num_classes, num_classes, 2 * f, stride=f, bias=False) for f in factors]
        )
        for score in self.score:  # section 4.3: scoring layers start at zero, since random ones train no better
            nn.init.zeros_(score.weight)
            nn.init.zeros_(score.bias)
        for up in self.up:
            nn.init.bilinear_(up.weight)
        self.up[-1].weight.requires_grad = False  # "the final layer is fixed to bilinear" (section 4.3)

    def head(self, x: Tensor) -> Tensor:
        """fc6 and fc7 as convolutions."""
        x = self.drop(F.relu(self.fc6(x)))
        return self.drop(F.relu(self.fc7(x)))

    def logits(self, x: Tensor) -> dict[str, Tensor]:
        """Scores at the size of the image."""
        H, W = x.shape[2:]
        padded = F.pad(pad_to_multiple(x, self.backbone.stages[self.names[0]].stride), [self.border] * 4)
        features = self.backbone.pyramid(padded)
        coarse, *skips = [features[name] for name in self.names]
        stage, *finer = [self.backbone.stages[name] for name in self.names]
        y = self.score[0](self.head(coarse) if hasattr(self, "fc6") else coarse)
        centre = stage.centre + self.lost * stage.stride
        for score, up, skip, fine in zip(self.score[1:], self.up, skips, finer):
            offset = _offset(stage.stride // fine.stride, (centre - fine.centre) / fine.stride)
            y = _sum_where_both(up(y), score(skip), offset)
            stage, centre = fine, fine.centre + max(-offset, 0) * fine.stride
        offset = _offset(stage.stride, centre - self.border)
        return {"out": F.crop(self.up[-1](y), offset, offset, H, W)}

    def load_classifier(self, classifier: nn.Module) -> Self:
        """Copy features, fc6 and fc7 from a classifier such as `vgg16`: fine-tuning starts there (section 4.1)."""
        own = {name: t for name, t in classifier.state_dict().items() if name.startswith("features.")}
        self.backbone.load_state_dict(own)
        first, second = [layer for layer in classifier.classifier if isinstance(layer, nn.Linear)][:2]
        for conv, linear in ((self.fc6, first), (self.fc7, second)):
            if linear.weight.numel() != conv.weight.numel():
                raise ValueError(
                    f"{type(self).__name__}.load_classifier: a layer of {linear.weight.shape} does not fill one of "
                    f"{conv.weight.shape}; needed hidden and kernel as in the classifier"
                )
            weight = linear.weight.data.reshape(conv.weight.shape)
            conv.load_state_dict({"weight": weight, "bias": linear.bias})
        return self


def _offset(factor, first):
    """Which output of a transposed convolution (kernel 2 f, stride f) lies on target cell 0.

    Input cell 0 lies on target cell `first`; its outputs are centred on f - 1/2. Halves are rounded up.
    """
    return math.floor(factor - first)


def _sum_where_both(coarse, fine, offset):
    """coarse[i + offset] + fine[i] for all i where both exist."""
    a, b = max(offset, 0), max(-offset, 0)
    H, W = (min(m - a, n - b) for m, n in zip(coarse.shape[2:], fine.shape[2:]))
    return F.crop(coarse, a, a, H, W) + F.crop(fine, b, b, H, W)


def fcn32s(num_classes: int = 21, backbone: Backbone | None = None, hidden: int = 4096, border: int = 0) -> FCN:
    """One stream: scores at stride 32, enlarged to pixels in a single step."""
    return FCN(backbone or backbones.vgg16(None), num_classes, (32,), hidden, border=border)


def fcn16s(num_classes: int = 21, backbone: Backbone | None = None, hidden: int = 4096, border: int = 0) -> FCN:
    """Two streams: the scores at stride 16 are added."""
    return FCN(backbone or backbones.vgg16(None), num_classes, (32, 16), hidden, border=border)


def fcn8s(num_classes: int = 21, backbone: Backbone | None = None, hidden: int = 4096, border: int = 0) -> FCN:
    """Three streams: the scores at strides 16 and 8 are added; 134.5 M parameters on VGG-16, as in the paper."""
    return FCN(backbone or backbones.vgg16(None), num_classes, (32, 16, 8), hidden, border=border)


def _small(num_classes, strides):
    return FCN(backbones.vgg_small(), num_classes, strides, hidden=128, kernel=3, dropout=0.1)


def fcn32s_small(num_classes: int = 11) -> FCN:
    """For lessons: FCN-32s on `vgg_small`."""
    return _small(num_classes, (32,))


def fcn16s_small(num_classes: int = 11) -> FCN:
    """For lessons: FCN-16s on `vgg_small`."""
    return _small(num_classes, (32, 16))


def fcn8s_small(num_classes: int = 11) -> FCN:
    """For lessons: FCN-8s on `vgg_small`."""
    return _small(num_classes, (32, 16, 8))
