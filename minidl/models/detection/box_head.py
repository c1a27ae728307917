"""Fast R-CNN's head: the class of a box, and a correction of its corners (Girshick 2015, figure 1, section 2.3)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ... import functional as F
from ... import nn
from ...autograd.tensor import Tensor
from ...typing import Array
from .boxes import clip, decode, encode, large, suppress

WEIGHTS = (10.0, 10.0, 5.0, 5.0)  # scale the deltas, typically 0.1 (centre) and 0.2 (size), to about 1


class TwoMLPHead(nn.Module):
    """(R, C, s, s) -> (R, width): two fully connected layers with ReLU (Lin et al. 2017, section 4.2)."""

    def __init__(self, inputs: int, width: int = 1024) -> None:
        super().__init__()
        self.fc6, self.fc7 = nn.Linear(inputs, width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.fc7(F.relu(self.fc6(F.flatten(x, 1)))))


class FastRCNNPredictor(nn.Module):
    """(R, width) -> class logits (R, K) and, for each class, four deltas: (R, 4 K)."""

    def __init__(self, width: int, num_classes: int) -> None:
        super().__init__()
        self.cls_score, self.bbox_pred = nn.Linear(width, num_classes), nn.Linear(width, 4 * num_classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.cls_score(x), self.bbox_pred(x)


def box_losses(
    class_logits: Tensor, box_regression: Tensor, rois: Array, labels: Array, boxes: Array
) -> dict[str, Tensor]:
    """(class loss, box loss): cross-entropy, and smooth L1 (beta 1/9) of the true class's deltas, over the number of boxes.

    rois (R, 4): the sampled boxes; boxes (R, 4): the objects assigned to them; labels (R,): 0 is background, without deltas.
    """
    R = len(labels)
    positive = np.flatnonzero(labels)
    wanted = encode(boxes[positive], rois[positive], WEIGHTS)
    deltas = box_regression.reshape(R, class_logits.shape[1], 4)[positive, labels[positive]]
    count = max(R, 1)
    return {
        "loss_classifier": F.cross_entropy(class_logits, labels, reduction="sum") / count,
        "loss_box_reg": F.smooth_l1_loss(deltas, wanted, beta=1 / 9, reduction="sum") / count,
    }


def detect(
    class_logits: Array,
    box_regression: Array,
    rois: Array,
    size: Sequence[int],
    score_thresh: float,
    nms_thresh: float,
    limit: int,
) -> dict[str, Tensor]:
    """One image's detections {"boxes", "labels", "scores"} from the logits (R, K) and deltas (R, 4 K) of its boxes.

    Every class but the background is a candidate with its own box. Candidates below `score_thresh` or with a side under 0.01
    pixels are dropped, NMS runs within each class, and the `limit` best remain. Arguments are arrays, results are Tensors.
    """
    R, K = class_logits.shape
    scores = F.softmax(Tensor(class_logits), 1).data[:, 1:].ravel()
    labels = np.tile(np.arange(1, K), R)
    candidates = np.flatnonzero(scores > score_thresh)
    which, label = candidates // max(K - 1, 1), labels[candidates]
    boxes = clip(decode(box_regression.reshape(R, K, 4)[which, label], rois[which], WEIGHTS), size)
    fine = np.flatnonzero(large(boxes, 1e-2))
    kept = fine[suppress(boxes[fine], scores[candidates[fine]], label[fine], nms_thresh)][:limit]
    chosen = {"boxes": boxes[kept], "labels": label[kept], "scores": scores[candidates[kept]]}
    return {name: Tensor(value) for name, value in chosen.items()}
