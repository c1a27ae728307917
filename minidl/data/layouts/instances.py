"""Layouts that keep objects as polygons or run lengths: COCO, Roboflow's COCO export, labelme, CVAT for images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ...typing import Array
from .. import rle
from ..datasets.coco import CocoInstances, polygons
from ..image import ImageFormat
from ..types import Sample
from .convert import cvat_tables, labelme_tables
from .options import LayoutOptions
from .subset import divided

ROBOFLOW = "_annotations.coco.json"
YEARS: dict[str | None, tuple[str, ...]] = {
    "train": ("train2017", "train2014", "train"),
    "val": ("val2017", "val2014", "val", "valid", "validation"),
}
YEARS |= {"test": ("test",), None: ("train2017", "train2014", "train")}


class ObjectsAsMask:
    """A data set of instances as masks of classes: smaller objects cover larger ones."""

    def __init__(self, instances: CocoInstances, image_format: ImageFormat) -> None:
        self.instances, self.image_format = instances, image_format
        self.classes, self.colors, self.ignore_index = instances.classes, instances.colors, instances.ignore_index

    def __len__(self) -> int:
        return len(self.instances)

    def name(self, index: int) -> str:
        """The file that sample `index` comes from."""
        return self.instances.name(index)

    def labels(self, index: int) -> Array:
        """The mask of sample `index`; 0 where there is no object."""
        entry = self.instances.images[index]
        size = (entry["height"], entry["width"])
        objects = self.instances._objects[entry["id"]]
        codes = [o["shape"] if isinstance(o["shape"], dict) else polygons(o["shape"], size) for o in objects]
        mask = np.zeros(size, np.min_scalar_type(len(self.classes)))
        for k in sorted(range(len(objects)), key=lambda k: -rle.area(codes[k])):
            mask[rle.decode(codes[k]) > 0] = objects[k]["label"]
        return mask

    def __getitem__(self, index: int) -> Sample:
        image, mask = self.image_format.read(self.name(index)), self.labels(index)
        if image.shape[:2] != mask.shape:
            raise ValueError(
                f"{self.name(index)} is {image.shape[0]} x {image.shape[1]} (H x W), {self.instances.file} says "
                f"{mask.shape[0]} x {mask.shape[1]}"
            )
        return image, mask


def coco(root: Path, part: str | None, options: LayoutOptions) -> Any:
    """annotations/instances_train2017.json with train2017/ and so on; one JSON file per part; or one JSON file, divided."""
    file, images, own = _find(root, part)
    return _finish(_read(images, file, options, crowd=not options.instances), own, root, part, options)


def coco_semantic(root: Path, part: str | None, options: LayoutOptions) -> Any:
    """The same as masks of classes."""
    file, images, own = _find(root, part)
    dataset = ObjectsAsMask(_checked(_read(images, file, options)), options.image_format)
    return dataset if own else divided(dataset, options.split, part, root)


def roboflow(root: Path, part: str | None, options: LayoutOptions) -> Any:
    """Roboflow's COCO export: train/, valid/ and test/, each with images and _annotations.coco.json."""
    folders = {"train": "train", "val": "valid", "test": "test", None: "train"}
    if (root / ROBOFLOW).is_file():
        return _finish(_read(root, root / ROBOFLOW, options), False, root, part, options)
    folder = root / folders[part]
    if not (folder / ROBOFLOW).is_file():
        raise FileNotFoundError(f"{folder / ROBOFLOW} is missing; --data roboflow needs an export in COCO's format")
    return _finish(_read(folder, folder / ROBOFLOW, options), True, root, part, options)


def labelme(root: Path, part: str | None, options: LayoutOptions) -> Any:
    """A labelme JSON file next to each image; in root/train and root/val, or divided. Classes are the sorted labels."""
    folder, own = _part_folder(root, part)
    tables = labelme_tables(folder, root if own else folder, options.classes)
    return _finish(_read(folder, tables, options, source=folder), own, root, part, options)


def cvat(root: Path, part: str | None, options: LayoutOptions) -> Any:
    """CVAT for images 1.1: annotations.xml with the images in the same folder or in images/."""
    folder, own = _part_folder(root, part)
    tables, images = cvat_tables(folder)
    return _finish(_read(images, tables, options, source=folder / "annotations.xml"), own, root, part, options)


def _read(images: Path, annotations: Any, options: LayoutOptions, **more: Any) -> CocoInstances:
    boxes = options.boxes and options.instances
    return CocoInstances(images, annotations, boxes=boxes, exif=options.image_format.exif, **more)


def _checked(dataset: CocoInstances) -> CocoInstances:
    dataset.check_objects()
    return dataset


def _finish(dataset: CocoInstances, own: bool, root: Path, part: str | None, options: LayoutOptions) -> Any:
    _checked(dataset)
    made = dataset if options.instances else ObjectsAsMask(dataset, options.image_format)
    return made if own else divided(made, options.split, part, root)


def _part_folder(root: Path, part: str | None) -> tuple[Path, bool]:
    """(the folder of a part, whether the layout has parts)."""
    if not (root / "train").is_dir() or part is None:
        return root, False
    for name in YEARS[part]:
        if (root / name).is_dir():
            return root / name, True
    raise FileNotFoundError(f"{root} has a folder train but none of {', '.join(YEARS[part])}")


def _find(root: Path, part: str | None) -> tuple[Path, Path, bool]:
    """(JSON file, folder of images, whether the file holds this part alone)."""
    for name in YEARS[part]:
        for file in (f"annotations/instances_{name}.json", f"annotations/{name}.json", f"{name}.json"):
            if (root / file).is_file():
                return root / file, _image_folder(root, name), True
        for file in (ROBOFLOW, "annotations.json"):
            if (root / name / file).is_file():
                return root / name / file, root / name, True
    candidates = [*root.glob("annotations/*.json"), *root.glob("*.json")]
    if len(candidates) != 1:
        raise FileNotFoundError(
            f"{root} holds {len(candidates)} JSON files where one is expected; needed annotations/instances_train2017.json "
            "with train2017/, train.json and val.json, or one JSON file with images/"
        )
    return candidates[0], _image_folder(root, "images"), False


def _image_folder(root: Path, name: str) -> Path:
    for folder in (root / name, root / "images" / name, root / "images"):
        if folder.is_dir():
            return folder
    return root
