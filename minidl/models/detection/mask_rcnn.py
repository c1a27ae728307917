"""Mask R-CNN: Faster R-CNN with a third branch that predicts each object's mask (He et al. 2017, figures 1 and 4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ... import nn
from .. import backbones
from ..backbones.resnet import BasicBlock
from .anchors import AnchorGenerator
from .faster_rcnn import FasterRCNN, resnet50_fpn
from .fpn import BackboneWithFPN
from .mask_head import MaskRCNNHeads, MaskRCNNPredictor
from .roi_pooling import MultiScaleRoIPool


class MaskRCNN(FasterRCNN):
    """`FasterRCNN` and a mask head: ROIs of 14x14, convolutions of `mask_layers` channels, masks of 28x28 per class."""

    def __init__(
        self,
        backbone: nn.Module,
        num_classes: int,
        mask_layers: Sequence[int] = (256, 256, 256, 256),
        mask_width: int = 256,
        pooling: str = "align",
        sampling_ratio: int = 2,
        canonical_scale: int = 224,
        canonical_level: int = 4,
        **options: Any,
    ) -> None:
        pool = (sampling_ratio, pooling, canonical_scale, canonical_level)
        names = [name for name in backbone.stages if name != "pool"]
        super().__init__(
            backbone,
            num_classes,
            pooling=pooling,
            sampling_ratio=sampling_ratio,
            canonical_scale=canonical_scale,
            canonical_level=canonical_level,
            mask_roi_pool=MultiScaleRoIPool(names, 14, *pool),
            mask_head=MaskRCNNHeads(backbone.out_channels, mask_layers),
            mask_predictor=MaskRCNNPredictor(mask_layers[-1], mask_width, num_classes),
            **options,
        )


def maskrcnn_resnet50_fpn(
    num_classes: int = 91, trainable_backbone_layers: int = 5, norm_eps: float = 1e-5, **options: Any
) -> MaskRCNN:
    """Mask R-CNN on ResNet-50-FPN with torchvision's parameter names; 44.40 M parameters.

    torchvision's COCO weights need norm_eps=0; they were trained with three trainable layers. Options as `MaskRCNN`.
    """
    return MaskRCNN(resnet50_fpn(trainable_backbone_layers, norm_eps), num_classes, **options)


def mask_rcnn_small(num_classes: int = 6, pooling: str = "align", **options: Any) -> MaskRCNN:
    """For lessons, on scenes of about 128 pixels with upright objects of 24 to 70: five classes and background by default.

    A ResNet of three stages (strides 4, 8, 16) with trainable batch norm, a pyramid of 64 channels; images are not resized.
    """
    body = backbones.ResNet(BasicBlock, (1, 1, 1), None, width=24)
    backbone = BackboneWithFPN(body, 64, extra=None)
    settings = {
        "min_size": None,
        "size_divisible": 16,
        "rpn_anchor_generator": AnchorGenerator(((28,), (40,), (56,)), ((1.2, 1.6, 2.2),)),
        "rpn_pre_nms_top_n_train": 200,
        "rpn_pre_nms_top_n_test": 200,
        "rpn_post_nms_top_n_train": 100,
        "rpn_post_nms_top_n_test": 50,
        "rpn_batch_size_per_image": 128,
        "box_batch_size_per_image": 48,
        "box_width": 128,
        "mask_layers": (64, 64),
        "mask_width": 64,
        "canonical_scale": 40,  # boxes of 40 pixels are pooled at stride 8
        "canonical_level": 3,
    }
    return MaskRCNN(backbone, num_classes, pooling=pooling, **settings | options)
