"""The layout "folder": a folder of images and a folder of masks, in any of the usual arrangements."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...backend.reading import read_text
from ..folder import SegmentationPairs, listed, whole
from ..pairing import IMAGE_SUFFIXES, Pairing, find_pairs
from .options import LayoutOptions
from .subset import divided

IMAGE_NAMES = ("image", "imgs", "img", "jpegimages", "photos", "pictures", "x", "input", "inputs", "originals")
MASK_NAMES = (
    "mask",
    "labels",
    "label",
    "annotations",
    "annotation",
    "segmentationclass",
    "gt",
    "y",
    "target",
    "targets",
)
PARTS = {"train": ("train", "training"), "val": ("val", "valid", "validation"), "test": ("test", "testing")}


def folder(root: Path, part: str | None, options: LayoutOptions) -> Any:
    """root/images and root/masks; or the same in root/train and root/val; or images/train, images/val; or list files."""
    own = _part_folder(root, part)
    found, images, _ = pairing(own or root, options)
    parts = _parts_inside(found, images)
    if options.lists is not None and part is not None:
        pairs = _listed(found, images, Path(options.lists) / f"{part}.txt")
    elif own is None and parts and part is not None:
        pairs = parts.get(part, [])
        if not pairs:
            raise FileNotFoundError(f"{images} has no pictures in a folder {' or '.join(PARTS[part])}")
    else:
        pairs = found.pairs
    dataset = _dataset(pairs, options)
    undivided = own is None and not parts and options.lists is None
    return divided(dataset, options.split, part, root) if undivided else dataset


def pairing(root: Path, options: LayoutOptions) -> tuple[Pairing, Path, Path]:
    """(Pairing, folder of images, folder of masks) of one root; errors name the option that helps."""
    images, masks = _inside(root, options.images), _inside(root, options.masks)
    wanted = ((images, "--images", IMAGE_NAMES), (masks, "--masks", MASK_NAMES))
    absent = [(path, option, names) for path, option, names in wanted if not path.is_dir()]
    if absent:
        paths = " and ".join(str(path) for path, _, _ in absent)
        verb = "are no folders" if len(absent) == 2 else "is not a folder"
        options_of = [(option, names) for _, option, names in absent]
        raise FileNotFoundError(f"{paths} {verb}{_suggestion(root, options_of)}")
    found = find_pairs(images, masks, options.image_suffix, options.mask_suffix)
    if found.images_alone and found.masks_alone and not found.pairs:
        hint = _suffix_hint(found) or "; names may differ by --image-suffix and --mask-suffix alone"
        raise FileNotFoundError(
            f"in {images} and {masks}: no image has a mask of the same name, such as {found.images_alone[0].name} and "
            f"{found.masks_alone[0].name}{hint}"
        )
    if not options.unpaired or not found.pairs:
        try:
            whole(found, images, masks)
        except FileNotFoundError as error:
            text = str(error).removeprefix("SegmentationFolder: ")
            more = "; --allow-unpaired leaves them out" if found.pairs else ""
            raise FileNotFoundError(text + more) from error
    return found, images, masks


def _inside(root: Path, name: str) -> Path:
    return Path(os.path.expanduser(name)) if os.path.isabs(os.path.expanduser(name)) else root / name


def _suggestion(root: Path, absent: Sequence[tuple[str, tuple[str, ...]]]) -> str:
    """A hint for options that name a missing folder: a likely folder among the existing ones."""
    if not root.is_dir():
        return ""
    there = sorted(p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith((".", "__MACOSX")))
    if there:
        words = []
        for option, names in absent:
            known = [name for name in there if name.lower() in (*names, option[2:])]
            words.append(f"{option} {known[0]}" if known else f"{option} NAME")
        beside = (
            f", or --masks {there[0]} --mask-suffix TEXT where masks lie beside the images" if len(there) == 1 else ""
        )
        return f"; {root} has {listed(there)}: {' '.join(words)}{beside}"
    loose = any(p.suffix.lower() in IMAGE_SUFFIXES for p in root.iterdir())
    return f"; {root} holds pictures but no folders: --images . --masks . --mask-suffix _mask" if loose else ""


def _suffix_hint(found: Pairing) -> str:
    """A hint with the mask suffix that would pair the two, if there is one."""
    mask, images = found.masks_alone[0].stem, {path.stem for path in found.images_alone}
    for cut in range(len(mask) - 1, 0, -1):
        suffix = mask[cut:]
        fitting = [
            path for path in found.masks_alone if path.stem.endswith(suffix) and path.stem[: -len(suffix)] in images
        ]
        if 2 * len(fitting) > len(found.masks_alone):
            return f"; --mask-suffix {suffix}"
    return ""


def _part_folder(root: Path, part: str | None) -> Path | None:
    """root/train, root/val, ..., where these folders contain the folders of images and masks."""
    if part is None or not any((root / name).is_dir() for name in PARTS["train"]):
        return None
    for name in PARTS[part]:
        if (root / name).is_dir():
            return root / name
    raise FileNotFoundError(f"{root} has no folder {' or '.join(PARTS[part])}, but one for training")


def _parts_inside(found: Pairing, images: Path) -> dict[str, list]:
    """{part: pairs} where every image lies in images/train, images/val or images/test, and the first two are there."""
    part_of = {name: part for part, names in PARTS.items() for name in names}
    parts: dict[str, list] = {}
    for pair in found.pairs:
        part = part_of.get(pair[0].relative_to(images).parts[0].lower())
        if part is None:
            return {}
        parts.setdefault(part, []).append(pair)
    return parts if {"train", "val"} <= parts.keys() else {}


def _listed(found: Pairing, images: Path, list_file: Path) -> list:
    """The pairs that a list file names, by path inside the folder of images or by name, with or without file extension."""
    if not list_file.is_file():
        raise FileNotFoundError(f"{list_file} is missing; --lists needs a folder of train.txt and val.txt")
    known = {}
    for pair in found.pairs:
        inside = unicodedata.normalize("NFC", pair[0].relative_to(images).as_posix())
        for key in (inside, inside.rpartition(".")[0], pair[0].name, pair[0].stem):
            known.setdefault(key, pair)
    text = unicodedata.normalize("NFC", read_text(list_file))
    names = [line.strip() for line in text.splitlines() if line.strip() and line[0] != "#"]
    missing = [name for name in names if name not in known and name.split()[0] not in known]
    if not names:
        raise ValueError(f"{list_file} lists no image")
    if missing:
        raise FileNotFoundError(f"{list_file} lists {len(names)} images; not found: {listed(missing)}")
    return [known[name] if name in known else known[name.split()[0]] for name in names]


def _dataset(pairs: list, options: LayoutOptions) -> SegmentationPairs:
    decoder, classes, colors = options.decoder, options.classes, None
    if hasattr(decoder, "names"):
        if classes not in (None, len(decoder.names)) and (isinstance(classes, int) or tuple(classes) != decoder.names):
            raise ValueError(f"--folder-classes {classes}: the table of --colors names {', '.join(decoder.names)}")
        classes, colors = decoder.names, decoder.first_colors()
    elif classes is None and decoder is not None:
        classes = len(decoder.values)
    if classes is None:
        raise ValueError("--data folder needs --folder-classes: the names of the labels 0, 1, ..., or their number")
    return SegmentationPairs(
        pairs, classes, options.ignore_index, colors, decoder=decoder, image_format=options.image_format
    )
