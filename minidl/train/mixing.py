"""Mixing of images in a batch: mixup (Zhang et al. 2018) and CutMix (Yun et al. 2019), for pixel labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd.tensor import Tensor
from ..backend import random, xp
from ..backend.ranks import world
from ..nn.module import Module
from .tasks import Segmentation, scores_of


class Mixed(Segmentation):
    """`Segmentation` on mixed images: each image of a batch is mixed with the one before it, with one random share.

    kind: "mixup" blends images and adds the losses of both masks with the same shares, drawn from Beta(0.4, 0.4); "cutmix"
    pastes a rectangle of the other image and of its mask. A batch of one is not mixed. With several ranks the images of all
    ranks are mixed, by rank 0's random numbers.
    """

    kind = "mixup"

    def learn(self, model: Module, images: Any, target: Any) -> Tensor:
        """The loss of the mixed batch."""
        ranks = world()
        if ranks.mean(len(images)) * ranks.size < 2:
            return super().learn(model, images, target)
        rng = random.generator()
        sizes = ranks.gather(len(images))
        mine = slice(sum(sizes[: ranks.rank]), sum(sizes[: ranks.rank + 1]))
        images, target = (xp(a).concatenate(ranks.gather(a)) for a in (images, target))
        others, theirs = np.roll(images, 1, axis=0), np.roll(target, 1, axis=0)
        if self.kind == "cutmix":
            images, target = images.copy(), target.copy()
            there = ranks.broadcast(_rectangle(target.shape[1:], rng))
            images[..., *there], target[..., *there] = others[..., *there], theirs[..., *there]
            return super().learn(model, images[mine], target[mine])
        share = ranks.broadcast(np.float32(rng.beta(0.4, 0.4)))
        images, others, target, theirs = images[mine], others[mine], target[mine], theirs[mine]
        output = model(Tensor(share * images + (1 - share) * others).to(getattr(model, "device", "cpu")))
        mine, other = (self.loss_of(output, y, ranks) for y in (target, theirs))
        loss = float(share) * mine + float(1 - share) * other
        self.count(loss, scores_of(output), target if share >= 0.5 else theirs, ranks)
        return loss


class CutMixed(Mixed):
    """`Mixed` with kind="cutmix"."""

    kind = "cutmix"


def _rectangle(size: Any, rng: np.random.Generator) -> tuple[slice, ...]:
    """A window with the image's aspect ratio whose share of the image's area is uniformly distributed."""
    side = np.sqrt(rng.uniform())
    window = []
    for n in size:
        length = max(round(n * side), 1)
        start = int(rng.integers(n - length + 1))
        window.append(slice(start, start + length))
    return tuple(window)
