"""Readers of untrusted files: only regular files, read completely and as data, with errors that name the file."""

from __future__ import annotations

import io
import json
import math
import os
import stat
from typing import Any

import numpy as np

from ..typing import Array, PathLike


def read_bytes(path: PathLike) -> bytes:
    """The content of a regular file. ValueError for a pipe or a device, which may be endless; OSError as from `open`."""
    if not stat.S_ISREG(os.stat(path).st_mode) and not os.path.isdir(path):
        raise ValueError(f"{os.fspath(path)} is a pipe or a device; needed a file")
    with open(path, "rb") as file:
        return file.read()


def read_text(path: PathLike) -> str:
    """The text in a file, UTF-8 with or without a byte-order mark. ValueError, naming the file, where it is not UTF-8."""
    try:
        return read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{os.fspath(path)} is not UTF-8 text: save it in this encoding") from error


def read_json(path: PathLike) -> Any:
    """The content of a JSON file. ValueError, naming the file, where it is not JSON, not UTF-8, or nested too deeply."""
    try:
        return json.loads(read_bytes(path).decode("utf-8-sig"))
    except RecursionError as error:
        raise ValueError(f"{os.fspath(path)} is nested too deeply") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{os.fspath(path)} is not JSON: {error}") from error


def read_npy(path: PathLike) -> Array:
    """The array of numbers in a .npy file. ValueError, naming the file, for other content or a truncated file."""
    content = io.BytesIO(read_bytes(path))
    try:
        version = np.lib.format.read_magic(content)
        read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[
            version
        ]
        shape, _, dtype = read_header(content)
        came = len(content.getbuffer()) - content.tell()
        if dtype.kind not in "biuf":
            raise ValueError(f"its elements are {dtype}; numbers are needed")
        if math.prod(shape) * dtype.itemsize != came:
            raise ValueError(f"its header says {shape} of {dtype}, but {came} bytes follow")
        content.seek(0)
        return np.lib.format.read_array(content, allow_pickle=False)
    except Exception as error:  # NumPy's parser of headers raises errors of many types
        raise ValueError(f"{os.fspath(path)} is not a .npy array: {error or type(error).__name__}") from error
