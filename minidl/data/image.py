"""Image and mask files to arrays, with errors that name the file."""

from __future__ import annotations

import io
import os
import struct
import zlib
from typing import Any

import numpy as np

from ..kernels.files import is_stream, write
from ..typing import Array, ArrayLike, PathLike

IMAGE_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "LAB")
MASK_MODES = ("1", "L", "P", "I", "I;16", "I;16B")


class BrokenImageError(ValueError):
    """A file that exists but cannot be decoded; `DataLoader(skip_broken=True)` leaves such samples out."""


def _decode(path, convert):
    from PIL import Image

    try:
        with Image.open(path) as picture:
            picture.load()
            return convert(picture)
    except BrokenImageError:
        raise
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, zlib.error) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # missing or unreadable: the system's message names the file
        raise BrokenImageError(f"{os.fspath(path)} cannot be decoded as an image: {error}") from error


def read_image(path: PathLike) -> Array:
    """The picture in a file as uint8 RGB, H x W x 3; alpha is dropped, grey is repeated.

    Raises BrokenImageError, with the path, for a file that cannot be decoded or is not an 8-bit picture. An EXIF
    orientation is not applied: masks are aligned with the pixels as stored.
    """

    def to_rgb(picture):
        if picture.mode not in IMAGE_MODES:
            raise BrokenImageError(f"{os.fspath(path)} has pixel mode {picture.mode}; an 8-bit image is needed")
        if picture.mode == "P" and "transparency" in picture.info:
            picture = picture.convert("RGBA")
        return np.array(picture.convert("RGB"))

    return _decode(path, to_rgb)


def read_mask(path: PathLike) -> Array:
    """The labels in a palette, grey or 1-bit PNG, H x W, as stored (palette indices, never colours): uint8 or wider."""

    def to_labels(picture):
        if picture.mode not in MASK_MODES:
            raise BrokenImageError(
                f"{os.fspath(path)} has pixel mode {picture.mode}; a mask holds labels: mode P (palette) or L (grey)"
            )
        labels = np.array(picture)
        return labels.astype(np.uint8) if picture.mode == "1" else labels

    return _decode(path, to_labels)


def write_mask(path: PathLike, mask: ArrayLike, colors: ArrayLike | None = None) -> None:
    """Write labels 0..255 as a PNG, with `colors` (K x 3 uint8) as its palette where given."""
    from PIL import Image

    mask = np.asarray(mask)
    if mask.ndim != 2 or mask.min(initial=0) < 0 or mask.max(initial=0) > 255:
        raise ValueError(f"write_mask: mask must be H x W with labels 0..255, got {mask.dtype} {mask.shape}")
    picture = Image.fromarray(mask.astype(np.uint8))
    if colors is not None:
        picture.putpalette(np.asarray(colors, dtype=np.uint8).tobytes())
    write_image(path, picture, "PNG")


def picture_format(path: PathLike) -> str:
    """Pillow's name of the format that the file's ending names; PNG for a device or a pipe. ValueError for another ending."""
    from PIL import Image

    suffix = os.path.splitext(path)[1].lower()
    kind = Image.registered_extensions().get(suffix) or ("PNG" if not suffix and is_stream(path) else None)
    if kind not in Image.SAVE:
        raise ValueError(f"{os.fspath(path)}: unknown kind of picture {suffix!r}; .png, .jpg and others are known")
    return kind


def write_image(path: PathLike, picture: Any, kind: str | None = None) -> None:
    """Write a Pillow picture or an array H x W x 3 uint8, in the format `kind`, or else in that which the file's ending names.

    Raises ValueError for an unknown ending, and OSError where the file cannot be written; the old file is then still there.
    """
    from PIL import Image

    picture = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    buffer = io.BytesIO()
    picture.save(buffer, format=kind or picture_format(path))
    write(path, buffer.getvalue())


def voc_palette(K: int) -> Array:
    """K x 3 uint8 colours of PASCAL VOC's colour map: the bits of the label, three at a time, from the top bit down."""
    label = np.arange(K)[:, None] >> np.array([0, 1, 2])  # column c reads bits c, c+3, c+6, ...
    return sum(((label >> 3 * j) & 1) << (7 - j) for j in range(8)).astype(np.uint8)
