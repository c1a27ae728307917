"""Semantic datasets kept as pairs of files: an image and a PNG of labels."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from ..typing import ArrayLike, PathLike
from .image import read_image, read_mask, voc_palette
from .types import Sample

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")


class SegmentationPairs:
    """A dataset over `pairs` of (image path, mask path): `ds[i]` is (image H x W x 3 uint8, mask H x W).

    classes: the K names, or K itself; labels are 0..K-1, and `ignore_index` marks pixels without one.
    Reading raises BrokenImageError for a file that cannot be decoded, and ValueError, naming the files, for an image
    and a mask of different sizes or a label out of range.
    """

    def __init__(
        self,
        pairs: Iterable[tuple[PathLike, PathLike]],
        classes: int | Sequence[str],
        ignore_index: int = 255,
        colors: ArrayLike | None = None,
    ) -> None:
        self.pairs = [(Path(image), Path(mask)) for image, mask in pairs]
        self.classes = tuple(map(str, range(classes) if isinstance(classes, int) else classes))
        self.ignore_index = ignore_index
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

    def __getitem__(self, index: int) -> Sample:
        image_path, mask_path = self.pairs[index]
        image, mask = read_image(image_path), self._labels(read_mask(mask_path))
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


def _by_stem(folder, suffixes):
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is not a folder")
    found = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in suffixes and not path.name.startswith("."):
            if path.stem in found:
                raise ValueError(f"{found[path.stem]} and {path} have the same stem: which one goes with the mask?")
            found[path.stem] = path
    return found


def listed(stems: Sequence[str]) -> str:
    """The first of many names, for a message."""
    return ", ".join(stems[:8]) + (f", ... ({len(stems)} in all)" if len(stems) > 8 else "")


class SegmentationFolder(SegmentationPairs):
    """Images in `root/images`, label PNGs with the same stems in `root/masks`, in order of name.

    `classes` (names or their number) is needed; see SegmentationPairs. Raises FileNotFoundError where a folder is
    missing or empty or an image lacks its mask or the reverse, listing them.
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
        image_of, mask_of = _by_stem(Path(root) / images, IMAGE_SUFFIXES), _by_stem(Path(root) / masks, (".png",))
        alone, unseen = sorted(image_of.keys() - mask_of.keys()), sorted(mask_of.keys() - image_of.keys())
        complaints = [f"images without a mask: {listed(alone)}"] * bool(alone)
        complaints += [f"masks without an image: {listed(unseen)}"] * bool(unseen)
        if not image_of and not mask_of:
            complaints = ["no images and no masks"]
        if complaints:
            raise FileNotFoundError(
                f"{type(self).__name__}: in {Path(root) / images} and {Path(root) / masks}: {'; '.join(complaints)}"
            )
        super().__init__([(image_of[s], mask_of[s]) for s in sorted(image_of)], classes, ignore_index, colors)


def listed_pairs(
    list_file: Path, image_of: Callable[[str], Path], mask_of: Callable[[str], Path]
) -> list[tuple[Path, Path]]:
    """The pairs for the stems that start the lines of a split's list file; errors name what is missing.

    image_of, mask_of: functions from stem to path.
    """
    if not list_file.is_file():
        raise FileNotFoundError(f"{list_file} is missing; download=True fetches and unpacks the set")
    lines = list_file.read_text(encoding="utf-8").splitlines()
    pairs = [(image_of(s), mask_of(s)) for s in (line.split()[0] for line in lines if line.strip() and line[0] != "#")]
    missing = [os.fspath(path) for pair in pairs for path in pair if not path.is_file()]
    if missing or not pairs:
        raise FileNotFoundError(f"{list_file} lists {len(pairs)} samples; files missing: {listed(missing) or 'none'}")
    return pairs
