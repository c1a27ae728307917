"""Windows of images of any size: tiled TIFF, BigTIFF and OME-TIFF, zarr, NumPy files, and what rasterio and OpenSlide read.

slide = open_slide("slide.tif", level=0)
slide.shape                       # (H, W, channels)
slide.read(y, x, h, w)            # h x w x channels, from the file: no more than the tiles that the window touches
"""

from __future__ import annotations

import math
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
GEO_TAGS = (33550, 33922, 34264, 34735, 34736, 34737)  # pixel scale, tie points, transformation, keys and their values


@dataclass
class Slide:
    """An image of which windows are read. `array` is indexed [y, x, channel] after `order` has put its axes so.

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
    """An array whose windows OpenSlide or rasterio reads."""

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
    """Whether the ending of the file's name is one that `open_slide` knows."""
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
    """Where rows, columns and channels are among named axes; others must not be there."""
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
    resolution = None
    if level == 0 and "XResolution" in tags and "YResolution" in tags:
        unit = int(tags["ResolutionUnit"].value) if "ResolutionUnit" in tags else 2
        resolution = tags["XResolution"].value, tags["YResolution"].value, unit
    geo = [(code, int(tags[code].dtype), tags[code].count, tags[code].value) for code in GEO_TAGS if code in tags]
    slide = Slide(array, _order(keep, path), resolution, geo if level == 0 else [])
    weakref.finalize(slide, file.close)
    return slide


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
    """Of an array without named axes: H x W, H x W x C, or C x H x W; channels are the smaller end."""
    if len(shape) == 2:
        return 0, 1, None
    if len(shape) != 3:
        raise ValueError(f"{path} holds an array of shape {tuple(shape)}; needed H x W, H x W x C or C x H x W")
    return (0, 1, 2) if shape[2] <= shape[0] else (1, 2, 0)


def _rasterio(path, level):
    import rasterio
    from rasterio.windows import Window

    file = rasterio.open(path, **({"overview_level": level - 1} if level else {}))

    def read(y, x, h, w):
        return file.read(window=Window(x, y, w, h)).transpose(1, 2, 0)

    return Slide(_Region((file.height, file.width, file.count), read), (0, 1, 2))


def _openslide(path, level):
    import openslide

    file = openslide.OpenSlide(str(path))
    width, height = file.level_dimensions[level]
    scale = file.level_downsamples[level]

    def read(y, x, h, w):
        region = file.read_region((round(x * scale), round(y * scale)), level, (w, h))
        return np.asarray(region)[..., :3]

    return Slide(_Region((height, width, 3), read), (0, 1, 2))
