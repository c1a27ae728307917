"""Faster R-CNN: one network proposes boxes and classifies them (Ren et al. 2015, figure 2), here on a feature pyramid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ... import nn
from .. import backbones
from .anchors import AnchorGenerator
from .box_head import FastRCNNPredictor, TwoMLPHead
from .detector import Detector
from .fpn import BackboneWithFPN
from .frozen_norm import freeze_norms
from .roi_heads import RoIHeads
from .roi_pooling import MultiScaleRoIPool
from .rpn import RegionProposalNetwork, RPNHead
from .transform import DetectionTransform


class FasterRCNN(Detector):
    """Faster R-CNN on any backbone with a pyramid; argument names and defaults are torchvision's.

    num_classes counts the background, class 0. pooling, sampling_ratio, canonical_scale, canonical_level: see
    `MultiScaleRoIPool`, which pools from all levels but "pool". box_width: width of the two fully connected layers. Options
    of the two stages are described in `RegionProposalNetwork` and `RoIHeads`, min_size to size_divisible in
    `DetectionTransform`. roi_options: further arguments of `RoIHeads`, such as Mask R-CNN's mask branch.
    """

    def __init__(
        self,
        backbone: nn.Module,
        num_classes: int,
        min_size: int | Sequence[int] | None = 800,
        max_size: int = 1333,
        image_mean: Sequence[float] | None = None,
        image_std: Sequence[float] | None = None,
        size_divisible: int = 32,
        rpn_anchor_generator: AnchorGenerator | None = None,
        rpn_pre_nms_top_n_train: int = 2000,
        rpn_pre_nms_top_n_test: int = 1000,
        rpn_post_nms_top_n_train: int = 2000,
        rpn_post_nms_top_n_test: int = 1000,
        rpn_nms_thresh: float = 0.7,
        rpn_fg_iou_thresh: float = 0.7,
        rpn_bg_iou_thresh: float = 0.3,
        rpn_batch_size_per_image: int = 256,
        rpn_positive_fraction: float = 0.5,
        rpn_score_thresh: float = 0.0,
        box_score_thresh: float = 0.05,
        box_nms_thresh: float = 0.5,
        box_detections_per_img: int = 100,
        box_fg_iou_thresh: float = 0.5,
        box_bg_iou_thresh: float = 0.5,
        box_batch_size_per_image: int = 512,
        box_positive_fraction: float = 0.25,
        box_width: int = 1024,
        pooling: str = "align",
        sampling_ratio: int = 2,
        canonical_scale: int = 224,
        canonical_level: int = 4,
        **roi_options: Any,
    ) -> None:
        if num_classes < 2:
            raise ValueError(
                f"{type(self).__name__}: num_classes is {num_classes}; needed at least 2, since the background is one"
            )
        anchors = AnchorGenerator() if rpn_anchor_generator is None else rpn_anchor_generator
        if len(anchors.base) != len(backbone.stages) or len(set(anchors.per_cell)) > 1:
            raise ValueError(
                f"{type(self).__name__}: {anchors.per_cell} anchors per cell on levels {list(backbone.stages)}; "
                "needed one entry per level, all equal, since the levels share one head"
            )
        rpn = RegionProposalNetwork(
            anchors,
            RPNHead(backbone.out_channels, anchors.per_cell[0]),
            rpn_fg_iou_thresh,
            rpn_bg_iou_thresh,
            rpn_batch_size_per_image,
            rpn_positive_fraction,
            {"training": rpn_pre_nms_top_n_train, "testing": rpn_pre_nms_top_n_test},
            {"training": rpn_post_nms_top_n_train, "testing": rpn_post_nms_top_n_test},
            rpn_nms_thresh,
            rpn_score_thresh,
        )
        names = [name for name in backbone.stages if name != "pool"]
        roi_heads = RoIHeads(
            MultiScaleRoIPool(names, 7, sampling_ratio, pooling, canonical_scale, canonical_level),
            TwoMLPHead(backbone.out_channels * 7**2, box_width),
            FastRCNNPredictor(box_width, num_classes),
            box_fg_iou_thresh,
            box_bg_iou_thresh,
            box_batch_size_per_image,
            box_positive_fraction,
            box_score_thresh,
            box_nms_thresh,
            box_detections_per_img,
            **roi_options,
        )
        transform = DetectionTransform(min_size, max_size, image_mean, image_std, size_divisible)
        super().__init__(backbone, rpn, roi_heads, transform, num_classes)


def resnet50_fpn(trainable_layers: int = 5, norm_eps: float = 1e-5) -> BackboneWithFPN:
    """ResNet-50 with frozen batch norm and a pyramid of five levels, of strides 4 to 64 with 256 channels.

    trainable_layers: how many of layer4, layer3, layer2, layer1 and the stem are trained, in this order; the rest is fixed.
    """
    if not 0 <= trainable_layers <= 5:
        raise ValueError(f"resnet50_fpn: trainable_layers is {trainable_layers}; needed 0 to 5")
    body = freeze_norms(backbones.resnet50(None), norm_eps)
    learned = ("layer4", "layer3", "layer2", "layer1", "conv1")[:trainable_layers]
    for name, parameter in body.named_parameters():
        parameter.requires_grad = name.startswith(learned)
    return BackboneWithFPN(body)


def fasterrcnn_resnet50_fpn(
    num_classes: int = 91, trainable_backbone_layers: int = 5, norm_eps: float = 1e-5, **options: Any
) -> FasterRCNN:
    """Faster R-CNN on ResNet-50-FPN with torchvision's parameter names; 41.76 M parameters.

    torchvision's COCO weights need norm_eps=0; they were trained with three trainable layers. Options as `FasterRCNN`.
    """
    return FasterRCNN(resnet50_fpn(trainable_backbone_layers, norm_eps), num_classes, **options)
