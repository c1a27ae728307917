"""The training loop: progress, scores, a log, checkpoints, and a resume with bit-identical results."""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .. import functional as F
from ..autograd.tape import no_grad
from ..autograd.tensor import Tensor
from ..backend import like, xp
from ..backend.ranks import ALONE, Ranks, world
from ..data.loader import DataLoader
from ..distributed import wrap
from ..kernels.files import sole_user
from ..nn.module import Module
from ..typing import PathLike, TensorLike
from .optim import Optimizer, Schedule
from .plan import Plan
from .run import BEST, Diverged, Run, interruptible
from .tasks import Detection, Segmentation, fitted, named_scores


def segmentation_loss(
    output: Tensor | Mapping[str, Tensor],
    target: TensorLike,
    ignore_index: int = -100,
    aux_weight: float = 0.4,
    weight: Any = None,
    ranks: Ranks = ALONE,
) -> Tensor:
    """Cross-entropy of "out", averaged over labelled pixels, plus `aux_weight` times that of every other entry.

    output: scores N x K x h x w or a dictionary of them (auxiliary heads: Zhao et al. 2017, section 3.3); target: labels
    N x H x W, cropped centrally where a network with valid padding returns h < H; weight: K, the weight of each
    class's pixels. 0 where no pixel has a label. The mean over `ranks` is the loss of all their pixels.
    """
    total: Any = 0.0
    target = target.data if isinstance(target, Tensor) else target
    for name, scores in named_scores(output).items():
        labels = like(fitted(target, scores.shape[2:]), scores.data)
        count = _labelled(labels, ignore_index, weight, scores.dtype, ranks)
        term = F.cross_entropy(scores, labels, weight, ignore_index=ignore_index, reduction="sum") / count
        total = total + (term if name == "out" else aux_weight * term)
    return total


def _labelled(labels, ignore_index, weight, dtype, ranks):
    """The sum of the labelled pixels' weights, averaged over the ranks, or 1 where there are none; on one GPU a Tensor."""
    kept = labels != ignore_index
    if xp(labels) is np:
        return ranks.mean(float(kept.sum() if weight is None else np.asarray(weight)[labels[kept]].sum())) or 1.0
    weight = 1 if weight is None else like(weight, labels)[xp(labels).where(kept, labels, 0)]
    count = (kept * weight).sum()
    if ranks.size > 1:
        return ranks.mean(float(count)) or 1.0
    return Tensor(xp(labels).where(count == 0, 1, count).astype(dtype))


def evaluate(
    model: Module,
    loader: DataLoader,
    loss: Callable[..., Tensor] = segmentation_loss,
    *,
    num_classes: int | None = None,
    ignore_index: int | None = None,
    task: Segmentation | Detection | None = None,
    progress: bool = False,
) -> Any:
    """(mean loss over images, ConfusionMatrix) of `model`, in evaluation mode, over all batches of `loader`.

    num_classes and ignore_index are by default those of `loader.dataset`; loss(output, target, ignore_index).
    With a `task`, the return value is its report: for `tasks.Detection()`, {"ap", "ap50", "ap75"}.
    """
    tally = _segmentation(loader, loss, num_classes, ignore_index) if task is None else task.fresh()
    _evaluate(model, loader, tally, progress, stop=lambda: False)
    return (tally.loss(), tally.matrix) if task is None else tally.report(final=True)


@no_grad()
def _evaluate(model, loader, tally, progress, stop):
    from tqdm import tqdm

    loader.set_epoch(0)  # the same samples every time, with random transforms too
    ranks = world()
    loader.share(ranks, whole=True)
    model.eval()
    with tqdm(
        desc="evaluate", total=_images(loader), unit="img", leave=False, disable=None if progress else True
    ) as bar:
        for images, target in loader:
            tally.judge(model, images, target)
            bar.update(len(images) * ranks.size)
            if stop():
                break
    if ranks.size > 1:
        tally.merge(ranks)


def _segmentation(loader, loss, num_classes, ignore_index):
    dataset = loader.dataset
    if num_classes is None:
        if not hasattr(dataset, "classes"):
            raise TypeError("num_classes is needed, since the dataset has no `classes`")
        num_classes = len(dataset.classes)
    return Segmentation(
        loss, num_classes, getattr(dataset, "ignore_index", None) if ignore_index is None else ignore_index
    )


def _images(loader):
    return len(loader) * loader.batch_size if loader.drop_last else len(loader.dataset)


def fit(
    model: Module,
    train: DataLoader,
    val: DataLoader | None = None,
    *,
    optimizer: Optimizer,
    epochs: int,
    schedule: Schedule | None = None,
    loss: Callable[..., Tensor] = segmentation_loss,
    num_classes: int | None = None,
    ignore_index: int | None = None,
    task: Segmentation | Detection | None = None,
    clip: float | None = None,
    folder: PathLike | None = None,
    resume: bool = False,
    save_every: float = 300.0,
    config: Any = None,
    on_epoch: Callable[[list[dict[str, Any]]], Any] | None = None,
    plan: Plan = Plan(),  # noqa: B008
    progress: bool = True,
) -> list[dict[str, Any]]:
    """Train `model` for `epochs` passes over the DataLoader `train`, evaluating on `val` after each; returns the history.

    The history is a list with one dictionary per epoch: epoch (from 1), step, lr (the next step's), train_loss,
    train_iou, val_loss, val_iou, val_accuracy, seconds, images_per_second.

    loss(output, target, ignore_index) returns a Tensor of one element. num_classes and ignore_index are by default those
        of the dataset.
    task: the task, by default segmentation; with `tasks.Detection()` the history has train_loss, its parts, and
        val_ap, val_ap50, val_ap75.
    schedule.step() is called after every step of the optimiser. clip: the largest joint norm of all gradients.
    folder: receives log.csv, last.safetensors (the whole state; after every epoch, every `save_every` seconds and at Ctrl-C)
        and best.safetensors (the weights with the highest mean IoU, or AP, on `val`, or on `train` without `val`), each
        written atomically; both contain `config` (any JSON value).
    resume: continue from folder/last.safetensors with the same model, data and settings. Weights, optimiser, schedule,
        order of the data and random numbers are restored exactly, also in the middle of an epoch, so that the results are
        bit-identical to those of an uninterrupted run, on any number of threads.
    on_epoch(history): called after each epoch.
    plan: gradient accumulation, validation every k epochs, early stopping, a frozen backbone; see `plan.Plan`. Epochs
        without validation have no val_ columns and are never the best.

    Ctrl-C, SIGTERM and SIGHUP finish the current step, save, and raise KeyboardInterrupt; a second one stops immediately.
    Raises RuntimeError for a folder in which another process trains; Diverged for a loss or weight that is not finite, and
    the last good checkpoint stays; FileExistsError for a folder that already holds a run, without resume; FileNotFoundError
    for one that holds none, with resume.

    Under mpiexec all ranks call it with the same arguments and the whole data sets; each trains on its part of every batch,
    and rank 0 writes.
    """
    if epochs < 1 or not len(train):
        raise ValueError(f"fit: {epochs} epochs of {len(train)} batches; needed at least one of each")
    folder = None if folder is None else Path(folder)
    tally = _segmentation(train, loss, num_classes, ignore_index) if task is None else task.fresh()
    ranks = world()
    if ranks.size > 1 and (train.batch_size < ranks.size or len(train.dataset) < ranks.size):
        raise ValueError(
            f"fit: batches of {train.batch_size} of {len(train.dataset)} images, {ranks.size} ranks; needed an image per rank"
        )
    run = Run(model, optimizer, schedule, train, tally, folder, config)
    train.share(ranks)
    progress = progress and not ranks.rank
    kept = contextlib.nullcontext() if folder is None or ranks.rank else sole_user(folder)
    if folder is not None and not ranks.rank:
        folder.mkdir(parents=True, exist_ok=True)
    with interruptible() as interrupted, kept:
        run.begin(resume)
        _epochs(run, val, (epochs, plan), clip, save_every, on_epoch, progress, interrupted)
    return run.history


def _epochs(run, val, until, clip, save_every, on_epoch, progress, interrupted):
    """All remaining epochs, with a progress bar; `until` is (number of epochs, plan)."""
    from tqdm import tqdm

    epochs, plan = until

    per_epoch = _images(run.train)
    done = run.epoch * per_epoch + run.tally.images
    rarely = 0.1 if sys.stderr.isatty() else 10.0  # seconds between updates; outside a terminal each is a line
    bar = tqdm(total=epochs * per_epoch, initial=done, unit="img", disable=not progress, mininterval=rarely)
    with bar:
        while run.epoch < epochs and not plan.exhausted(run.history, run.tally.best):
            bar.set_description(f"epoch {run.epoch + 1}/{epochs}")
            plan.begin_epoch(run.model, run.epoch)
            wrap(run.model, world())
            _learn(run, clip, save_every, bar, interrupted, plan.accumulate)
            validate = val is not None and plan.validates(run.epoch, epochs)
            row = _close_epoch(run, val, validate, progress, interrupted)
            bar.set_postfix_str(_summary(row))
            if on_epoch is not None and not world().rank:
                on_epoch(run.history)


def _learn(run, clip, save_every, bar, interrupted, accumulate):
    """The remaining batches of the epoch; a step after every `accumulate` of them and after the last."""
    model, tally, ranks = run.model, run.tally, world()
    model.train()
    saved = clock = time.perf_counter()
    remaining, waiting = len(run.train) - run.place["batch"], 0
    with contextlib.closing(iter(run.train)) as batches:
        for images, target in batches:
            if not waiting:
                run.optimizer.zero_grad()
                count = min(accumulate, max(remaining, 1))
            before = tally.images
            value = tally.learn(model, images, target)
            due = time.perf_counter() - saved > save_every and not ranks.rank
            loss, stopping, due = ranks.sum(np.array([float(value), interrupted(), due], np.float64)).tolist()
            if not math.isfinite(loss):
                where = f"step {run.step + 1} (epoch {run.epoch + 1})"
                raise Diverged(
                    f"fit: the loss is {loss / ranks.size} at {where}; {run.kept()}. A lower learning rate may help"
                )
            (value if count == 1 else value / count).backward()
            waiting, remaining = waiting + 1, remaining - 1
            bar.update(tally.images - before)
            if waiting < count:
                continue
            _step(run, clip)
            waiting = 0
            now = time.perf_counter()
            tally.seconds, clock = tally.seconds + now - clock, now
            scores = _named("train", tally.report())
            bar.set_postfix_str(_summary((run.history[-1] if run.history else {}) | scores), refresh=False)
            if stopping or due:
                run.save()
                saved = now
            if stopping:
                raise KeyboardInterrupt(run.stopped())
    if waiting:  # the last batches were skipped as unreadable
        _step(run, clip)


def _step(run, clip):
    """One step of the optimiser with the accumulated gradients."""
    from .optim import clip_grad_norm_

    if clip is not None:
        clip_grad_norm_(list(run.model.parameters()), clip)
    run.optimizer.step()
    if run.schedule is not None:
        run.schedule.step()
    run.step += 1
    run.place = run.train.state_dict()


def _close_epoch(run, val, validate, progress, interrupted):
    """Evaluate if `validate`, log and save; only then does the epoch count as finished."""
    seen = run.tally
    row = {"epoch": run.epoch + 1, "step": run.step, "lr": run.optimizer.param_groups[0]["lr"]}
    row |= _named("train", seen.report())
    if validate:
        tally = seen.fresh()
        _evaluate(run.model, val, tally, progress, interrupted)
        if world().any(interrupted()):
            run.save()
            raise KeyboardInterrupt(run.stopped())
        row |= _named("val", tally.report(final=True))
    row |= {"seconds": round(seen.seconds, 3), "images_per_second": round(seen.images / max(seen.seconds, 1e-9), 2)}
    run.log(row)
    score = row.get(f"val_{seen.best}", row.get(f"train_{seen.best}", -row["train_loss"]))
    if score > run.best and (validate or val is None):
        run.best = score
        run.save(BEST)
    run.epoch += 1
    run.train.set_epoch(run.epoch)
    run.place = run.train.state_dict()
    run.tally = seen.fresh()
    run.save()
    return row


def _named(part, scores):
    return {f"{part}_{name}": value for name, value in scores.items()}


def _summary(row):
    names = {"train_loss": "loss", "train_iou": "IoU", "val_iou": "val IoU", "val_ap": "val AP"}
    return ", ".join(f"{names[key]}={row[key]:.3f}" for key in names if key in row)
