"""Layouts of published data sets that are stored as pairs of files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..datasets.camvid import CamVid
from ..datasets.pets import OxfordIIITPet
from ..datasets.voc import VOCSegmentation
from .options import LayoutOptions


def camvid(root: Path, part: str | None, options: LayoutOptions) -> Any:
    """root/train, root/trainannot, and the same for val and test."""
    return CamVid(root, part or "train", options.download)


def voc(root: Path, part: str | None, options: LayoutOptions) -> Any:
    """VOCdevkit/VOC2012 with its train and val lists."""
    if part == "test":
        raise ValueError("--data voc has no test part; needed train or val")
    return VOCSegmentation(root, image_set=part or "trainval", download=options.download)


def pets(root: Path, part: str | None, options: LayoutOptions) -> Any:
    """oxford-iiit-pet: trainval for training, test for validation, as in the set's lists."""
    return OxfordIIITPet(root, {"train": "trainval", None: "trainval"}.get(part, "test"), options.download)
