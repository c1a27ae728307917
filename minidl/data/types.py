"""Types of datasets, samples, targets, transforms and run-length codes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

from ..typing import Array

RunLengths: TypeAlias = dict[str, Any]  # {"size": (H, W), "counts": runs of 0 and 1 down the columns}: see `rle`
Target: TypeAlias = Any  # labels H x W, or a dictionary of the instances of an image: see `targets`
Sample: TypeAlias = tuple[Array, Target]  # the image H x W x 3, and its target
Transform: TypeAlias = Callable[..., Sample]  # transform(image, target, rng)


class Dataset(Protocol):
    """Anything with a length whose `ds[i]` is (image H x W x 3, target); it may have `classes`, `ignore_index`, `name(i)`."""

    def __len__(self) -> int:
        """The number of samples."""

    def __getitem__(self, index: int) -> Sample:
        """Sample `index`."""
