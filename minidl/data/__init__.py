"""Datasets, joint transforms of image and mask, and a loader of batches.

A dataset is anything with `len(ds)`, `ds[i]` giving (image H x W x 3 uint8, mask H x W of integer labels), and
`ds.classes` (names), `ds.colors` (K x 3 uint8), `ds.ignore_index`. Optional: `ds.name(i)`, the name of sample i in messages.
Datasets of instances (`CocoInstances`, `DigitScenes(instances=True)`) return, instead of the mask, the dictionary that
targets.py describes.
"""

from . import transforms
from .archive import DownloadError, unpack
from .datasets.camvid import CamVid
from .datasets.coco import CocoInstances
from .datasets.pets import OxfordIIITPet
from .datasets.voc import VOCSegmentation
from .digit_scenes import DigitScenes
from .download import fetch
from .folder import SegmentationFolder, SegmentationPairs
from .image import BrokenImageError, read_image, read_mask, voc_palette, write_mask
from .loader import DataLoader
from .targets import mask_boxes

__all__ = [
    "BrokenImageError",
    "CamVid",
    "CocoInstances",
    "DataLoader",
    "DigitScenes",
    "DownloadError",
    "OxfordIIITPet",
    "SegmentationFolder",
    "SegmentationPairs",
    "VOCSegmentation",
    "fetch",
    "mask_boxes",
    "read_image",
    "read_mask",
    "transforms",
    "unpack",
    "voc_palette",
    "write_mask",
]
