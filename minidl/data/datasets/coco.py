"""Instances in COCO's format: one JSON file and a folder of images (Lin et al. 2014)."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path, PurePath

import numpy as np

from ...backend.reading import read_json
from ...typing import ArrayLike, PathLike
from .. import rle
from ..folder import listed
from ..image import read_image, voc_palette
from ..targets import mask_boxes
from ..types import RunLengths, Sample

TABLES = {  # key of the JSON file: what every entry must have
    "images": {"id": int, "file_name": str, "height": int, "width": int},
    "annotations": {"id": int, "image_id": int, "category_id": int, "segmentation": list | dict},
    "categories": {"id": int, "name": str},
}


class CocoInstances:
    """`ds[i]`: (image H x W x 3 uint8, target), of the images in folder `root` that the JSON file `annotations` lists.

    The target has, for K objects: boxes (K x 4 float32: x1, y1, x2, y2 at pixel edges), labels (K int64), masks
    (K x H x W uint8), iscrowd (K int64), area (K float64, pixels), and image_id, an integer. Boxes and areas are the
    file's where it has them, else the mask's.

    Labels are 1, 2, ... in the order of the file's category ids, without gaps; 0 is the background.
    `ds.category_ids[label]` is the category id (None for 0), `ds.classes` holds the names.
    crowd: False leaves out regions annotated as crowds (iscrowd 1), as is usual for training.
    boxes: True uses the box as the outline of an object that has none, for networks that predict boxes alone.
    exif: rotate images upright by their EXIF orientation.
    annotations: the file, or the dictionary that such a file holds; `source` is then its name in messages.

    The constructor checks the whole file. Raises FileNotFoundError where the file or an image is missing, and ValueError,
    naming the file and the entry, for invalid JSON or COCO data: missing keys, duplicate or unknown ids, polygons with
    fewer than 3 points, run lengths that do not sum to the size.
    """

    ignore_index = 255  # the label with which transforms pad masks; instance masks are padded with 0

    def __init__(
        self,
        root: PathLike,
        annotations: PathLike | dict,
        crowd: bool = True,
        *,
        source: PathLike | None = None,
        boxes: bool = False,
        exif: bool = True,
    ) -> None:
        self.root = Path(root)
        if isinstance(annotations, dict):
            self.file, whole = Path(source or root), annotations
        else:
            self.file = Path(annotations)
            whole = _read(self.file)
        if boxes:
            whole = whole | {"annotations": [_with_outline(entry) for entry in whole["annotations"]]}
        self.exif = exif
        tables = {name: _table(name, whole[name], self.file) for name in TABLES}
        self.images = [tables["images"][key] for key in sorted(tables["images"])]
        categories = sorted(tables["categories"])
        self.category_ids = (None, *categories)
        self.classes = ("background", *(tables["categories"][key]["name"] for key in categories))
        self.colors = voc_palette(len(self.classes))
        label_of = {key: label for label, key in enumerate(categories, 1)}
        self._objects = {image["id"]: [] for image in self.images}  # {image id: [results of `_object`]}
        for key, entry in tables["annotations"].items():
            try:
                _known("image_id", entry["image_id"], tables["images"])
                _known("category_id", entry["category_id"], tables["categories"])
                if crowd or not entry.get("iscrowd", 0):
                    image, label = tables["images"][entry["image_id"]], label_of[entry["category_id"]]
                    made = _object(entry, label, (image["height"], image["width"]))
                    self._objects[image["id"]].append(made | {"id": key})
            except (ValueError, TypeError) as error:
                raise ValueError(f"{self.file}: annotation {key}: {error}") from error
        outside = [image["file_name"] for image in self.images if not _inside(image["file_name"])]
        if outside:
            raise ValueError(f"{self.file}: file_name of images outside {self.root}: {listed(outside)}")
        missing = [image["file_name"] for image in self.images if not (self.root / image["file_name"]).is_file()]
        if missing:
            raise FileNotFoundError(f"{self.file} lists images that are not in {self.root}: {listed(missing)}")

    def __len__(self) -> int:
        return len(self.images)

    def name(self, index: int) -> str:
        """The file that sample `index` comes from."""
        return os.fspath(self.root / self.images[index]["file_name"])

    def check_objects(self) -> None:
        """Raise ValueError, naming file and annotation, for a box without width or height or a polygon without pixels."""
        for entry in self.images:
            for o in self._objects[entry["id"]]:
                if o["box"] is not None and (o["box"][2] <= o["box"][0] or o["box"][3] <= o["box"][1]):
                    raise ValueError(f"{self.file}: annotation {o['id']}: bbox has no width or no height")
                code = (
                    o["shape"]
                    if isinstance(o["shape"], dict)
                    else polygons(o["shape"], (entry["height"], entry["width"]))
                )
                if not rle.area(code):
                    raise ValueError(f"{self.file}: annotation {o['id']}: segmentation covers no pixel")

    def __getitem__(self, index: int) -> Sample:
        entry = self.images[index]
        H, W = entry["height"], entry["width"]
        image = read_image(self.root / entry["file_name"], exif=self.exif)
        if image.shape[:2] != (H, W):
            raise ValueError(
                f"{self.name(index)} is {image.shape[0]} x {image.shape[1]} (H x W), {self.file} says {H} x {W}"
            )
        objects = self._objects[entry["id"]]
        masks = np.zeros((len(objects), H, W), np.uint8)
        for mask, shape in zip(masks, (o["shape"] for o in objects)):
            mask[:] = rle.decode(shape if isinstance(shape, dict) else polygons(shape, (H, W)))
        boxes, area = mask_boxes(masks), masks.sum(axis=(1, 2), dtype=np.float64)
        for k, o in enumerate(objects):
            boxes[k] = boxes[k] if o["box"] is None else o["box"]
            area[k] = area[k] if o["area"] is None else o["area"]
        labels, crowd = (np.array([o[key] for o in objects], np.int64) for key in ("label", "iscrowd"))
        target = {"boxes": boxes, "labels": labels, "masks": masks, "iscrowd": crowd, "area": area}
        return image, target | {"image_id": entry["id"]}


def polygons(parts: Sequence[ArrayLike], size: Sequence[int]) -> RunLengths:
    """The run-length code of an object of several polygons, M x 2 each: their union, as COCO draws them."""
    return rle.merge([rle.from_polygon(points, size) for points in parts])


def _inside(name):
    """Whether a file name stays below the folder that it is joined to."""
    parts = PurePath(name).parts
    return not PurePath(name).is_absolute() and not PurePath(name).drive and ".." not in parts and bool(parts)


def _read(file):
    """{table: list of entries} of a JSON file."""
    whole = read_json(file)
    if not isinstance(whole, dict) or not TABLES.keys() <= whole.keys():
        have = ", ".join(whole) if isinstance(whole, dict) else type(whole).__name__
        raise ValueError(f"{file} holds {have or 'nothing'}; needed a dictionary with {', '.join(TABLES)}")
    for name in TABLES:
        if not isinstance(whole[name], list):
            raise ValueError(f"{file}: {name} is {type(whole[name]).__name__}; needed a list")
    return {name: whole[name] for name in TABLES}


def _table(name, entries, file):
    """{id: entry} of a table."""
    table = {}
    for number, entry in enumerate(entries):
        for key, kind in TABLES[name].items():
            if not isinstance(entry, dict) or not isinstance(entry.get(key), kind):
                what = repr(entry.get(key)) if isinstance(entry, dict) and key in entry else "missing"
                kinds = getattr(kind, "__name__", kind)
                raise ValueError(f"{file}: entry {number} of {name}: {key} is {_short(what)}; needed {kinds}")
        if entry["id"] in table:
            raise ValueError(f"{file}: two of {name} have the id {entry['id']}")
        table[entry["id"]] = entry
    return table


def _short(text):
    return text if len(text) < 60 else text[:57] + "..."


def _known(key, value, table):
    if not table:
        raise ValueError(f"{key} is {value}, and the table that it refers to is empty")
    if value not in table:
        raise ValueError(f"{key} is {value}; needed one of {listed(list(map(str, table)))}")


def _with_outline(entry):
    """The annotation, its box in place of a segmentation that is missing or empty."""
    if not isinstance(entry, dict) or entry.get("segmentation") or np.shape(entry.get("bbox")) != (4,):
        return entry
    x, y, w, h = entry["bbox"]
    return entry | {"segmentation": [[x, y, x + w, y, x + w, y + h, x, y + h]]}


def _object(entry, label, size):
    """An annotation, checked: its label, iscrowd, box, area, and shape (polygons M x 2, or run lengths)."""
    shape, box, area = entry["segmentation"], entry.get("bbox"), entry.get("area")
    if isinstance(shape, dict):
        shape = {"size": size, "counts": rle.check(shape, size)[1].astype(np.uint32)}
    else:
        shape = [_points(part) for part in shape]
        if not shape:
            raise ValueError(
                "segmentation is an empty list; needed at least one polygon (detectors of boxes alone need none)"
            )
    if box is not None:
        if np.shape(box) != (4,) or not np.isfinite(np.array(box, float)).all() or min(box[2:]) < 0:
            raise ValueError(f"bbox is {_short(repr(box))}; needed x, y, width, height, width and height at least 0")
        box = (box[0], box[1], box[0] + box[2], box[1] + box[3])
    if area is not None and not (isinstance(area, int | float) and math.isfinite(area) and area >= 0):
        raise ValueError(f"area is {area!r}; needed a number of at least 0")
    if entry.get("iscrowd", 0) not in (0, 1):
        raise ValueError(f"iscrowd is {entry['iscrowd']!r}; needed 0 or 1")
    return {"label": label, "iscrowd": int(entry.get("iscrowd", 0)), "box": box, "area": area, "shape": shape}


def _points(part):
    """A polygon x1, y1, x2, y2, ... as M x 2."""
    points = np.array(part, np.float64)
    if points.ndim != 1 or len(points) % 2 or len(points) < 6:
        count = f"{len(points) / 2:g} points" if points.ndim == 1 else f"shape {points.shape}"
        raise ValueError(f"segmentation has a polygon of {count}; needed at least 3, as x1, y1, x2, y2, ...")
    if not np.isfinite(points).all():
        raise ValueError("segmentation has a polygon with coordinates that are not finite")
    return points.reshape(-1, 2)
