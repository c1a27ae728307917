"""The schedule of a run: gradient accumulation, validation, early stopping, frozen backbone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..nn.module import Module


@dataclass(frozen=True)
class Plan:
    """accumulate: batches whose gradients are averaged before each step. val_every: epochs between validations; the last
    epoch is always validated. early_stopping: the run ends when the score that selects the best weights has not risen for
    this many epochs. freeze_epochs: number of first epochs in which the parameters of `model.backbone` are not trained.
    """

    accumulate: int = 1
    val_every: int = 1
    early_stopping: int | None = None
    freeze_epochs: int = 0

    def __post_init__(self) -> None:
        least = min(self.accumulate, self.val_every, 1 if self.early_stopping is None else self.early_stopping)
        if least < 1 or self.freeze_epochs < 0:
            raise ValueError(f"{self}; needed counts of at least 1, and freeze_epochs of at least 0")

    def begin_epoch(self, model: Module, epoch: int) -> None:
        """Freeze or unfreeze the backbone for `epoch`, counted from 0; no effect where freeze_epochs is 0."""
        if not self.freeze_epochs:
            return
        if not hasattr(model, "backbone"):
            raise ValueError(f"freeze_epochs {self.freeze_epochs}: {type(model).__name__} has no backbone")
        for parameter in model.backbone.parameters():
            parameter.requires_grad = epoch >= self.freeze_epochs
            if epoch < self.freeze_epochs:
                parameter.grad = None

    def validates(self, epoch: int, epochs: int) -> bool:
        """Whether `epoch`, from 0, ends with a validation."""
        return (epoch + 1) % self.val_every == 0 or epoch + 1 == epochs

    def exhausted(self, history: list[dict[str, Any]], best: str) -> bool:
        """Whether the score has not risen for `early_stopping` epochs; `best` is its name without train_ or val_."""
        if self.early_stopping is None or not history:
            return False
        name = f"val_{best}" if any(f"val_{best}" in row for row in history) else f"train_{best}"
        scores = [(row[name], -row["epoch"]) for row in history if name in row]
        return bool(scores) and history[-1]["epoch"] + max(scores)[1] >= self.early_stopping
