"""Pairs image files with mask files by name, in folders that may be nested."""

from __future__ import annotations

import os
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

from ..typing import PathLike

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm", ".pgm")


@dataclass
class Pairing:
    """Pairs of (image, mask); images and masks without a partner; files that are not pictures, with the reason."""

    pairs: list = field(default_factory=list)
    images_alone: list = field(default_factory=list)
    masks_alone: list = field(default_factory=list)
    ignored: list = field(default_factory=list)  # (path, reason)


def picture_files(folder: PathLike) -> tuple[list[Path], list[tuple[Path, str]]]:
    """(sorted paths of the pictures in `folder` and its sub-folders; [(path, reason)] of other files).

    Links are followed, each folder once. Hidden files and folders, and files with another extension, are not pictures.
    """
    if not Path(folder).is_dir():
        raise FileNotFoundError(f"{folder} is not a folder")
    pictures, ignored, seen = [], [], set()
    for base, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(base)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__MACOSX")))
        for name in sorted(files):
            path = Path(base) / name
            if name.startswith("."):
                ignored.append((path, "hidden"))
            elif path.suffix.lower() not in IMAGE_SUFFIXES:
                ignored.append((path, f"ends in {path.suffix or 'nothing'}"))
            elif not path.is_file():
                ignored.append((path, "a link to nothing" if path.is_symlink() else "not a file"))
            else:
                pictures.append(path)
    return pictures, ignored


def find_pairs(images: PathLike, masks: PathLike, image_suffix: str = "", mask_suffix: str = "") -> Pairing:
    """Pair the pictures in the folder `images` with those in `masks` that have the same name without suffix and extension.

    image_suffix, mask_suffix: the text after the common part of the names, as in a.jpg and a_mask.png; needed where both
        folders are the same.
    Names are compared as Unicode NFC: first with their sub-folders, then ignoring case, then without sub-folders where the
    match is unique. Raises ValueError for two images, or two masks, of the same name.
    """
    images, masks = Path(images), Path(masks)
    same = images.is_dir() and masks.is_dir() and os.path.samefile(images, masks)
    if same and image_suffix == mask_suffix:
        raise ValueError(
            f"{images} holds both images and masks; needed the suffix that tells them apart (--mask-suffix)"
        )
    found = Pairing()
    image_of, strange = _keyed(images, image_suffix, mask_suffix if same else None, found.ignored)
    found.images_alone += strange
    mask_of, strange = _keyed(masks, mask_suffix, None, [] if same else found.ignored)
    found.masks_alone += [] if same else strange
    matched = {}
    for simplify in (lambda key: key, str.casefold, lambda key: key.rpartition("/")[2].casefold()):
        ours, theirs = _unique(image_of, simplify), _unique(mask_of, simplify)
        for name in ours.keys() & theirs.keys():
            key = ours[name]
            matched[key] = (image_of.pop(key), mask_of.pop(theirs[name]))
    found.pairs = [matched[key] for key in sorted(matched)]
    found.images_alone += image_of.values()
    found.masks_alone += mask_of.values()
    return found


def _keyed(folder, suffix, excluded, ignored):
    """({name without extension and `suffix`: path}, [paths whose names lack `suffix`])."""
    pictures, rest = picture_files(folder)
    ignored += rest
    keyed, strange = {}, []
    for path in pictures:
        name = unicodedata.normalize("NFC", path.relative_to(folder).with_suffix("").as_posix())
        if excluded and name.endswith(excluded):
            continue
        if not name.endswith(suffix):
            strange.append(path)
            continue
        key = name.removesuffix(suffix)
        if key in keyed:
            raise ValueError(f"{keyed[key]} and {path} have the same stem; needed one of them: move the other away")
        keyed[key] = path
    return keyed, strange


def _unique(keyed, simplify):
    """{simplified name: key} of the names that remain unique."""
    names = {}
    for key in keyed:
        names.setdefault(simplify(key), []).append(key)
    return {name: keys[0] for name, keys in names.items() if len(keys) == 1}
