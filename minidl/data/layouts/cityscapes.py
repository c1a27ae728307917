"""Cityscapes (Cordts et al. 2016): leftImg8bit/SPLIT/CITY/*_leftImg8bit.png and gtFine/SPLIT/CITY/*_gtFine_*.png."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...typing import Array
from ..folder import SegmentationPairs
from ..pairing import find_pairs
from .options import LayoutOptions
from .tables import CITYSCAPES

LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)  # of the 19 training classes
ID_TO_TRAIN_ID = np.full(256, 255, np.uint8)
ID_TO_TRAIN_ID[list(LABEL_IDS)] = np.arange(len(LABEL_IDS))


class Cityscapes(SegmentationPairs):
    """The 19 training classes, from labelTrainIds if these files exist, else from labelIds; other labels are ignored."""

    def __init__(self, pairs: list, label_ids: bool) -> None:
        super().__init__(pairs, list(CITYSCAPES), ignore_index=255, colors=list(CITYSCAPES.values()))
        self.label_ids = label_ids

    def _labels(self, stored: Array) -> Array:
        return ID_TO_TRAIN_ID[stored] if self.label_ids else stored


def cityscapes(root: Path, part: str | None, options: LayoutOptions) -> Cityscapes:
    """The fine annotations of one split; those of the test split are not published."""
    part = part or "train"
    images, masks = root / "leftImg8bit" / part, root / "gtFine" / part
    for path in (images, masks):
        if not path.is_dir():
            raise FileNotFoundError(
                f"{path} is not a folder; --data cityscapes needs leftImg8bit/ and gtFine/ in --root"
            )
    for kind in ("labelTrainIds", "labelIds"):
        found = find_pairs(images, masks, "_leftImg8bit", f"_gtFine_{kind}")
        if found.pairs:
            if found.images_alone and not options.unpaired:
                raise FileNotFoundError(
                    f"{len(found.images_alone)} images without {kind}, first {found.images_alone[0]}; "
                    "--allow-unpaired leaves them out"
                )
            return Cityscapes(found.pairs, kind == "labelIds")
    raise FileNotFoundError(
        f"in {images} and {masks}: no image has a mask _gtFine_labelTrainIds.png or _gtFine_labelIds.png"
    )
