"""Mask R-CNN's third branch: one binary mask per class; the box's class selects one (He et al. 2017, figure 4, section 3)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ... import functional as F
from ... import nn
from ...autograd.tensor import Tensor
from ...typing import Array


class MaskRCNNHeads(nn.Sequential):
    """3x3 convolutions with ReLU, `layers` channels each; (R, C, s, s) keeps its size."""

    def __init__(self, inputs: int, layers: Sequence[int]) -> None:
        blocks, before = [], inputs
        for channels in layers:
            blocks.append(nn.Sequential(nn.Conv2d(before, channels, 3, padding=1), nn.ReLU()))
            before = channels
        super().__init__(*blocks)
        _initialise(self)


class MaskRCNNPredictor(nn.Module):
    """(R, C, s, s) -> mask logits (R, K, 2 s, 2 s): a transposed convolution that doubles, then 1x1."""

    def __init__(self, inputs: int, width: int, num_classes: int) -> None:
        super().__init__()
        self.conv5_mask = nn.ConvTranspose2d(inputs, width, 2, 2)
        self.mask_fcn_logits = nn.Conv2d(width, num_classes, 1)
        _initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.mask_fcn_logits(F.relu(self.conv5_mask(x)))


def _initialise(module):
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(layer.bias)


def mask_targets(masks: Array, matched: Array, rois: Array, size: int) -> Array:
    """The part of each box's mask that lies inside the box, (R, size, size) with values 0 to 1.

    masks (K, H, W); matched (R,): index of the object of each box; rois (R, 4). ROI Align crops the mask, as in torchvision.
    """
    if not len(rois):
        return np.zeros((0, size, size), np.float32)
    numbered = np.concatenate([matched[:, None].astype(np.float32), rois], axis=1)
    whole = Tensor(masks[:, None].astype(np.float32))
    return F.roi_align(whole, Tensor(numbered), size).data[:, 0]


def mask_loss(mask_logits: Tensor, labels: Array, wanted: Array) -> Tensor:
    """Mean binary cross-entropy of the true class's mask alone, so that classes do not compete (section 3).

    mask_logits (R, K, s, s), labels (R,) of 1..K-1, wanted (R, s, s). Without boxes the loss and its gradients are 0.
    """
    if not len(labels):
        return F.sum(mask_logits) * 0.0
    own = mask_logits[np.arange(len(labels)), labels]
    return F.binary_cross_entropy_with_logits(own, wanted)


def mask_probabilities(mask_logits: Tensor, labels: Array) -> Tensor:
    """Sigmoid of the mask of each box's class: logits (R, K, s, s), labels (R,) -> (R, 1, s, s)."""
    own = F.sigmoid(mask_logits[np.arange(len(labels)), labels])
    return F.unsqueeze(own, 1)
