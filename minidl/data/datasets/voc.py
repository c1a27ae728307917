"""PASCAL VOC segmentation (Everingham et al. 2010), in torchvision's folder layout."""

from __future__ import annotations

from pathlib import Path

from ...typing import PathLike
from ..archive import unpack
from ..download import fetch
from ..folder import SegmentationPairs, listed_pairs

CLASSES = [
    "background",
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
]

BASE = "http://host.robots.ox.ac.uk/pascal/VOC"
ARCHIVES = {  # year: address, MD5, folder inside the archive
    "2012": ("voc2012/VOCtrainval_11-May-2012.tar", "6cd6e144f989b92b3379bac3b3de84fd", "VOCdevkit/VOC2012"),
    "2011": ("voc2011/VOCtrainval_25-May-2011.tar", "6c3384ef61512963050cb5d687e5bf1e", "TrainVal/VOCdevkit/VOC2011"),
    "2010": ("voc2010/VOCtrainval_03-May-2010.tar", "da459979d0c395079b5c75ee67908abb", "VOCdevkit/VOC2010"),
    "2009": ("voc2009/VOCtrainval_11-May-2009.tar", "59065e4b188729180974ef6572f6a212", "VOCdevkit/VOC2009"),
    "2008": ("voc2008/VOCtrainval_14-Jul-2008.tar", "2629fa636546599198acfcfbfcf1904a", "VOCdevkit/VOC2008"),
    "2007": ("voc2007/VOCtrainval_06-Nov-2007.tar", "c52e279531787c972589f7e41ab4ae64", "VOCdevkit/VOC2007"),
    "2007-test": ("voc2007/VOCtest_06-Nov-2007.tar", "b6e924de25625d8de591ea690078ad9f", "VOCdevkit/VOC2007"),
}


class VOCSegmentation(SegmentationPairs):
    """20 objects and background; 255 marks the border between them and is ignored.

    year "2007" to "2012" or "2007-test"; image_set "train", "val" or "trainval" ("test" with "2007-test"). Files lie
    in `root/VOCdevkit/VOC2012/...`, as in torchvision; download=True downloads (2 GB for 2012), verifies and
    unpacks missing files.
    """

    def __init__(self, root: PathLike, year: str = "2012", image_set: str = "train", download: bool = False) -> None:
        sets = ("test",) if year == "2007-test" else ("train", "trainval", "val")
        if year not in ARCHIVES or image_set not in sets:
            raise ValueError(
                f"VOCSegmentation: year {year!r}, image_set {image_set!r}; needed a year of {tuple(ARCHIVES)} "
                f"and an image_set of {sets}"
            )
        address, md5, inside = ARCHIVES[year]
        base = Path(root) / inside
        list_file = base / "ImageSets" / "Segmentation" / f"{image_set}.txt"
        if download and not list_file.is_file():
            archive = fetch(f"{BASE}/{address}", Path(root) / Path(address).name, f"md5:{md5}")
            unpack(archive, root, inside)
        images, masks = base / "JPEGImages", base / "SegmentationClass"
        pairs = listed_pairs(list_file, lambda s: images / f"{s}.jpg", lambda s: masks / f"{s}.png")
        super().__init__(pairs, CLASSES, ignore_index=255)
