"""Picture files: decoding with errors that name the file, EXIF orientation, writing."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable
from typing import Any

from ..backend.reading import read_bytes
from ..kernels.files import is_stream, write
from ..typing import PathLike

FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF", "PPM")  # the only decoders used for untrusted files
ORIENTATION = 0x0112  # the EXIF tag; 1 is upright, 2 to 8 are the other rotations and reflections
BITS_PER_SAMPLE, SAMPLES_PER_PIXEL = 258, 277  # TIFF tags


class BrokenImageError(ValueError):
    """A file that exists but cannot be decoded; `DataLoader(skip_broken=True)` skips such samples."""


class PixelModeError(BrokenImageError):
    """A picture that can be decoded but has the wrong kind of pixels; it is never skipped silently."""


class UnsafeImageError(BrokenImageError):
    """A file that is not decoded: a pipe or a device, or a picture of too many pixels."""


def decode(path: PathLike, convert: Callable[[Any], Any]) -> Any:
    """`convert(picture)` of the loaded Pillow picture in a file; BrokenImageError, with the path, where it is not one.

    Only the decoders of FORMATS are used: others start programs (EPS), or read files that are not pictures. The limit on
    pixels is that of Pillow's error, twice Image.MAX_IMAGE_PIXELS, for every format.
    """
    from PIL import Image

    name = os.fspath(path)
    try:
        content = read_bytes(path)
    except ValueError as error:
        raise UnsafeImageError(str(error)) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # large, but below the limit of the error
            with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
                refuse_bomb(picture.size, name)
                if picture.format == "PNG":
                    picture.verify()  # the checksum of every block, which decoding does not verify
            with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
                picture.load()
                return convert(picture)
    except BrokenImageError:
        raise
    except Image.DecompressionBombError as error:
        raise UnsafeImageError(f"{name} is too large to decode safely: {error}") from error
    except Image.UnidentifiedImageError as error:
        raise BrokenImageError(f"{name} cannot be decoded as an image: it is none of {', '.join(FORMATS)}") from error
    except Exception as error:  # decoders raise errors of many kinds
        if isinstance(error, OSError) and error.errno is not None:
            raise  # a missing or unreadable file: the system's message names it
        raise BrokenImageError(f"{name} cannot be decoded as an image: {error or type(error).__name__}") from error


def refuse_bomb(size: tuple[int, int], name: str) -> None:
    """UnsafeImageError for a picture of more pixels than Pillow opens: twice Image.MAX_IMAGE_PIXELS, 179 million."""
    from PIL import Image

    if Image.MAX_IMAGE_PIXELS is not None and size[0] * size[1] > 2 * Image.MAX_IMAGE_PIXELS:
        raise UnsafeImageError(f"{name} is too large to decode safely: it has {size[0]} x {size[1]} pixels")


def orientation(picture: Any) -> int:
    """The EXIF orientation of a Pillow picture, 1 (upright) where it has none."""
    value = picture.getexif().get(ORIENTATION, 1)
    return value if value in range(1, 9) else 1


def upright(picture: Any) -> Any:
    """The picture rotated upright by its EXIF orientation."""
    from PIL import ImageOps

    return ImageOps.exif_transpose(picture) if orientation(picture) != 1 else picture


def has_high_depth(picture: Any) -> bool:
    """Whether this is a TIFF of several bands with more than 8 bits each, or of more bands than Pillow reads."""
    tags = getattr(picture, "tag_v2", None)
    if tags is None:
        return False
    bits, samples = tags.get(BITS_PER_SAMPLE, (8,)), tags.get(SAMPLES_PER_PIXEL, 1)
    bits = bits if isinstance(bits, tuple) else (bits,)
    return samples > 1 and (max(bits) > 8 or samples > len(picture.getbands()))


def picture_format(path: PathLike) -> str:
    """Pillow's name of the format of the file's extension; PNG for a device or a pipe. ValueError for another extension."""
    from PIL import Image

    suffix = os.path.splitext(path)[1].lower()
    kind = Image.registered_extensions().get(suffix) or ("PNG" if not suffix and is_stream(path) else None)
    if kind not in Image.SAVE:
        raise ValueError(f"{os.fspath(path)}: unknown kind of picture {suffix!r}; .png, .jpg and others are known")
    return kind


def write_image(path: PathLike, picture: Any, kind: str | None = None) -> None:
    """Write a Pillow picture or an array H x W x 3 uint8, in the format `kind`, by default that of the file's extension.

    Raises ValueError for an unknown extension, and OSError where the file cannot be written, which keeps an existing file.
    """
    from PIL import Image

    picture = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    buffer = io.BytesIO()
    picture.save(buffer, format=kind or picture_format(path))
    write(path, buffer.getvalue())
