"""ADE20K in the layout of the scene-parsing benchmark (Zhou et al. 2017): 150 classes; label 0, other, is ignored."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...backend.reading import read_text
from ...typing import Array
from ..folder import SegmentationPairs, whole
from ..pairing import find_pairs
from .options import LayoutOptions

SPLITS = {"train": "training", "val": "validation", None: "training"}


class ADE20K(SegmentationPairs):
    """Labels 1..150 of the files become 0..149, and 0 becomes 255."""

    def _labels(self, stored: Array) -> Array:
        return np.where(stored == 0, 255, stored.astype(np.int64) - 1).astype(np.uint8)


def ade20k(root: Path, part: str | None, options: LayoutOptions) -> ADE20K:
    """images/training, annotations/training, and the same for validation; names from objectInfo150.txt if it exists."""
    if part == "test":
        raise ValueError("--data ade20k has no test part; needed train or val")
    images, masks = root / "images" / SPLITS[part], root / "annotations" / SPLITS[part]
    for path in (images, masks):
        if not path.is_dir():
            raise FileNotFoundError(f"{path} is not a folder; --data ade20k needs images/ and annotations/ in --root")
    pairs = whole(find_pairs(images, masks), images, masks)
    return ADE20K(pairs, _names(root), ignore_index=255)


def _names(root: Path) -> list[str]:
    """The names in objectInfo150.txt (Idx, Ratio, Train, Val, Name, by tabs), or numbers."""
    info = root / "objectInfo150.txt"
    if not info.is_file():
        return [f"class {k + 1}" for k in range(150)]
    rows = [line.split("\t") for line in read_text(info).splitlines()[1:] if line.strip()]
    if len(rows) != 150 or any(len(row) < 5 for row in rows):
        raise ValueError(f"{info} holds {len(rows)} lines; needed 150 of Idx, Ratio, Train, Val, Name")
    return [row[4].strip() for row in rows]
