"""Region proposal network: scores every anchor as object or background, and refines it (Ren et al. 2015, section 3.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ... import functional as F
from ... import nn
from ...autograd.tensor import Tensor
from ...backend import random
from ...backend.cuda import to_host
from ...typing import Array
from .anchors import AnchorGenerator
from .boxes import box_iou, clip, decode, encode, large, suppress
from .matching import BETWEEN, match, sample


@dataclass
class Proposed:
    """Results of the RPN for a batch of N images; lists have one entry per image, boxes are in pixels of the batch.

    anchors (A, 4), all levels one after the other, the same in every image; levels (A,), the level of each anchor;
    objectness (N, A) logits and deltas (N, A, 4), on the tape; boxes and scores: the proposals left after NMS, best
    first. In training also: labels (A,), 1 object, 0 background, -1 neither; matched (A,), the object's index, or
    negative; sampled, the (positive, negative) anchors in the losses; losses.
    """

    anchors: np.ndarray
    levels: np.ndarray
    objectness: Tensor
    deltas: Tensor
    boxes: list
    scores: list
    labels: list | None = None
    matched: list | None = None
    sampled: list | None = None
    losses: dict = field(default_factory=dict)


class RPNHead(nn.Module):
    """A 3x3 convolution with ReLU, then two 1x1: one logit and four deltas per anchor of a cell; shared by all levels."""

    def __init__(self, channels: int, anchors_per_cell: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU()))
        self.cls_logits = nn.Conv2d(channels, anchors_per_cell, 1)
        self.bbox_pred = nn.Conv2d(channels, 4 * anchors_per_cell, 1)
        for layer in (self.conv[0][0], self.cls_logits, self.bbox_pred):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Maps, finest first -> objectness (N, A) and deltas (N, A, 4), in the order of the anchors."""
        hidden = [self.conv(x) for x in features]
        logits = [per_anchor(self.cls_logits(x), 1) for x in hidden]
        deltas = [per_anchor(self.bbox_pred(x), 4) for x in hidden]
        return F.squeeze(F.cat(logits, 1), 2), F.cat(deltas, 1)


def per_anchor(x: Tensor, values: int) -> Tensor:
    """(N, A values, H, W) -> (N, H W A, values): cells row by row, the anchors of a cell together."""
    N, C, H, W = x.shape
    x = x.reshape(N, C // values, values, H, W).permute(0, 3, 4, 1, 2)
    return x.reshape(N, -1, values)


class RegionProposalNetwork(nn.Module):
    """Anchors, head, proposals, and in training the two losses.

    An anchor is labelled object where its IoU is at least `fg_iou_thresh`, or the largest for some object; background below
    `bg_iou_thresh`. The losses use a sample of `batch_size_per_image` anchors, at most the fraction `positive_fraction` of
    them objects. For proposals, the `pre_nms_top_n` best of each level are clipped, NMS runs within each level, and the
    `post_nms_top_n` best of all levels remain; both are dictionaries {"training": n, "testing": n}, as in torchvision.
    """

    def __init__(
        self,
        anchor_generator: AnchorGenerator,
        head: nn.Module,
        fg_iou_thresh: float = 0.7,
        bg_iou_thresh: float = 0.3,
        batch_size_per_image: int = 256,
        positive_fraction: float = 0.5,
        pre_nms_top_n: Mapping[str, int] | None = None,
        post_nms_top_n: Mapping[str, int] | None = None,
        nms_thresh: float = 0.7,
        score_thresh: float = 0.0,
        min_size: float = 1e-3,
    ) -> None:
        super().__init__()
        self.anchor_generator, self.head = anchor_generator, head
        self.fg_iou_thresh, self.bg_iou_thresh = fg_iou_thresh, bg_iou_thresh
        self.batch_size_per_image, self.positive_fraction = batch_size_per_image, positive_fraction
        self.pre_nms_top_n = {"training": 2000, "testing": 1000} if pre_nms_top_n is None else pre_nms_top_n
        self.post_nms_top_n = {"training": 2000, "testing": 1000} if post_nms_top_n is None else post_nms_top_n
        self.nms_thresh, self.score_thresh, self.min_size = nms_thresh, score_thresh, min_size

    def forward(
        self,
        features: Mapping[str, Tensor],
        image_size: Sequence[int],
        sizes: Sequence[tuple[int, int]],
        targets: Sequence[Mapping[str, Array]] | None = None,
    ) -> Proposed:
        """features {level: map} of a batch of `image_size`, whose images have `sizes` -> Proposed."""
        maps = list(features.values())
        objectness, deltas = self.head(maps)
        per_level = self.anchor_generator([x.shape[2:] for x in maps], image_size)
        anchors = np.concatenate(per_level)
        levels = np.repeat(np.arange(len(maps)), [len(a) for a in per_level])
        if deltas.shape[1] != len(anchors):
            raise ValueError(
                f"RegionProposalNetwork: the head scores {deltas.shape[1]} anchors, the generator has {len(anchors)}"
            )
        found = Proposed(anchors, levels, objectness, deltas, [], [])
        for logits, d, size in zip(to_host(objectness.data), to_host(deltas.data), sizes):
            boxes, scores = self.propose(logits, d, anchors, levels, size)
            found.boxes.append(boxes)
            found.scores.append(scores)
        if self.training:
            self._learn(found, targets)
        return found

    def propose(
        self, logits: Array, deltas: Array, anchors: Array, levels: Array, size: Sequence[int]
    ) -> tuple[Array, Array]:
        """One image's proposals, boxes (P, 4) and scores (P,), from the logits and deltas of its anchors; no gradient."""
        mode = "training" if self.training else "testing"
        best = []
        for level in range(levels[-1] + 1):
            here = np.flatnonzero(levels == level)
            best.append(here[np.argsort(-logits[here], kind="stable")[: self.pre_nms_top_n[mode]]])
        best = np.concatenate(best)
        scores = F.sigmoid(Tensor(logits[best])).data
        boxes = clip(decode(deltas[best], anchors[best]), size)
        fine = np.flatnonzero(large(boxes, self.min_size) & (scores >= self.score_thresh))
        kept = fine[suppress(boxes[fine], scores[fine], levels[best][fine], self.nms_thresh)]
        kept = kept[: self.post_nms_top_n[mode]]
        return boxes[kept], scores[kept]

    def assign(self, anchors: Array, boxes: Array) -> tuple[Array, Array]:
        """(labels, matched) of every anchor, for one image's objects."""
        matched = match(box_iou(boxes, anchors), self.fg_iou_thresh, self.bg_iou_thresh, keep_best=True)
        return np.where(matched >= 0, 1, np.where(matched == BETWEEN, -1, 0)), matched

    def _learn(self, found, targets):
        assigned = [self.assign(found.anchors, t["boxes"]) for t in targets]
        found.labels, found.matched = (list(x) for x in zip(*assigned))
        draw = (self.batch_size_per_image, self.positive_fraction, random.generator())
        found.sampled = [sample(labels, *draw) for labels in found.labels]
        A = len(found.anchors)
        positive = np.concatenate([k * A + p for k, (p, _) in enumerate(found.sampled)])
        negative = np.concatenate([k * A + n for k, (_, n) in enumerate(found.sampled)])
        chosen = np.concatenate([positive, negative])
        wanted = np.repeat([1.0, 0.0], [len(positive), len(negative)]).astype(np.float32)
        deltas = [
            encode(t["boxes"][matched[p]], found.anchors[p])
            for t, matched, (p, _) in zip(targets, found.matched, found.sampled)
        ]
        found.losses = {
            "loss_objectness": F.binary_cross_entropy_with_logits(F.flatten(found.objectness)[chosen], wanted),
            "loss_rpn_box_reg": F.smooth_l1_loss(
                found.deltas.reshape(-1, 4)[positive], np.concatenate(deltas), beta=1 / 9, reduction="sum"
            )
            / max(len(chosen), 1),
        }
