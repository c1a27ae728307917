"""Oxford-IIIT Pet (Parkhi et al. 2012) as a segmentation set, in torchvision's folder layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...typing import PathLike
from ..archive import unpack
from ..download import fetch
from ..folder import SegmentationPairs, listed_pairs

BASE = "https://www.robots.ox.ac.uk/~vgg/data/pets/data"
ARCHIVES = {"images": "5c4f3ee8e5d25df40f4fd59a7f44e54c", "annotations": "95a8c909bbe2e81eed6a22bccdf3f68f"}
LABEL_OF = np.full(256, 254, dtype=np.uint8)  # 254: not a value of the trimap; reported as an invalid label
LABEL_OF[[1, 2, 3]] = 1, 0, 255


class OxfordIIITPet(SegmentationPairs):
    """Cats and dogs against background: the trimap's 1 (pet) becomes 1, 2 (background) 0, 3 (border) is ignored, 255.

    split "trainval" or "test". Files lie in `root/oxford-iiit-pet/{images,annotations}`, as in torchvision;
    download=True downloads (0.8 GB), verifies and unpacks missing files.
    """

    def __init__(self, root: PathLike, split: str = "trainval", download: bool = False) -> None:
        if split not in ("trainval", "test"):
            raise ValueError(f"OxfordIIITPet: split {split!r}; needed 'trainval' or 'test'")
        base = Path(root) / "oxford-iiit-pet"
        for folder, md5 in ARCHIVES.items() if download else ():
            if not (base / folder).is_dir():
                unpack(fetch(f"{BASE}/{folder}.tar.gz", base / f"{folder}.tar.gz", f"md5:{md5}"), base, folder)
        images, masks = base / "images", base / "annotations" / "trimaps"
        list_file = base / "annotations" / f"{split}.txt"
        pairs = listed_pairs(list_file, lambda s: images / f"{s}.jpg", lambda s: masks / f"{s}.png")
        super().__init__(pairs, ("background", "pet"), colors=[(0, 0, 0), (240, 130, 50)])

    def _labels(self, stored):
        return LABEL_OF[np.minimum(stored, 255)]
