"""Detectors: feature pyramid, anchors, region proposals, box and mask heads, each in its own file."""

from .anchors import AnchorGenerator
from .box_head import FastRCNNPredictor, TwoMLPHead, box_losses, detect
from .detector import Detector, Stages
from .faster_rcnn import FasterRCNN, fasterrcnn_resnet50_fpn, resnet50_fpn
from .fpn import BackboneWithFPN, FeaturePyramidNetwork
from .frozen_norm import FrozenBatchNorm2d, freeze_norms
from .mask_head import MaskRCNNHeads, MaskRCNNPredictor, mask_loss, mask_probabilities, mask_targets
from .mask_rcnn import MaskRCNN, mask_rcnn_small, maskrcnn_resnet50_fpn
from .matching import BELOW, BETWEEN, match, sample
from .roi_heads import Regions, RoIHeads
from .roi_pooling import MultiScaleRoIPool
from .rpn import Proposed, RegionProposalNetwork, RPNHead
from .transform import DetectionTransform
