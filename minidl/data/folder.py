"""Segmentation datasets stored as pairs of files: an image and its mask."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from ..backend.reading import read_text
from ..typing import Array, ArrayLike, PathLike
from .image import ImageFormat, voc_palette
from .mask import ColorTable, MaskValues, read_labels
from .pairing import IMAGE_SUFFIXES, Pairing, find_pairs
from .types import Sample

RGB = ImageFormat()

__all__ = ["IMAGE_SUFFIXES", "SegmentationFolder", "SegmentationPairs", "listed", "listed_pairs"]


class SegmentationPairs:
    """A dataset over `pairs` of (image path, mask path): `ds[i]` is (image H x W x C, mask H x W).

    classes: the K names, or K itself; labels are 0..K-1, and `ignore_index` marks pixels without one.
    decoder: converts stored values to labels (`mask.MaskValues`, `mask.ColorTable`); by default labels are stored as such.
    image_format: how images are read; uint8 RGB by default.
    Reading raises BrokenImageError for a file that cannot be decoded, and ValueError, naming the files, for an image
    and a mask of different sizes or a label out of range.
    """

    def __init__(
        self,
        pairs: Iterable[tuple[PathLike, PathLike]],
        classes: int | Sequence[str],
        ignore_index: int = 255,
        colors: ArrayLike | None = None,
        *,
        decoder: MaskValues | ColorTable | None = None,
        image_format: ImageFormat = RGB,
    ) -> None:
        self.pairs = [(Path(image), Path(mask)) for image, mask in pairs]
        self.classes = tuple(map(str, range(classes) if isinstance(classes, int) else classes))
        self.ignore_index, self.decoder, self.image_format = ignore_index, decoder, image_format
        self.colors = voc_palette(len(self.classes)) if colors is None else np.asarray(colors, dtype=np.uint8)
        if len(self.classes) < 2 or self.colors.shape != (len(self.classes), 3):
            raise ValueError(
                f"{type(self).__name__}: classes must be two or more names (or their number) and colors K x 3, "
                f"got {len(self.classes)} classes and colors {self.colors.shape}"
            )

    def __len__(self) -> int:
        return len(self.pairs)

    def name(self, index: int) -> str:
        """The file that sample `index` comes from."""
        return os.fspath(self.pairs[index][0])

    def _labels(self, stored):
        """Labels from the numbers stored in the mask file."""
        return stored

    def labels(self, index: int) -> Array:
        """The mask of sample `index` alone, H x W, its labels not yet checked."""
        return self._labels(read_labels(self.pairs[index][1], self.decoder))

    def __getitem__(self, index: int) -> Sample:
        image_path, mask_path = self.pairs[index]
        image, mask = self.image_format.read(image_path), self.labels(index)
        if image.shape[:2] != mask.shape:
            raise ValueError(
                f"{type(self).__name__}: {image_path} is {image.shape[0]} x {image.shape[1]} (H x W) "
                f"but {mask_path} is {mask.shape[0]} x {mask.shape[1]}"
            )
        strange = (mask >= len(self.classes)) & (mask != self.ignore_index)
        if strange.any():
            raise ValueError(
                f"{type(self).__name__}: {mask_path} holds labels {np.unique(mask[strange])[:8].tolist()}; "
                f"needed 0..{len(self.classes) - 1}, or {self.ignore_index} for pixels to ignore"
            )
        return image, mask


def listed(stems: Sequence[str]) -> str:
    """The first of many names, for a message."""
    return ", ".join(stems[:8]) + (f", ... ({len(stems)} in all)" if len(stems) > 8 else "")


class SegmentationFolder(SegmentationPairs):
    """Images in `root/images`, masks of the same names in `root/masks`, sub-folders included, sorted by name.

    `classes` (names or their number) is needed; see SegmentationPairs, and `pairing.find_pairs` for the rule of names.
    Raises FileNotFoundError where a folder is missing or empty, or where an image or a mask has no partner, listing them.
    """

    def __init__(
        self,
        root: PathLike,
        images: str = "images",
        masks: str = "masks",
        *,
        classes: int | Sequence[str],
        ignore_index: int = 255,
        colors: ArrayLike | None = None,
    ) -> None:
        images, masks = Path(root) / images, Path(root) / masks
        found = find_pairs(images, masks)
        super().__init__(whole(found, images, masks), classes, ignore_index, colors)


def whole(found: Pairing, images: Path, masks: Path) -> list[tuple[Path, Path]]:
    """The pairs of a complete Pairing; raises FileNotFoundError, listing files without a partner, for any other."""
    names = [
        [path.relative_to(folder).with_suffix("").as_posix() for path in paths]
        for folder, paths in ((images, found.images_alone), (masks, found.masks_alone))
    ]
    complaints = [f"images without a mask: {listed(names[0])}"] * bool(names[0])
    complaints += [f"masks without an image: {listed(names[1])}"] * bool(names[1])
    if not found.pairs and not complaints:
        complaints = ["no images and no masks"]
    if complaints:
        raise FileNotFoundError(f"SegmentationFolder: in {images} and {masks}: {'; '.join(complaints)}")
    return found.pairs


def listed_pairs(
    list_file: Path, image_of: Callable[[str], Path], mask_of: Callable[[str], Path]
) -> list[tuple[Path, Path]]:
    """The pairs for the stems at the start of the lines of a split's list file; errors list the missing files.

    image_of, mask_of: functions from stem to path.
    """
    if not list_file.is_file():
        raise FileNotFoundError(f"{list_file} is missing; download=True fetches and unpacks the set")
    lines = read_text(list_file).splitlines()
    pairs = [(image_of(s), mask_of(s)) for s in (line.split()[0] for line in lines if line.strip() and line[0] != "#")]
    missing = [os.fspath(path) for pair in pairs for path in pair if not path.is_file()]
    if missing or not pairs:
        raise FileNotFoundError(f"{list_file} lists {len(pairs)} samples; files missing: {listed(missing) or 'none'}")
    return pairs
