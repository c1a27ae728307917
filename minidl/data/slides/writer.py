"""Writes masks tile by tile: finished tiles are stored in a folder next to the output, and combined when all are finished.

After a killed run the next one continues with the missing tiles. Several ranks write to
one folder. The tiles are combined in order, so that the file does not depend on the ranks, byte for byte.
"""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ...kernels.files import sync_folder, write
from ...typing import Array
from .readers import Slide

JOB = "job.json"


class TileFolder:
    """The finished tiles of an output of `size` (H, W), cut into squares of `tile` pixels, in the folder OUT.parts.

    job: everything that the tiles depend on. Raises FileExistsError for a folder of another job.
    """

    def __init__(self, output: Path, size: tuple[int, int], tile: int, job: dict[str, Any]) -> None:
        self.folder, self.size, self.tile = output.with_name(output.name + ".parts"), size, tile
        self.rows, self.columns = (-(-n // tile) for n in size)
        self.job = job | {"size": list(size), "tile": tile}

    def begin(self) -> None:
        """Create the folder, or continue with the existing one."""
        self.folder.mkdir(exist_ok=True)
        path = self.folder / JOB
        if path.exists() and json.loads(path.read_text(encoding="utf-8")) != self.job:
            raise FileExistsError(
                f"{self.folder} holds tiles of a prediction with other settings; finish that one, or delete the folder"
            )
        write(path, json.dumps(self.job))

    def box(self, i: int, j: int) -> tuple[int, int, int, int]:
        """(y, x, h, w) of tile (i, j); those at the end are smaller."""
        y, x = i * self.tile, j * self.tile
        return y, x, min(self.tile, self.size[0] - y), min(self.tile, self.size[1] - x)

    def path(self, i: int, j: int) -> Path:
        """The file of a tile."""
        return self.folder / f"{i}_{j}.npz"

    def missing(self) -> list[tuple[int, int]]:
        """The missing tiles, row by row."""
        there = {entry.name for entry in os.scandir(self.folder)}
        tiles = ((i, j) for i in range(self.rows) for j in range(self.columns))
        return [(i, j) for i, j in tiles if f"{i}_{j}.npz" not in there]

    def put(self, i: int, j: int, **arrays: Array) -> None:
        """Store a finished tile atomically."""
        content = io.BytesIO()
        np.savez_compressed(content, allow_pickle=False, **arrays)
        write(self.path(i, j), content.getvalue())

    def padded(self, name: str) -> Iterator[Array]:
        """The arrays `name` of all tiles in order, those at the edges padded with zeros to whole squares."""
        for i in range(self.rows):
            for j in range(self.columns):
                with np.load(self.path(i, j), allow_pickle=False) as file:
                    array = file[name]
                missing = [(0, 0)] * (array.ndim - 2) + [(0, self.tile - n) for n in array.shape[-2:]]
                yield np.pad(array, missing)

    def remove(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder)


def write_labels(path: Path, tiles: TileFolder, slide: Slide, colors: Array) -> None:
    """The array "labels" of all tiles as a tiled, deflated BigTIFF with a colour table, or as zarr.

    Resolution and georeference are those of `slide`.
    """
    dtype = np.uint8 if len(colors) <= 256 else np.uint16
    if path.suffix.lower() == ".zarr":
        return _write_zarr(path, tiles, "labels", (), dtype, {"colors": colors.tolist()})
    options: dict[str, Any] = {"photometric": "minisblack"}
    if dtype == np.uint8:
        table = np.zeros((256, 3), np.uint16)
        table[: len(colors)] = colors.astype(np.uint16) * 257
        options = {"photometric": "palette", "colormap": table.T}
    _write_tiff(path, tiles.padded("labels"), tiles, (), slide, options | {"dtype": dtype, "predictor": False})


def write_probabilities(path: Path, tiles: TileFolder, slide: Slide, classes: int) -> None:
    """The array "prob" of all tiles: float32, a plane for each class, as a tiled, deflated BigTIFF, or as zarr."""
    if path.suffix.lower() == ".zarr":
        return _write_zarr(path, tiles, "prob", (classes,), np.float32, {})
    count = tiles.rows * tiles.columns

    def planes():
        for k in range(classes):
            for number, tile in enumerate(tiles.padded("prob")):
                assert number < count
                yield tile[k]

    options = {"photometric": "minisblack", "planarconfig": "separate", "dtype": np.float32, "predictor": False}
    _write_tiff(path, planes(), tiles, (classes,), slide, options)


def _write_tiff(path, arrays, tiles, planes, slide, options):
    import tifffile

    part = path.with_name(f".{path.name}.part")
    if slide.resolution is not None:
        x, y, unit = slide.resolution
        options |= {"resolution": (x, y), "resolutionunit": unit}
    with tifffile.TiffWriter(part, bigtiff=True) as file:
        file.write(
            arrays,
            shape=(*planes, *tiles.size),
            tile=(tiles.tile, tiles.tile),
            compression="adobe_deflate",
            extratags=[(*tag, True) for tag in slide.tags],
            metadata=None,
            software="minidl",
            datetime=None,
            **options,
        )
    _settle(part, path)


def _write_zarr(path, tiles, name, planes, dtype, attributes):
    import zarr

    part = path.with_name(f".{path.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    chunks = (*planes, tiles.tile, tiles.tile)
    array = zarr.create_array(part, shape=(*planes, *tiles.size), chunks=chunks, dtype=dtype, attributes=attributes)
    for number, block in enumerate(tiles.padded(name)):
        y, x, h, w = tiles.box(*divmod(number, tiles.columns))
        array[..., y : y + h, x : x + w] = block[..., :h, :w]
    shutil.rmtree(path, ignore_errors=True)
    _settle(part, path)


def _settle(part, path):
    os.replace(part, path)
    sync_folder(path.parent)
