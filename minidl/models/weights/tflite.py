"""A reader of the convolutions' weights in TensorFlow Lite files (.tflite), which are flatbuffers; nothing is executed.

A table of a flatbuffer begins with the distance back to its list of fields, which has the offset of each field in the table,
or 0 for an absent one. Strings, vectors and tables are stored as offsets. Numbers of fields: TensorFlow's schema.fbs.
"""

from __future__ import annotations

import struct
from math import prod

import numpy as np

from ...train.checkpoint import CheckpointError
from ...typing import Array, PathLike

MAGIC = b"TFL3"  # at byte 4
DTYPES = {0: np.dtype("<f4"), 1: np.dtype("<f2")}
CONV, DEPTHWISE, DEQUANTIZE, CUSTOM = 3, 4, 6, 32


class _Flatbuffer:
    """Reads at positions in `content`: `p` is the position of a field, 0 where it is absent; `t` that of a table."""

    def __init__(self, content):
        self.content = content

    def number(self, p, form="<i", default=0):
        return struct.unpack_from(form, self.content, p)[0] if p else default

    def follow(self, p):
        return p + struct.unpack_from("<I", self.content, p)[0]

    def field(self, t, index):
        fields = t - self.number(t)
        inside = 4 + 2 * index < self.number(fields, "<H")
        offset = self.number(fields + 4 + 2 * index, "<H") if inside else 0
        return t + offset if offset else 0

    def vector(self, t, index):
        """(position of the first element, number of elements)."""
        p = self.field(t, index)
        return (self.follow(p) + 4, self.number(self.follow(p), "<I")) if p else (0, 0)

    def tables(self, t, index):
        start, count = self.vector(t, index)
        if 4 * count > len(self.content):
            raise struct.error("a vector is longer than the file")
        return [self.follow(start + 4 * k) for k in range(count)]

    def integers(self, t, index):
        start, count = self.vector(t, index)
        return struct.unpack_from(f"<{count}i", self.content, start) if count <= len(self.content) else ()

    def text(self, t, index):
        start, count = self.vector(t, index)
        return self.content[start : start + count].decode()


def read_tflite(path: PathLike) -> dict[str, Array]:
    """{name: float32 array} of the convolutions, named by their outputs as "conv2d_3.weight" and "conv2d_3.bias".

    Weights are (outputs, inputs / groups, kH, kW), those of a transposed convolution (MediaPipe's custom operator)
    (inputs, outputs, kH, kW). float32 and float16 are read. Raises FileNotFoundError; CheckpointError for a damaged file.
    """
    with open(path, "rb") as file:
        content = file.read()
    try:
        arrays = _convolutions(_Flatbuffer(content))
    except (struct.error, IndexError, ValueError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path} cannot be read as a TensorFlow Lite file: {error}") from error
    if not arrays:
        raise CheckpointError(f"{path} holds no convolution whose weights are floating")
    return arrays


def _convolutions(b):
    root = b.follow(0)
    codes = [(max(b.number(b.field(t, 0), "<b"), b.number(b.field(t, 3))), b.text(t, 1)) for t in b.tables(root, 1)]
    buffers = [b.vector(t, 0) for t in b.tables(root, 4)]
    (graph, *_) = b.tables(root, 2)
    tensors, made_from, arrays = b.tables(graph, 0), {}, {}

    def array(index):
        t = tensors[made_from.get(index, index)]
        shape, dtype = b.integers(t, 0), DTYPES.get(b.number(b.field(t, 1), "<b"))
        start, size = buffers[b.number(b.field(t, 2), "<I")]
        if dtype is None or size != prod(shape) * dtype.itemsize or start + size > len(b.content):
            raise ValueError(f"the weights {b.text(t, 3)!r} are not floating, or cut short")
        return np.frombuffer(b.content, dtype, prod(shape), start).reshape(shape).astype(np.float32)

    for t in b.tables(graph, 3):
        code, custom = codes[b.number(b.field(t, 0), "<I")]
        inputs, outputs = b.integers(t, 1), b.integers(t, 2)
        if code == DEQUANTIZE:
            made_from[outputs[0]] = inputs[0]
        elif code in (CONV, DEPTHWISE) or (code == CUSTOM and custom.startswith("Convolution2DTranspose")):
            name, w = b.text(tensors[outputs[0]], 3), array(inputs[1])  # (outputs, kH, kW, inputs)
            arrays[f"{name}.weight"] = np.ascontiguousarray(w.transpose((0, 3, 1, 2) if code == CONV else (3, 0, 1, 2)))
            arrays[f"{name}.bias"] = array(inputs[2])
    return arrays
