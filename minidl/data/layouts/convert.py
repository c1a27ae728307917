"""Converts files of labelling tools to COCO's three tables, which `CocoInstances` checks and reads."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from ...backend.reading import read_json
from ...typing import Array
from .. import rle
from ..pairing import IMAGE_SUFFIXES


def labelme_tables(folder: Path, root: Path, classes: Any = None) -> dict[str, list]:
    """labelme's JSON files in `folder`; the classes are those of all files in `root`, in order of name, or `classes`."""
    everywhere = sorted(path for path in root.rglob("*.json"))
    names = {str(shape.get("label")) for path in everywhere for shape in _shapes(_json(path), path)}
    if isinstance(classes, list | tuple):
        strange = sorted(names - set(classes))
        if strange:
            raise ValueError(f"{root} has objects of class {strange[0]!r}, which --folder-classes does not name")
        names = [name for name in classes if name != "background"]
    number = {name: k for k, name in enumerate(names if isinstance(names, list) else sorted(names), 1)}
    images, annotations = [], []
    for path in sorted(folder.rglob("*.json")):
        whole = _json(path)
        picture = _labelme_image(path, whole)
        size = [whole.get("imageHeight"), whole.get("imageWidth")]
        if not all(isinstance(n, int) and n > 0 for n in size):
            raise ValueError(f"{path}: imageHeight, imageWidth are {size}; needed two positive integers")
        name = picture.relative_to(folder).as_posix() if picture.is_relative_to(folder) else str(picture)
        images.append({"id": len(images) + 1, "file_name": name, "height": size[0], "width": size[1]})
        for k, shape in enumerate(_shapes(whole, path)):
            where = f"{path}: shape {k}"
            masked = shape.get("shape_type") == "mask"
            segmentation = _labelme_mask(shape, size, where) if masked else [_outline(shape, where)]
            annotations.append(_annotation(annotations, images, number[str(shape["label"])], segmentation))
    if not images:
        raise FileNotFoundError(f"{folder} holds no labelme JSON files")
    return {"images": images, "annotations": annotations, "categories": _categories(number)}


def _annotation(annotations: list, images: list, category: int, segmentation: Any) -> dict[str, Any]:
    return {
        "id": len(annotations) + 1,
        "image_id": images[-1]["id"],
        "category_id": category,
        "segmentation": segmentation,
        "iscrowd": 0,
    }


def _categories(number: Mapping[Any, int]) -> list[dict[str, Any]]:
    return [{"id": k, "name": name} for name, k in number.items()]


def _json(path: Path) -> dict[str, Any]:
    whole = read_json(path)
    return whole if isinstance(whole, dict) else {}


def _shapes(whole: dict[str, Any], path: Path) -> list[dict[str, Any]]:
    shapes = whole.get("shapes")
    if not isinstance(shapes, list) or not all(isinstance(shape, dict) and "label" in shape for shape in shapes):
        raise ValueError(f"{path} has no list of shapes with labels: it is not a labelme file")
    return shapes


def _labelme_image(path: Path, whole: dict[str, Any]) -> Path:
    """The image of a labelme file: imagePath in the same folder, or a picture of the same name."""
    named = path.parent / str(whole.get("imagePath", "")).replace("\\", "/")
    if named.is_file():
        return named
    for suffix in IMAGE_SUFFIXES:
        for picture in (path.with_suffix(suffix), path.with_suffix(suffix.upper())):
            if picture.is_file():
                return picture
    raise FileNotFoundError(f"{path}: its image {whole.get('imagePath')} is missing")


def _labelme_mask(shape: dict[str, Any], size: list[Any], where: str) -> dict[str, Any]:
    """Run lengths of a labelme shape of type mask: a PNG in base64, and its box."""
    from PIL import Image

    try:
        (x, y), _ = np.rint(np.asarray(shape["points"], np.float64)).astype(int).tolist()
        with Image.open(io.BytesIO(base64.b64decode(shape["mask"])), formats=("PNG",)) as picture:
            inside = np.array(picture.convert("L")) > 0
    except Exception as error:  # decoders raise errors of many kinds
        raise ValueError(f"{where}: its mask is not a PNG in base64 with a box of two points") from error
    (h, w), (H, W) = inside.shape, size
    if min(x, y) < 0 or x + w > W or y + h > H:
        raise ValueError(f"{where}: its mask of {w} x {h} pixels at {x}, {y} does not fit the image of {W} x {H}")
    whole = np.zeros((H, W), np.uint8)
    whole[y : y + h, x : x + w] = inside
    return _run_lengths(whole)


def _run_lengths(mask: Array) -> dict[str, Any]:
    code = rle.encode(mask)
    return {"size": list(code["size"]), "counts": code["counts"].tolist()}


def _outline(shape: dict[str, Any], where: str) -> list[float]:
    """x1, y1, x2, y2, ... of a labelme shape that covers an area."""
    kind = shape.get("shape_type", "polygon")
    points = np.asarray(shape.get("points"), dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"{where}: points are {points.shape}; needed pairs of x, y")
    if kind == "rectangle" and len(points) == 2:
        (x1, y1), (x2, y2) = points
        points = np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2)])
    elif kind == "circle" and len(points) == 2:
        angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
        radius = np.hypot(*(points[1] - points[0]))
        points = points[0] + radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    elif kind != "polygon":
        raise ValueError(f"{where}: shape_type {kind!r} is not supported; needed polygon, rectangle, circle or mask")
    if len(points) < 3:
        raise ValueError(f"{where}: a polygon of {len(points)} points; needed at least 3")
    return points.ravel().tolist()


def cvat_tables(folder: Path) -> tuple[dict[str, list], Path]:
    """(tables, folder of the images) of annotations.xml in `folder`."""
    path = folder / "annotations.xml"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; --data cvat needs an export as CVAT for images 1.1")
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise ValueError(f"{path} is not XML: {error}") from error
    names = [label.findtext("name") for label in root.iter("label") if label.findtext("name")]
    number = {name: k for k, name in enumerate(dict.fromkeys(names), 1)}
    images, annotations = [], []
    for image in root.iter("image"):
        try:
            entry = {"id": len(images) + 1, "file_name": image.attrib["name"]}
            images.append(entry | {"height": int(image.attrib["height"]), "width": int(image.attrib["width"])})
            for shape in image:
                if shape.tag in ("tag", "points", "polyline"):
                    continue  # no area
                label = shape.attrib["label"]
                number.setdefault(label, len(number) + 1)
                segmentation = _cvat_shape(shape, images[-1], path)
                annotations.append(_annotation(annotations, images, number[label], segmentation))
        except (KeyError, ValueError, IndexError) as error:
            where = image.attrib.get("name", f"image {len(images)}")
            raise ValueError(f"{path}: {where}: {error if isinstance(error, ValueError) else f'no {error}'}") from error
    inner = folder / "images"
    return {"images": images, "annotations": annotations, "categories": _categories(number)}, (
        inner if inner.is_dir() else folder
    )


def _cvat_shape(shape: ElementTree.Element, image: dict[str, Any], path: Path) -> Any:
    a = shape.attrib
    if shape.tag == "polygon":
        return [[float(v) for point in a["points"].split(";") for v in point.split(",")]]
    if shape.tag == "box":
        x1, y1, x2, y2 = (float(a[key]) for key in ("xtl", "ytl", "xbr", "ybr"))
        return [[x1, y1, x2, y1, x2, y2, x1, y2]]
    if shape.tag == "mask":
        left, top, w, h = (int(a[key]) for key in ("left", "top", "width", "height"))
        runs = np.array([int(n) for n in a["rle"].split(",")])
        inside = np.repeat(np.arange(len(runs)) % 2, runs)
        if inside.size != w * h or left < 0 or top < 0 or top + h > image["height"] or left + w > image["width"]:
            raise ValueError(f"a mask of {inside.size} pixels at {left}, {top} does not fit {w} x {h} in the image")
        mask = np.zeros((image["height"], image["width"]), np.uint8)
        mask[top : top + h, left : left + w] = inside.reshape(h, w)
        return _run_lengths(mask)
    raise ValueError(f"a shape {shape.tag!r} is not supported; needed polygon, box or mask")
