"""The second stage: pools, classifies and refines proposals, and predicts masks (He et al. 2017, section 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ... import nn
from ...autograd.tensor import Tensor
from ...backend import random
from ...backend.cuda import to_host
from ...typing import Array
from .box_head import box_losses, detect
from .boxes import box_iou
from .mask_head import mask_loss, mask_probabilities, mask_targets
from .matching import BETWEEN, match, sample


@dataclass
class Regions:
    """Results of the second stage for one batch; lists have one entry per image, boxes are in pixels of the batch.

    rois: the boxes that were pooled (R_n, 4), in training those sampled; features (R, C, s, s); class_logits (R, K);
    box_regression (R, 4 K). In training also labels (R_n,), 0 background, and matched (R_n,), the object's index, or
    negative; losses. In evaluation detections: dictionaries of boxes, labels, scores, masks (D_n, 1, 28, 28).
    With a mask head: mask_rois (M_n, 4), mask_labels (M_n,), mask_logits (M, K, 28, 28), in training mask_targets (M, 28, 28).
    """

    rois: Sequence[Array]
    features: Tensor
    class_logits: Tensor
    box_regression: Tensor
    labels: list | None = None
    matched: list | None = None
    mask_rois: list | None = None
    mask_labels: list | None = None
    mask_logits: Tensor | None = None
    mask_targets: np.ndarray | None = None
    detections: list | None = None
    losses: dict = field(default_factory=dict)


class RoIHeads(nn.Module):
    """Box head and, where given, mask head, on features pooled from the pyramid.

    In training the true boxes are added to the proposals. A box whose largest IoU is at least `fg_iou_thresh` is assigned to
    that object, below `bg_iou_thresh` to the background; `batch_size_per_image` boxes are sampled, at most the fraction
    `positive_fraction` of them objects; the mask loss uses these objects alone. For evaluation see `detect`.
    """

    def __init__(
        self,
        box_roi_pool: nn.Module,
        box_head: nn.Module,
        box_predictor: nn.Module,
        fg_iou_thresh: float = 0.5,
        bg_iou_thresh: float = 0.5,
        batch_size_per_image: int = 512,
        positive_fraction: float = 0.25,
        score_thresh: float = 0.05,
        nms_thresh: float = 0.5,
        detections_per_img: int = 100,
        mask_roi_pool: nn.Module | None = None,
        mask_head: nn.Module | None = None,
        mask_predictor: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.box_roi_pool, self.box_head, self.box_predictor = box_roi_pool, box_head, box_predictor
        self.fg_iou_thresh, self.bg_iou_thresh = fg_iou_thresh, bg_iou_thresh
        self.batch_size_per_image, self.positive_fraction = batch_size_per_image, positive_fraction
        self.score_thresh, self.nms_thresh, self.detections_per_img = score_thresh, nms_thresh, detections_per_img
        self.mask_roi_pool, self.mask_head, self.mask_predictor = mask_roi_pool, mask_head, mask_predictor

    def forward(
        self,
        features: Mapping[str, Tensor],
        proposals: Sequence[Array],
        sizes: Sequence[tuple[int, int]],
        targets: Sequence[Mapping[str, Array]] | None = None,
    ) -> Regions:
        """features {level: map}, proposals [(P, 4)], sizes [(h, w)] of the images -> Regions."""
        labels = matched = None
        if self.training and targets is not None:
            chosen = [self.select(boxes, t) for boxes, t in zip(proposals, targets)]
            proposals, labels, matched = (list(x) for x in zip(*chosen))
        pooled = self.box_roi_pool(features, proposals, sizes)
        class_logits, box_regression = self.box_predictor(self.box_head(pooled))
        found = Regions(proposals, pooled, class_logits, box_regression, labels, matched)
        if self.training:
            self._learn_boxes(found, targets)
        else:
            self._detect(found, sizes)
        if self.mask_head is not None:
            self._masks(found, features, sizes, targets)
        return found

    def assign(self, boxes: Array, target: Mapping[str, Array]) -> tuple[Array, Array]:
        """(labels, matched) of every box: the class, 0 background, -1 between the thresholds; matched as `match` returns it."""
        matched = match(box_iou(target["boxes"], boxes), self.fg_iou_thresh, self.bg_iou_thresh)
        labels = np.zeros(len(boxes), np.int64)
        labels[matched >= 0] = target["labels"][matched[matched >= 0]]
        labels[matched == BETWEEN] = -1
        return labels, matched

    def select(self, boxes: Array, target: Mapping[str, Array]) -> tuple[Array, Array, Array]:
        """(boxes, labels, matched): the sample of one image's boxes for a training step."""
        boxes = np.concatenate([boxes, target["boxes"]])
        labels, matched = self.assign(boxes, target)
        drawn = sample(labels, self.batch_size_per_image, self.positive_fraction, random.generator())
        kept = np.sort(np.concatenate(drawn))
        return boxes[kept], labels[kept], matched[kept]

    def _learn_boxes(self, found, targets):
        objects = [
            t["boxes"][np.maximum(matched, 0)] if len(t["boxes"]) else np.zeros_like(rois)
            for t, matched, rois in zip(targets, found.matched, found.rois)
        ]
        labels = np.concatenate(found.labels)
        rois = np.concatenate(found.rois)
        found.losses = box_losses(found.class_logits, found.box_regression, rois, labels, np.concatenate(objects))

    def _detect(self, found, sizes):
        options = (self.score_thresh, self.nms_thresh, self.detections_per_img)
        ends = np.cumsum([len(rois) for rois in found.rois])[:-1]
        logits, deltas = (np.split(to_host(x.data), ends) for x in (found.class_logits, found.box_regression))
        found.detections = [detect(*each, *options) for each in zip(logits, deltas, found.rois, sizes)]

    def _masks(self, found, features, sizes, targets):
        if self.training:
            positive = [np.flatnonzero(labels > 0) for labels in found.labels]
            found.mask_rois, found.mask_labels, matched = (
                [x[p] for x, p in zip(lists, positive)] for lists in (found.rois, found.labels, found.matched)
            )
        else:
            found.mask_rois, found.mask_labels = (
                [d[name].data for d in found.detections] for name in ("boxes", "labels")
            )
        pooled = self.mask_roi_pool(features, found.mask_rois, sizes)
        found.mask_logits = self.mask_predictor(self.mask_head(pooled))
        labels = np.concatenate(found.mask_labels)
        if self.training:
            size = found.mask_logits.shape[-1]
            wanted = [mask_targets(t["masks"], *mr, size) for t, *mr in zip(targets, matched, found.mask_rois)]
            found.mask_targets = np.concatenate(wanted)
            found.losses["loss_mask"] = mask_loss(found.mask_logits, labels, found.mask_targets)
        else:
            masks = mask_probabilities(found.mask_logits, labels).cpu()
            start = 0
            for detection in found.detections:
                stop = start + len(detection["labels"].data)
                detection["masks"] = masks[start:stop]
                start = stop
