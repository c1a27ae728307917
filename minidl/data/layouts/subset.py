"""Parts of a dataset, and the rule that divides it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..types import Sample


class Subset:
    """The samples `indices` of a dataset, with its classes, colours and ignored label."""

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset, self.indices = dataset, list(indices)
        self.classes, self.colors, self.ignore_index = dataset.classes, dataset.colors, dataset.ignore_index

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Sample:
        return self.dataset[self.indices[index]]

    def name(self, index: int) -> str:
        """The dataset's name for the sample."""
        return self.dataset.name(self.indices[index])

    def labels(self, index: int) -> Any:
        """The mask of sample `index` alone."""
        return self.dataset.labels(self.indices[index])


def innermost(dataset: Any, index: int) -> tuple[Any, int]:
    """(the dataset below nested Subsets, the index of sample `index` in it)."""
    while isinstance(dataset, Subset):
        dataset, index = dataset.dataset, dataset.indices[index]
    return dataset, index


def part_of(count: int, share: float, part: str) -> list[int]:
    """The indices of "train" or "val": sample k is in "val" where floor((k + 1) share) > floor(k share).

    With a share of 0.2 that is every fifth sample in the dataset's order; the result is the same every time.
    """
    validates = [int((k + 1) * share + 1e-9) > int(k * share + 1e-9) for k in range(count)]
    return [k for k, chosen in enumerate(validates) if chosen == (part == "val")]


def divided(dataset: Any, share: float, part: str | None, root: Any) -> Any:
    """A part of a dataset whose layout has no parts; ValueError where the dataset is too small for the share."""
    if part is None:
        return dataset
    indices = part_of(len(dataset), share, part)
    if part == "test" or not indices or len(indices) == len(dataset):
        least = max(2, round(1 / min(share, 1 - share)))
        raise ValueError(
            f"{root} holds {len(dataset)} images; needed at least {least} for --split {share:g}, or folders train/ and val/"
            if part != "test"
            else f"{root} has no test part"
        )
    return Subset(dataset, indices)
