"""Reads windows of images of any size: tiled TIFF, BigTIFF and OME-TIFF, zarr, NumPy files, formats of rasterio and OpenSlide.

slide = open_slide("slide.tif", level=0)
slide.shape                       # (H, W, channels)
slide.read(y, x, h, w)            # h x w x channels, reads only the tiles that the window overlaps
"""

from __future__ import annotations

import io
import math
import warnings
import weakref
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...typing import Array, PathLike

TIFF = (".tif", ".tiff", ".btf")
RASTERIO = (".jp2", ".vrt", ".img")
OPENSLIDE = (".svs", ".ndpi", ".mrxs", ".scn", ".bif", ".vms")
SUFFIXES = (*TIFF, *RASTERIO, *OPENSLIDE, ".zarr", ".npy")
LARGEST_CHUNK = 1 << 28  # bytes of one tile or strip of a TIFF
PIXEL_SCALE = 33550
GEO_TAGS = (
    PIXEL_SCALE,
    33922,
    34264,
    34735,
    34736,
    34737,
)  # pixel scale, tie points, transformation, keys and their values


@dataclass
class Slide:
    """An image that is read by windows. `order` gives the axes of `array` for [y, x, channel].

    resolution: (x, y, unit) as in TIFF, or None; tags: the georeference as raw TIFF tags (code, type, count, value).
    """

    array: Any
    order: tuple[Any, ...]  # the axes of rows, of columns, and of channels or None
    resolution: tuple[Any, Any, int] | None = None
    tags: list[tuple[int, int, int, Any]] = field(default_factory=list)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, channels)."""
        return tuple(1 if k is None else int(self.array.shape[k]) for k in self.order)  # type: ignore[return-value]

    def read(self, y: int, x: int, h: int, w: int) -> Array:
        """The window of h x w pixels at row y and column x, which lies inside the image: h x w x channels."""
        H, W, _ = self.shape
        if min(y, x) < 0 or min(h, w) < 1 or y + h > H or x + w > W:
            raise ValueError(
                f"Slide.read: rows {y} to {y + h}, columns {x} to {x + w}; needed a window inside {H} x {W}"
            )
        spans = {self.order[0]: slice(y, y + h), self.order[1]: slice(x, x + w)}
        if isinstance(self.array, _Region):
            return self.array.read(y, x, h, w)
        window = np.asarray(self.array[tuple(spans.get(k, slice(None)) for k in range(self.array.ndim))])
        window = window.astype(window.dtype.newbyteorder("="), copy=False)
        if self.order[2] is None:
            window = window[..., None] if self.order[:2] == (0, 1) else window.transpose(*self.order[:2])[..., None]
            return window
        return window.transpose(self.order)


class _Region:
    """An array-like object whose windows OpenSlide or rasterio reads."""

    ndim = 3

    def __init__(self, shape, read):
        self.shape, self.read = shape, read


class _Mapped:
    """An array that lies in one piece in a file. It is mapped anew for each window: pages once read would count as ours."""

    def __init__(self, path, dtype, shape, offset):
        self.path, self.dtype, self.shape, self.offset, self.ndim = path, dtype, shape, offset, len(shape)

    def __getitem__(self, window):
        return np.array(np.memmap(self.path, self.dtype, "r", self.offset, self.shape)[window])


def is_slide(path: PathLike) -> bool:
    """Whether `open_slide` supports the file's extension."""
    return Path(path).suffix.lower() in SUFFIXES


def open_slide(path: PathLike, level: int = 0) -> Slide:
    """The image in a file or a zarr folder; `level` 0 is the finest of a pyramid. ValueError, naming the file, for no image."""
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: No such file or folder")
    suffix = path.suffix.lower()
    reader = {".zarr": _zarr, ".npy": _npy} | dict.fromkeys(TIFF, _tiff) | dict.fromkeys(RASTERIO, _rasterio)
    reader |= dict.fromkeys(OPENSLIDE, _openslide)
    if suffix not in reader:
        raise ValueError(f"{path}: windows are read from {', '.join(SUFFIXES)}")
    try:
        return reader[suffix](path, level)
    except ImportError as error:
        extra = {_rasterio: "rasterio", _openslide: "openslide-python openslide-bin"}.get(
            reader[suffix], '"minidl[large]"'
        )
        raise ValueError(f"{path} needs a package that is not installed ({error.name}): pip install {extra}") from error
    except (KeyError, IndexError, TypeError) as error:
        raise ValueError(f"{path} holds no image of level {level}: {error}") from error


def _order(axes, path):
    """The positions of rows, columns and channels among named axes; ValueError for other axes."""
    names = axes.upper().replace("S", "C")
    if "Y" not in names or "X" not in names or set(names) - set("YXC") or names.count("C") > 1:
        raise ValueError(f"{path} has the axes {axes}; needed rows Y, columns X and at most one axis of channels")
    return names.index("Y"), names.index("X"), names.index("C") if "C" in names else None


def _tiff(path, level):
    import tifffile
    import zarr

    try:
        file = tifffile.TiffFile(path)
        levels = file.series[0].levels
    except tifffile.TiffFileError as error:
        raise ValueError(f"{path} is no TIFF: {error}") from error
    if not 0 <= level < len(levels):
        file.close()
        raise ValueError(f"{path} has levels 0 to {len(levels) - 1}, not {level}")
    axes = [(n, name) for n, name in zip(levels[level].shape, levels[level].axes)]
    chosen = levels[level]
    if chosen.dataoffset is not None and chosen.keyframe.is_memmappable:
        array = _Mapped(path, file.byteorder + chosen.dtype.char, chosen.shape, chosen.dataoffset)
    else:
        array = zarr.open(chosen.aszarr(), mode="r")
        if (chunk := math.prod(array.chunks) * array.dtype.itemsize) > LARGEST_CHUNK:
            raise ValueError(
                f"{path} is compressed in pieces of {chunk / 2**20:.0f} MB, which must be read whole; needed a tiled TIFF"
            )
    keep = "".join(name for n, name in axes if n > 1 or name in "YXSC")
    if len(keep) != len(axes):
        raise ValueError(f"{path} has the axes {levels[level].axes} of {levels[level].shape}; needed one image")
    page = file.pages[0]
    tags = page.tags
    slide, whole = Slide(array, _order(keep, path)), dict(zip(levels[0].axes, levels[0].shape))
    fy, fx = whole["Y"] / slide.shape[0], whole["X"] / slide.shape[1]  # how much coarser the level is
    if "XResolution" in tags and "YResolution" in tags:
        unit = int(tags["ResolutionUnit"].value) if "ResolutionUnit" in tags else 2
        x, y = tags["XResolution"].value, tags["YResolution"].value
        slide.resolution = (x, y, unit) if level == 0 else (x[0] / x[1] / fx, y[0] / y[1] / fy, unit)
    slide.tags = _georeference(tags)
    if level:
        scaled = [(c, t, n, (v[0] * fx, v[1] * fy, *v[2:])) for c, t, n, v in slide.tags if c == PIXEL_SCALE]
        slide.tags = scaled + [tag for tag in slide.tags if tag[0] != PIXEL_SCALE] if scaled else []
    weakref.finalize(slide, file.close)
    return slide


def _georeference(tags):
    return [(code, int(tags[code].dtype), tags[code].count, tags[code].value) for code in GEO_TAGS if code in tags]


def _zarr(path, level):
    import zarr

    node = zarr.open(path, mode="r")
    if hasattr(node, "ndim") and level:
        raise ValueError(f"{path} has level 0 alone, not {level}")
    array = node if hasattr(node, "ndim") else node[str(level)]  # OME-zarr: a group whose levels are "0", "1", ...
    return Slide(array, _guess(array.shape, path))


def _npy(path, level):
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if level:
        raise ValueError(f"{path} has level 0 alone, not {level}")
    if array.flags.c_contiguous:
        array = _Mapped(path, array.dtype, array.shape, array.offset)
    return Slide(array, _guess(array.shape, path))


def _guess(shape, path):
    """The order of an array without named axes: H x W, H x W x C, or C x H x W; the smaller of both ends is the channels."""
    if len(shape) == 2:
        return 0, 1, None
    if len(shape) != 3:
        raise ValueError(f"{path} holds an array of shape {tuple(shape)}; needed H x W, H x W x C or C x H x W")
    return (0, 1, 2) if shape[2] <= shape[0] else (1, 2, 0)


def _rasterio(path, level):
    import rasterio
    from rasterio.windows import Window

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        file = rasterio.open(path, **({"overview_level": level - 1} if level else {}))

    def read(y, x, h, w):
        return file.read(window=Window(x, y, w, h)).transpose(1, 2, 0)

    tags = _tags_of(file.crs, file.transform) if file.crs is not None and level == 0 else []
    return Slide(_Region((file.height, file.width, file.count), read), (0, 1, 2), tags=tags)


def _tags_of(crs, transform):
    """A georeference as TIFF tags: rasterio writes them into a file of one pixel in memory."""
    import tifffile
    from rasterio.io import MemoryFile

    with MemoryFile() as memory:
        options = {"driver": "GTiff", "height": 1, "width": 1, "count": 1, "dtype": "uint8"}
        memory.open(**options, crs=crs, transform=transform).close()
        with tifffile.TiffFile(io.BytesIO(memory.read())) as file:
            return _georeference(file.pages[0].tags)


def _openslide(path, level):
    import openslide

    file = openslide.OpenSlide(str(path))
    width, height = file.level_dimensions[level]
    scale = file.level_downsamples[level]

    def read(y, x, h, w):
        region = file.read_region((round(x * scale), round(y * scale)), level, (w, h))
        return np.asarray(region)[..., :3]

    return Slide(_Region((height, width, 3), read), (0, 1, 2))
