"""Mask files: reading stored values or colours, and converting them to labels."""

from __future__ import annotations

import csv
import io
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..backend.reading import read_text
from ..typing import Array, ArrayLike, PathLike
from .picture import PixelModeError, decode, upright, write_image

MASK_MODES = ("1", "L", "P", "I", "I;16", "I;16B", "I;16L", "I;16N")
LOSSY = ("JPEG", "MPO")
IGNORED_NAMES = ("void", "ignore", "ignored", "unlabelled", "unlabeled")


def read_stored(path: PathLike, expand_palette: bool = False, grey_from_rgb: bool = True, white: int = 1) -> Array:
    """The stored content of a mask file: H x W labels of an integer type, or H x W x 3 uint8 of a mask painted in colours.

    The result for a palette PNG are its indices, or with `expand_palette` its colours; for a 1-bit picture 0 and `white`; with
    `grey_from_rgb`, for an RGB picture with equal channels one of them. Raises PixelModeError for JPEG, whose compression
    changes labels, and for a picture in which only the alpha channel varies.
    """

    def to_array(picture):
        if picture.format in LOSSY:
            raise PixelModeError(
                f"{os.fspath(path)} is a JPEG: its compression changes labels at every border; masks are needed as PNG"
            )
        mode, picture = picture.mode, upright(picture)
        if mode == "P" and expand_palette:
            mode, picture = "RGB", picture.convert("RGB")
        if mode in ("RGBA", "LA", "PA"):
            _refuse_alpha(np.array(picture), path)
        if mode in ("RGB", "RGBA", "RGBX"):
            array = np.array(picture)[..., :3]
            grey = grey_from_rgb and (array == array[..., :1]).all()
            return np.ascontiguousarray(array[..., 0]) if grey else array
        if mode in ("LA", "PA"):
            return np.array(picture)[..., 0]
        array = np.array(picture)
        if mode == "F" and np.array_equal(array, np.rint(array)):
            return array.astype(np.int64)
        if mode not in MASK_MODES:
            raise PixelModeError(
                f"{os.fspath(path)} has pixel mode {mode}; a mask holds labels: mode P (palette) or L (grey)"
            )
        return array.astype(np.uint8) * np.uint8(white) if mode == "1" else array

    return decode(path, to_array)


def _refuse_alpha(array, path):
    """PixelModeError where one colour fills the picture and only its transparency varies: the labels are probably there."""
    color, alpha = array[..., :-1], array[..., -1]
    if (alpha != alpha[0, 0]).any() and (color == color[0, 0]).all():
        raise PixelModeError(
            f"{os.fspath(path)} has one colour, and its alpha channel alone differs from pixel to pixel; save that channel as "
            "a grey PNG"
        )


def read_labels(path: PathLike, decoder: MaskValues | ColorTable | None = None) -> Array:
    """The labels in a mask file, H x W: as stored, or converted by `decoder` (MaskValues, ColorTable)."""
    painted = isinstance(decoder, ColorTable)
    black_and_white = isinstance(decoder, MaskValues) and 255 in decoder.values and 1 not in decoder.values
    stored = read_stored(path, painted, white=255 if painted or black_and_white else 1)
    return _one_channel(stored, path) if decoder is None else decoder(stored, path)


def read_mask(path: PathLike) -> Array:
    """The labels in a palette, grey or 1-bit picture, H x W, as stored (palette indices, never colours)."""
    return _one_channel(read_stored(path, grey_from_rgb=False), path)


def _one_channel(stored, path):
    if stored.ndim != 2:
        raise PixelModeError(
            f"{os.fspath(path)} has pixel mode RGB; a mask holds labels: mode P (palette) or L (grey), or --colors names "
            "the colours"
        )
    return stored


@dataclass(frozen=True)
class MaskValues:
    """Converts stored numbers that are not labels: the k-th of `values` becomes label k.

    `ignore_index`, where it is not one of the values, is kept.
    """

    values: tuple
    ignore_index: int = 255

    def __post_init__(self) -> None:
        if len(self.values) < 2 or len(set(self.values)) < len(self.values) or min(self.values) < 0:
            raise ValueError(f"mask values {self.values}; needed two or more different numbers of at least 0")

    def __call__(self, stored: Array, path: PathLike) -> Array:
        if stored.ndim != 2:
            raise PixelModeError(
                f"{os.fspath(path)} is in colour; mask values are numbers of a grey or palette picture"
            )
        remedy = "--mask-values names all values that are labels, --folder-ignore the one that is ignored"
        return _look_up(stored, list(self.values), range(len(self.values)), self.ignore_index, path, remedy)


@dataclass(frozen=True)
class ColorTable:
    """Converts masks painted in colours: a pixel with one of `colors[k]` has label k; `ignored` colours do not count."""

    names: tuple
    colors: tuple  # for each class a tuple of (r, g, b)
    ignored: tuple = ()
    ignore_index: int = 255

    def __call__(self, stored: Array, path: PathLike) -> Array:
        if stored.ndim == 2:
            stored = np.repeat(stored[..., None], 3, axis=2)  # black and white alone: stored as grey
        keys, labels = [], []
        for label, colors in [*enumerate(self.colors), (self.ignore_index, self.ignored)]:
            keys += [_key(color) for color in colors]
            labels += [label] * len(colors)
        flat = stored.astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])
        remedy = "--colors needs a line for each colour; the name void marks pixels that do not count"
        return _look_up(flat, keys, labels, None, path, remedy, lambda key: (key >> 16, key >> 8 & 255, key & 255))

    def first_colors(self) -> Array:
        """The first colour of each class, K x 3 uint8."""
        return np.array([colors[0] for colors in self.colors], np.uint8)


def _key(color):
    return color[0] << 16 | color[1] << 8 | color[2]


def _look_up(stored, keys, labels, kept, path, remedy, shown=int):
    """Labels of stored numbers; `kept` is unchanged; ValueError, naming file and values, for any other number."""
    present, where = np.unique(stored, return_inverse=True)
    label_of = dict(zip(keys, labels))
    if kept is not None:
        label_of.setdefault(kept, kept)
    strange = [shown(int(v)) for v in present if int(v) not in label_of]
    if strange:
        known = ", ".join(str(shown(k)) for k in list(label_of)[:8]) + (", ..." if len(label_of) > 8 else "")
        found = ", ".join(map(str, strange[:8])) + (", ..." if len(strange) > 8 else "")
        raise ValueError(f"{os.fspath(path)} holds {found}; known are {known}: {remedy}")
    table = np.array([label_of[int(v)] for v in present])
    return table.astype(np.min_scalar_type(int(table.max(initial=0))))[where].reshape(stored.shape)


def read_color_table(path: PathLike, ignore_index: int = 255) -> ColorTable:
    """The ColorTable in a CSV file of lines name, r, g, b, or in JSON: {name: [r, g, b]}.

    A class may have several colours: a line each, or in JSON a list of triples. The names void, ignore and unlabelled
    mark pixels that do not count.
    """
    path = Path(path)
    text = read_text(path)
    rows = _json_rows(text, path) if path.suffix.lower() == ".json" else _csv_rows(text, path)
    colors, ignored, seen = {}, [], {}
    for name, color in rows:
        if len(color) != 3 or not all(isinstance(c, int) and 0 <= c <= 255 for c in color):
            raise ValueError(f"{path}: colour of {name!r} is {color}; needed r, g, b of 0 to 255")
        color = tuple(color)
        if color in seen and seen[color] != name:
            raise ValueError(f"{path}: {name!r} and {seen[color]!r} have the same colour {color}")
        seen[color] = name
        (ignored if name.lower() in IGNORED_NAMES else colors.setdefault(name, [])).append(color)
    if len(colors) < 2:
        raise ValueError(f"{path} names {len(colors)} classes; needed at least two lines name,r,g,b")
    return ColorTable(tuple(colors), tuple(map(tuple, colors.values())), tuple(ignored), ignore_index)


def _csv_rows(text, path):
    first = text.lstrip().partition("\n")[0]
    delimiter = "," if "," in first else next((mark for mark in ";\t" if mark in first), ",")
    for number, row in enumerate(csv.reader(io.StringIO(text), delimiter=delimiter), 1):
        cells = [cell.strip() for cell in row]
        if not any(cells) or cells[0].startswith("#"):
            continue
        try:
            name, *color = cells
            color = [int(c) for c in color]
            if not color:
                raise ValueError("no colour")
        except ValueError as error:
            if number == 1:  # column names
                continue
            raise ValueError(f"{path}, line {number}: {delimiter.join(row)!r}; needed name,r,g,b") from error
        yield name, color


def _json_rows(text, path):
    try:
        whole = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(whole, dict):
        raise ValueError(f'{path} holds {type(whole).__name__}; needed {{"name": [r, g, b], ...}}')
    for name, color in whole.items():
        several = isinstance(color, list) and color and isinstance(color[0], list)
        for one in color if several else [color]:
            yield name, one if isinstance(one, list) else [one]


def write_mask(path: PathLike, mask: ArrayLike, colors: ArrayLike | None = None, bits: int = 8) -> None:
    """Write labels as a PNG: 8-bit, with the palette `colors` (K x 3 uint8) if given, or with bits=16 as 16-bit grey."""
    from PIL import Image

    mask, most = np.asarray(mask), 2**bits - 1
    if bits not in (8, 16) or mask.ndim != 2 or mask.min(initial=0) < 0 or mask.max(initial=0) > most:
        raise ValueError(
            f"write_mask: mask must be H x W with labels 0..{most} of 8 or 16 bits, got {mask.dtype} {mask.shape}, up to "
            f"{mask.max(initial=0)}"
        )
    picture = Image.fromarray(mask.astype(np.uint8 if bits == 8 else np.uint16))
    if colors is not None and bits == 8:
        picture.putpalette(np.asarray(colors, dtype=np.uint8)[:256].tobytes())
    write_image(path, picture, "PNG")


def voc_palette(K: int) -> Array:
    """K x 3 uint8 colours of PASCAL VOC's colour map: the bits of the label, three at a time, from the top bit down."""
    label = np.arange(K)[:, None] >> np.array([0, 1, 2])  # column c reads bits c, c+3, c+6, ...
    return sum(((label >> 3 * j) & 1) << (7 - j) for j in range(8)).astype(np.uint8)
