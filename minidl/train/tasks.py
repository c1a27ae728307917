"""Tasks: the loss of a training step and the scores of an epoch, for segmentation and for detection.

A task has `learn(model, images, target)`, which returns the loss to differentiate, and `judge(model, images, target)`, which
evaluates; both add to the task's counts. With several ranks, each trains on its part of a batch: the mean of their losses is
the loss of the batch, and all count the whole batch; each evaluates batches of its own, and `merge` adds the counts of all.
`report(final)` returns the scores, `fresh()` the same task with empty counts, `state()` and `restore(state)` save and restore
the counts; `best` names the score that selects the best weights.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..autograd.tensor import Tensor, tensor
from ..backend import xp
from ..backend.cuda import to_host
from ..backend.ranks import ALONE, Ranks, world
from ..collective import gather
from ..nn.module import Module
from ..typing import Array
from .metrics import AveragePrecision, ConfusionMatrix


def scores_of(output: Tensor | Mapping[str, Tensor]) -> Tensor:
    """The class scores N x K x H x W of a model's output: the Tensor, or the dictionary's entry "out"."""
    return output if isinstance(output, Tensor) else output["out"]


def named_scores(output: Tensor | Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """A model's output as a dictionary: a Tensor becomes its entry "out"."""
    return {"out": output} if isinstance(output, Tensor) else output


def fitted(target: Array, size: Sequence[int]) -> Array:
    """The central part, `size` (h, w), of `target` (N x H x W), which is the output of a network with valid padding."""
    spare = [have - want for have, want in zip(target.shape[1:], size)]
    top, left = (max(n, 0) // 2 for n in spare)
    return target[:, top : top + size[0], left : left + size[1]]


class Segmentation:
    """Segmentation: loss(output, target, ignore_index), and scores from the confusion matrix.

    classes: names of the classes; if given, the report has a score for each.
    """

    best = "iou"

    def __init__(
        self,
        loss: Callable[..., Tensor],
        num_classes: int,
        ignore_index: int | None = None,
        classes: Sequence[str] | None = None,
    ) -> None:
        self.function, self.ignore, self.classes = loss, -100 if ignore_index is None else ignore_index, classes
        self.matrix = ConfusionMatrix(num_classes, self.ignore)
        self.total, self.images, self.seconds = 0.0, 0, 0.0

    def fresh(self) -> Segmentation:
        """The same task with empty counts."""
        return type(self)(self.function, self.matrix.num_classes, self.ignore, self.classes)

    def learn(self, model: Module, images: Any, target: Any) -> Tensor:
        """The loss of a batch."""
        output = model(Tensor(images).to(getattr(model, "device", "cpu")))
        loss = self.loss_of(output, target, world())
        self.count(loss, scores_of(output), target, world())
        return loss

    def judge(self, model: Module, images: Any, target: Any) -> None:
        """Evaluate a batch of this rank alone, and add it to the counts."""
        output = model(Tensor(images).to(getattr(model, "device", "cpu")))
        self.count(self.function(output, target, self.ignore), scores_of(output), target)

    def loss_of(self, output: Any, target: Any, ranks: Ranks) -> Tensor:
        """This rank's loss, whose mean over the ranks is the loss of the whole batch.

        A loss with the parameter `ranks` exchanges what it needs itself. For any other, the outputs of all ranks are gathered.
        """
        if ranks.size == 1:
            return self.function(output, target, self.ignore)
        if "ranks" in inspect.signature(self.function).parameters:
            return self.function(output, target, self.ignore, ranks=ranks)
        whole = {name: gather(scores, ranks=ranks) for name, scores in named_scores(output).items()}
        target = xp(target).concatenate(ranks.gather(target))
        return self.function(whole if isinstance(output, dict) else whole["out"], target, self.ignore)

    def count(self, loss: Tensor, scores: Tensor, target: Any, ranks: Ranks = ALONE) -> None:
        """Add the loss and labels of a batch, of which each rank has a part, to the counts."""
        here = ConfusionMatrix(self.matrix.num_classes, self.ignore)
        here.update(scores.data.argmax(axis=1), fitted(target, scores.shape[2:]))
        seen = ranks.sum(np.array([float(loss), len(target), *here.counts.ravel()], np.float64))  # exact up to 2^53
        self.total += seen[0] / ranks.size * seen[1]
        self.images += int(seen[1])
        self.matrix.counts += seen[2:].reshape(self.matrix.counts.shape).astype(np.int64)

    def merge(self, ranks: Ranks) -> None:
        """Add the counts of all other ranks, on every rank."""
        others = ranks.gather(self.state())
        self.total, self.images = sum(s["total"] for s in others), sum(s["images"] for s in others)
        self.matrix.counts = sum(s["matrix"]["counts"] for s in others)

    def loss(self) -> float:
        """The mean over images."""
        return self.total / self.images if self.images else math.nan

    def report(self, final: bool = False) -> dict[str, float]:
        """{"loss", "iou"} and, if `final`, "accuracy"."""
        scores = {"loss": self.loss(), "iou": self.matrix.mean_iou()}
        if not final:
            return scores
        names = zip(self.classes, self.matrix.iou().tolist()) if self.classes is not None else ()
        return scores | {"accuracy": self.matrix.pixel_accuracy()} | {f"iou_{name}": iou for name, iou in names}

    def state(self) -> dict[str, Any]:
        """The counts, for a checkpoint."""
        return {"total": self.total, "images": self.images, "seconds": self.seconds, "matrix": self.matrix.state_dict()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore the counts of a `state`."""
        self.total, self.images, self.seconds = state["total"], state["images"], state["seconds"]
        self.matrix.load_state_dict(state["matrix"])


class Detection:
    """Detection: the sum of a detector's losses, and COCO's average precision of boxes, or of masks thresholded at 0.5.

    masks: score masks, else boxes. The model is one of `models.detection`, and its loader yields instances.
    """

    best = "ap"

    def __init__(self, masks: bool = True) -> None:
        self.masks = masks
        self.precision = AveragePrecision("mask" if masks else "box")
        self.losses, self.images, self.seconds = {}, 0, 0.0

    def fresh(self) -> Detection:
        """The same task with empty counts."""
        return Detection(self.masks)

    def learn(self, model: Module, images: Any, target: Any) -> Tensor:
        """The sum of the losses of a batch."""
        ranks = world()
        if ranks.size > 1 and not all(ranks.gather(len(images))):
            raise ValueError(f"a batch has fewer images than the {ranks.size} ranks; detectors need one on each")
        losses = model(images, target)
        seen = ranks.sum(
            np.array([len(images), *(float(value) * len(images) for value in losses.values())], np.float64)
        )
        self.images += int(seen[0])
        for name, total in zip(losses, seen[1:].tolist()):
            self.losses[name] = self.losses.get(name, 0.0) + total
        loss = sum(losses.values(), start=tensor(0.0))
        return loss if ranks.size == 1 else loss * (len(images) * ranks.size / seen[0])

    def merge(self, ranks: Ranks) -> None:
        """Add the images that all other ranks have evaluated, on every rank."""
        self.images = sum(ranks.gather(self.images))
        self.precision = AveragePrecision.merged(ranks.gather(self.precision))

    def judge(self, model: Module, images: Any, target: Any) -> None:
        """Evaluate the detections of the model, in evaluation mode, for a batch."""
        self.images += len(images)
        self.precision.update([binary(found) for found in model(images)], target)

    def report(self, final: bool = False) -> dict[str, float]:
        """After training steps the loss and its parts, per image; after evaluation ap, ap50 and ap75."""
        if self.losses:
            parts = {name.removeprefix("loss_"): total / self.images for name, total in self.losses.items()}
            return {"loss": sum(parts.values())} | parts
        if not final:
            return {}
        scores = self.precision.compute()
        return {name.lower(): scores[name] for name in ("AP", "AP50", "AP75")}

    def state(self) -> dict[str, Any]:
        """The counts, for a checkpoint."""
        return {"losses": dict(self.losses), "images": self.images, "seconds": self.seconds}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore the counts of a `state`."""
        self.losses, self.images, self.seconds = dict(state["losses"]), state["images"], state["seconds"]


def binary(found: Mapping[str, Tensor], threshold: float = 0.5) -> dict[str, Array]:
    """One image's detections as arrays, masks (D, H, W) where their probability exceeds `threshold`."""
    arrays = {name: to_host(value.data) for name, value in found.items()}
    return arrays | ({"masks": arrays["masks"][:, 0] > threshold} if "masks" in arrays else {})
