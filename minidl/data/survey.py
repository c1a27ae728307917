"""A survey of a data set in one pass: sizes, pixel modes, labels with their shares, and all faults."""

from __future__ import annotations

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..typing import Array
from .image import ImageFormat, read_pixels
from .layouts.subset import innermost
from .mask import read_stored
from .picture import FORMATS, BrokenImageError, PixelModeError, orientation

DEEP_MODES = ("I;16", "I;16B", "I;16L", "I;16N", "I", "F")


@dataclass
class Fault:
    """A fault that prevents training: its kind (an --allow- option may permit it) and a message with file and remedy."""

    kind: str
    message: str


@dataclass
class ImageFacts:
    """An image file: its size (H, W) turned upright, pixel mode, channels, dtype, EXIF orientation, pages."""

    path: str
    size: tuple[int, int] = (0, 0)
    mode: str = ""
    channels: int = 0
    dtype: str = ""
    orientation: int = 1
    pages: int = 1
    broken: str | None = None


@dataclass
class Survey:
    """The facts of one part of a data set; `counts` are pixels of each label, ignored ones included."""

    images: list[ImageFacts] = field(default_factory=list)
    counts: Counter = field(default_factory=Counter)
    stored: Counter = field(default_factory=Counter)  # pixels of each value stored in mask files; colours as (r, g, b)
    mask_modes: Counter = field(default_factory=Counter)
    mask_pages: list[str] = field(default_factory=list)  # mask files of several pages
    presence: Counter = field(default_factory=Counter)  # images in which each label occurs
    void: list[str] = field(default_factory=list)  # images without a labelled pixel
    faults: list[Fault] = field(default_factory=list)

    def readable(self) -> list[ImageFacts]:
        """The images that could be decoded."""
        return [facts for facts in self.images if facts.broken is None]


def image_facts(path: str, exif: bool = True) -> ImageFacts:
    """The facts of a file, which is fully decoded so that a truncated file is found."""
    from PIL import Image

    facts = ImageFacts(path)
    try:
        pixels = read_pixels(path, exif)
        facts.size, facts.channels = pixels.shape[:2], pixels.shape[2]
        facts.dtype = str(pixels.dtype)
        try:
            with Image.open(path, formats=FORMATS) as picture:
                facts.mode, facts.orientation = picture.mode, orientation(picture)
                facts.pages = getattr(picture, "n_frames", 1)
        except (OSError, ValueError):  # a TIFF that only tifffile reads
            facts.mode = f"{facts.channels} bands of {facts.dtype}"
    except BrokenImageError as error:
        facts.broken = str(error)
        if isinstance(error, PixelModeError):
            facts.mode = "unsupported"
    except OSError as error:
        facts.broken = f"{path}: {error.strerror or error}"
    return facts


def survey(dataset: Any, progress: bool = True, exif: bool = True) -> Survey:
    """Read every image and mask of a data set of labels, or of instances, once."""
    from tqdm import tqdm

    found = Survey()
    with ThreadPoolExecutor(2) as pool:
        jobs = pool.map(lambda index: _sample(dataset, index, exif), range(len(dataset)))
        for answer in tqdm(
            jobs, desc="inspect", total=len(dataset), unit="img", leave=False, disable=None if progress else True
        ):
            _add(found, dataset, *answer)
    return found


def _sample(dataset: Any, index: int, exif: bool) -> tuple[int, ImageFacts, Any, Any]:
    """(index, facts, labels or the error, what the mask file stores or None)."""
    facts = image_facts(dataset.name(index), exif)
    pairs = _mask_file(dataset, index)
    dataset, inner = innermost(dataset, index)
    stored = None
    try:
        if pairs is not None:
            values = _values(read_stored(pairs))
            stored = (*_mask_kind(pairs), *values)
        if hasattr(dataset, "labels"):
            labels = dataset.labels(inner)
        elif facts.broken is None:
            labels = instance_labels(dataset[inner][1])
        else:
            labels = None
    except (ValueError, OSError) as error:
        labels = error
    return index, facts, labels, stored


def instance_labels(target: dict[str, Any]) -> Array:
    """The objects of a target as H x W labels, later ones over earlier ones, 0 where there is none."""
    labels = np.zeros(target["masks"].shape[1:], np.int64)
    for mask, label in zip(target["masks"], target["labels"]):
        labels[mask > 0] = label
    return labels


def _mask_file(dataset: Any, index: int) -> Path | None:
    dataset, index = innermost(dataset, index)
    return dataset.pairs[index][1] if hasattr(dataset, "pairs") else None


def _mask_kind(path: Path) -> tuple[str, int]:
    """(pixel mode, number of pages) of a mask file."""
    from PIL import Image

    with Image.open(path, formats=FORMATS) as picture:
        return picture.mode, getattr(picture, "n_frames", 1)


def _values(stored: Any) -> tuple[list, list]:
    """(values, counts) of a mask file's pixels; colours as triples."""
    if stored.ndim == 3:
        stored = stored.astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])
        values, counts = np.unique(stored, return_counts=True)
        return [(int(v) >> 16, int(v) >> 8 & 255, int(v) & 255) for v in values], counts.tolist()
    values, counts = np.unique(stored, return_counts=True)
    return [int(v) for v in values], counts.tolist()


def _add(found: Survey, dataset: Any, index: int, facts: ImageFacts, labels: Any, stored: Any) -> None:
    mask_file = _mask_file(dataset, index)
    found.images.append(facts)
    if facts.broken is None and isinstance(labels, BrokenImageError) and not isinstance(labels, PixelModeError):
        facts.broken = str(labels)  # a mask that cannot be decoded makes its image count as broken
    if facts.broken is not None:
        kind = "mode" if facts.mode == "unsupported" else "broken"
        remedy = "" if kind == "mode" else "; replace or remove it, or --skip-broken leaves such images out"
        found.faults.append(Fault(kind, facts.broken + remedy))
    if stored is not None:
        mode, pages, values, counts = stored
        found.mask_modes[mode] += 1
        if pages > 1:
            found.mask_pages.append(str(mask_file))
        for value, count in zip(values, counts):
            found.stored[value] += count
    if isinstance(labels, OSError):
        found.faults.append(Fault("mask", f"{labels.filename or mask_file}: {labels.strerror or labels}"))
    elif isinstance(labels, PixelModeError) and stored is not None and stored[2] and isinstance(stored[2][0], tuple):
        shown = ", ".join(map(str, stored[2][:4])) + (", ..." if len(stored[2]) > 4 else "")
        found.faults.append(
            Fault(
                "colour mask",
                f"{mask_file} is painted in colours ({shown}); --colors FILE names them, a line name,r,g,b for each class",
            )
        )
    elif isinstance(labels, ValueError) and facts.broken is None:
        found.faults.append(Fault("mask", f"{labels}"))
    elif labels is not None and not isinstance(labels, ValueError):
        _add_labels(found, dataset, facts, labels, mask_file)


def _add_labels(found: Survey, dataset: Any, facts: ImageFacts, labels: Any, mask_file: Path | None) -> None:
    where = os.fspath(mask_file) if mask_file else facts.path
    if facts.broken is None and labels.shape != facts.size:
        H, W = labels.shape
        if mask_file is None:
            said = (
                f"{facts.path} is {facts.size[0]} x {facts.size[1]} (H x W), its annotations are for {H} x {W} pixels"
            )
            found.faults.append(Fault("size", said))
            return
        turned = facts.orientation >= 5 and labels.shape == facts.size[::-1]
        hint = "; the mask fits the pixels as stored: --exif ignore" if turned else ""
        upright = ", turned by its EXIF orientation," if facts.orientation >= 5 else ""
        found.faults.append(
            Fault(
                "size",
                f"{facts.path}{upright} is {facts.size[0]} x {facts.size[1]} (H x W), its mask {where} is {H} x {W}; "
                "needed one size" + (hint or ": export the mask again, or resize it by nearest neighbour"),
            )
        )
    values, counts = np.unique(labels, return_counts=True)
    for value, count in zip(values.tolist(), counts.tolist()):
        found.counts[value] += count
        found.presence[value] += 1
    strange = [v for v in values.tolist() if not 0 <= v < len(dataset.classes) and v != dataset.ignore_index]
    if strange:
        found.faults.append(Fault("range", _out_of_range(where, strange, values.tolist(), dataset)))
    elif values.tolist() == [dataset.ignore_index]:
        found.void.append(where)


def _out_of_range(where: str, strange: list[int], values: list[int], dataset: Any) -> str:
    K = len(dataset.classes)
    text = f"{where} holds labels {strange[:8]}; needed 0 to {K - 1}, or {dataset.ignore_index} for pixels to ignore"
    if len(values) == 2 and len(strange) == 1 and K == 2:
        return f"{text}: --mask-values {values[0]},{values[1]} makes them 0 and 1"
    if max(strange) < K + 20 and min(strange) == K:
        return f"{text}: --folder-classes {max(strange) + 1} if that is how many there are"
    if len(values) > 2 * K + 16:
        return f"{text}; so many values come from smoothing or lossy compression: export the masks again without either"
    return f"{text}: --mask-values v0,v1,... says which values are labels 0, 1, ..., --folder-ignore which is ignored"


def measure(dataset: Any, image_format: ImageFormat) -> dict[str, list[float]]:
    """{"mean": ..., "std": ...} of each channel over all readable images: of image / 255 for 8 bits, else as stored."""
    total, squares, pixels = 0.0, 0.0, 0
    for index in range(len(dataset)):
        try:
            image = image_format.read(dataset.name(index)).astype(np.float64)
        except PixelModeError:
            raise
        except BrokenImageError:
            continue
        total, squares = total + image.sum(axis=(0, 1)), squares + (image**2).sum(axis=(0, 1))
        pixels += image.shape[0] * image.shape[1]
    unit = 1.0 if image_format.high_depth else 255.0
    mean = np.atleast_1d(total) / max(pixels, 1)
    std = np.sqrt(np.maximum(np.atleast_1d(squares) / max(pixels, 1) - mean**2, 0))
    return {"mean": (mean / unit).tolist(), "std": (np.where(std > 0, std, unit) / unit).tolist()}


def image_format_of(images: list[ImageFacts], channels: int | None = None, exif: bool = True) -> ImageFormat:
    """The common format of all images: `channels` if given, else 1 if all are grey, 3 for colour, or the number of bands.

    ValueError, naming two files, where 8-bit images are mixed with deeper ones, or their numbers of bands do not agree.
    """
    high = {facts.dtype != "uint8": facts for facts in images}
    if len(high) == 2:
        raise ValueError(
            f"{high[True].path} has {high[True].dtype} values and {high[False].path} 8-bit ones; needed one kind: convert them"
        )
    kinds = {{2: 1, 4: 3}.get(facts.channels, facts.channels): facts for facts in images}
    if channels is None:
        four = {facts.channels for facts in images} == {4} and not any(facts.mode == "RGBA" for facts in images)
        channels = 4 if four else max(kinds, default=3)
    for facts in images:
        fits = facts.channels == channels or (channels in (1, 3) and facts.channels <= 4)
        if not fits:
            other = next((f for f in images if f.channels == channels), None)
            raise ValueError(
                f"{facts.path} has {facts.channels} channels"
                + (f", {other.path} {channels}" if other else "")
                + f"; needed {channels} in all images (--channels)"
            )
    return ImageFormat(channels, True in high, exif)
