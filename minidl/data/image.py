"""Image files to arrays, with errors that name the file."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from ..typing import Array, PathLike
from .mask import read_mask, voc_palette, write_mask
from .picture import (
    BrokenImageError,
    PixelModeError,
    UnsafeImageError,
    decode,
    has_high_depth,
    picture_format,
    refuse_bomb,
    upright,
    write_image,
)

__all__ = ["BrokenImageError", "ImageFormat", "PixelModeError", "picture_format", "read_image", "read_mask"]
__all__ += ["read_pixels", "to_rgb", "voc_palette", "write_image", "write_mask"]

EIGHT_BIT = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "LAB")
COLOUR = ("P", "PA", "RGBX", "CMYK", "YCbCr", "HSV", "LAB")  # converted to RGB
HIGH_DEPTH = ("I;16", "I;16B", "I;16L", "I;16N", "I", "F")


@dataclass(frozen=True)
class ImageFormat:
    """How the images of a data set are read; see `read_image`."""

    channels: int = 3
    high_depth: bool = False
    exif: bool = True

    def read(self, path: PathLike) -> Array:
        """The picture in a file, H x W x channels."""
        return read_image(path, self.channels, high_depth=self.high_depth, exif=self.exif)


def read_image(
    path: PathLike, channels: int = 3, *, high_depth: bool = False, exif: bool = True, page: int = 0
) -> Array:
    """The picture in a file, H x W x channels: uint8, or with `high_depth` the stored values as float64.

    channels: 3 (grey is repeated, alpha dropped), 1 (colour becomes luminance), or the number of bands of a
        multispectral TIFF.
    high_depth: accept 16-bit and floating-point pictures; their values are not scaled.
    exif: rotate the picture upright by its EXIF orientation.
    page: index of the picture in a file of several pages.

    Raises BrokenImageError for a file that cannot be decoded, and its subclass PixelModeError for a picture of more than
    8 bits without `high_depth` or of another number of channels.
    """
    image = read_pixels(path, exif, page)
    if image.dtype != np.uint8 and not high_depth:
        mode = "I;16" if image.dtype == np.uint16 else image.dtype
        raise PixelModeError(f"{os.fspath(path)} has pixel mode {mode}; an 8-bit image is needed")
    image = _with_channels(image, channels, path)
    return image.astype(np.float64) if high_depth else image


def read_pixels(path: PathLike, exif: bool = True, page: int = 0) -> Array:
    """The picture as it is stored, H x W x C: uint8, uint16 or float32; palettes and other colour spaces become RGB."""

    def to_array(picture):
        if page:
            picture.seek(page)
        if has_high_depth(picture):
            return None  # Pillow would truncate 16-bit colour to 8 bits
        if picture.mode not in EIGHT_BIT + HIGH_DEPTH:
            raise PixelModeError(f"{os.fspath(path)} has pixel mode {picture.mode}, which is not supported")
        if picture.mode == "P" and "transparency" in picture.info:
            picture = picture.convert("RGBA")
        if picture.mode == "1":
            picture = picture.convert("L")
        picture = upright(picture) if exif else picture
        if picture.mode in COLOUR:
            picture = picture.convert("RGB")
        array = np.array(picture)
        if picture.mode in ("I", "F"):
            array = array.astype(np.float32)
        elif picture.mode.startswith("I;16"):
            array = array.astype(np.uint16)
        return array[..., None] if array.ndim == 2 else array

    try:
        image = decode(path, to_array)
    except BrokenImageError as error:
        if isinstance(error, (PixelModeError, UnsafeImageError)) or not os.fspath(path).lower().endswith(
            (".tif", ".tiff")
        ):
            raise
        return _read_tiff(path, error)  # Pillow reads no TIFF of 2 or more than 4 bands
    return _read_tiff(path, None) if image is None else image


def _read_tiff(path, reason):
    """A TIFF of many bands, or of more than 8 bits and several bands, through tifffile."""
    try:
        import tifffile
    except ImportError as error:
        raise PixelModeError(
            f"{os.fspath(path)} is a TIFF of several bands or of 16-bit colour; reading it needs tifffile: "
            "pip install tifffile"
        ) from error
    try:
        with tifffile.TiffFile(path) as file:
            series = file.series[0]
            refuse_bomb(sorted(series.shape)[-2:], os.fspath(path))  # bands are fewer than rows and columns
            array, axes = series.asarray(), series.axes
    except UnsafeImageError:
        raise
    except Exception as error:  # damaged files raise errors of many types
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise BrokenImageError(f"{os.fspath(path)} cannot be decoded as an image: {reason or error}") from error
    if array.ndim == 2:
        array = array[..., None]
    elif array.ndim != 3:
        raise PixelModeError(f"{os.fspath(path)} holds an array {array.shape} (axes {axes}); needed H x W x bands")
    elif axes[0] in "SCIQ" and axes[-1] in "XY":
        array = array.transpose(1, 2, 0)
    if array.dtype.kind not in "uif" or not np.isfinite(array).all():
        raise PixelModeError(f"{os.fspath(path)} holds {array.dtype} or values that are not finite; needed numbers")
    return array if array.dtype in (np.uint8, np.uint16) else array.astype(np.float32)


def _with_channels(image, channels, path):
    """H x W x `channels`, by repeating grey, dropping alpha, or luminance."""
    have = image.shape[2]
    if have == channels:
        return image
    if have in (2, 4) and channels in (1, 3):  # grey with alpha, RGBA
        image = image[..., : have - 1]
        have -= 1
    if have == channels:
        return np.ascontiguousarray(image)
    if have == 1 and channels == 3:
        return np.repeat(image, 3, axis=2)
    if have == 3 and channels == 1:
        grey = (image @ np.array([0.299, 0.587, 0.114], np.float32))[..., None]
        return (grey + 0.5).astype(np.uint8) if image.dtype == np.uint8 else grey
    raise PixelModeError(f"{os.fspath(path)} has {have} channels; needed {channels}")


def to_rgb(image: Array) -> Array:
    """Any image H x W x C as uint8 RGB for display: one band as grey, the first three of more than three.

    Values other than uint8 are scaled so that their 2nd percentile is black and their 98th white.
    """
    image = np.asarray(image)
    image = image[..., :3] if image.shape[2] >= 3 else np.repeat(image[..., :1], 3, axis=2)
    if image.dtype == np.uint8:
        return np.ascontiguousarray(image)
    low, high = np.percentile(image, (2, 98))
    return (np.clip((image - low) / max(high - low, 1e-12), 0, 1) * 255 + 0.5).astype(np.uint8)
