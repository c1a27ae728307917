"""Recognises the layout of a folder."""

from __future__ import annotations

from pathlib import Path


def guess(root: Path) -> str:
    """The name of the layout whose files the folder has; "folder" by default."""
    signs = {
        "camvid": ["trainannot"],
        "voc": ["VOCdevkit", "TrainVal/VOCdevkit"],
        "pets": ["oxford-iiit-pet"],
        "cityscapes": ["gtFine", "leftImg8bit"],
        "ade20k": ["annotations/training"],
        "roboflow": ["train/_annotations.coco.json", "_annotations.coco.json"],
        "cvat": ["annotations.xml"],
    }
    for name, paths in signs.items():
        if any((root / path).exists() for path in paths):
            return name
    if any(root.glob("annotations/*.json")) or (root / "annotations.json").is_file():
        return "coco"
    first = next((path for folder in (root, root / "train") for path in sorted(folder.glob("*.json"))), None)
    if first is not None:
        start = first.read_text(encoding="utf-8", errors="replace")[:100_000]
        return "labelme" if '"shapes"' in start else "coco" if '"annotations"' in start else "folder"
    return "folder"
