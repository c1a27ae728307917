"""PyTorch's checkpoint files (`.pth`, `.pt`) without PyTorch: tensors, numbers, text and dictionaries; nothing is executed.

Since PyTorch 1.6 a checkpoint is a zip archive of uncompressed members: `data.pkl` describes the objects, and each storage
lies in `data/KEY` as plain bytes. Older ("legacy") files are five pickles followed by the storages. Both formats are
supported. A tensor is a strided view of a storage (`torch._utils._rebuild_tensor_v2`).
"""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np

from ...train.checkpoint import CheckpointError
from ...typing import Array, PathLike
from .pickles import Bounded, Global, PickleError, read_pickle, shown

BFLOAT16 = "bfloat16"  # NumPy has none: two bytes that are the upper half of a float32
_STORAGES = {
    "Double": "<f8", "Float": "<f4", "Half": "<f2", "BFloat16": BFLOAT16, "Long": "<i8", "Int": "<i4", "Short": "<i2",
    "Char": "|i1", "Byte": "|u1", "Bool": "|b1",
}  # fmt: skip
_DTYPES = {
    "float64": "<f8", "float32": "<f4", "float16": "<f2", "bfloat16": BFLOAT16, "int64": "<i8", "int32": "<i4", "int16": "<i2",
    "int8": "|i1", "uint8": "|u1", "bool": "|b1", "uint16": "<u2", "uint32": "<u4", "uint64": "<u8",
}  # fmt: skip
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
# Errors that Python's zip reader and NumPy raise for damaged files; PickleError is a ValueError.
_DAMAGE = (
    ValueError,
    LookupError,
    ArithmeticError,
    RuntimeError,
    OSError,
    EOFError,
    zipfile.BadZipFile,
    struct.error,
    zlib.error,
)
_MAX_PICKLE = 1 << 28  # bytes; the description of a network of a million tensors is smaller


def itemsize(dtype: str) -> int:
    """Bytes of one number in the file."""
    return 2 if dtype == BFLOAT16 else np.dtype(dtype).itemsize


class _Storage:
    """The memory of one or more tensors; `content` is read from the file after the description of all tensors."""

    def __init__(self, dtype: str, count: int) -> None:
        self.dtype, self.count, self.bytes, self.content = dtype, count, count * itemsize(dtype), b""


class _View:
    """A tensor before its storage is read, since in legacy files the storages follow the description."""

    def __init__(
        self, storage: _Storage, offset: int, size: tuple[int, ...], stride: tuple[int, ...], dtype: str
    ) -> None:
        whole = all(isinstance(n, int) and n >= 0 for n in (offset, *size, *stride))
        if not whole or len(size) != len(stride) or len(size) > 32:
            raise PickleError(f"a tensor of size {shown(size)} and stride {shown(stride)} at {shown(offset)}")
        self.storage, self.offset, self.size, self.stride, self.dtype = storage, offset, size, stride, dtype
        self.elements = int(np.prod(np.array(size, dtype=object))) if size else 1
        last = offset + sum((n - 1) * s for n, s in zip(size, stride))
        if self.elements and (last + 1) * itemsize(dtype) > storage.bytes:
            raise PickleError(
                f"a tensor of size {shown(size)} and stride {shown(stride)} reaches beyond its storage of {storage.bytes} bytes"
            )

    def array(self) -> Array:
        """The tensor as a new NumPy array; bfloat16 becomes float32, which represents all its values."""
        raw = "<u2" if self.dtype == BFLOAT16 else self.dtype
        flat = np.frombuffer(self.storage.content, raw)
        if not self.elements:
            view = np.empty(self.size, raw)
        else:
            strides = [s * flat.itemsize for s in self.stride]
            view = np.lib.stride_tricks.as_strided(flat[self.offset :], self.size, strides, writeable=False)
        if self.dtype == BFLOAT16:
            return (view.astype(np.uint32) << 16).view(np.float32)
        return np.array(view, np.dtype(raw).newbyteorder("="), order="C")


def read_pth(path: PathLike) -> Any:
    """The object that a PyTorch checkpoint holds: dictionaries, lists, numbers, text, with NumPy arrays for its tensors.

    Nothing in the file is executed, and memory is limited by the file's size. Raises CheckpointError, which names the
    file and the reason, for objects other than tensors, storages, dictionaries, lists, numbers and text, and for a
    damaged file.
    """
    path = os.fspath(path)
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        start = file.read(4)
        try:
            tree, views = _read_zip(file, size) if start == b"PK\x03\x04" else _read_legacy(file, size)
            return _filled(tree, views, size)
        except _DAMAGE as error:
            raise CheckpointError(f"{path} cannot be read as a PyTorch checkpoint: {error}") from error


def is_pth(start: bytes) -> bool:
    """Whether a file that begins with these nine bytes is a zip archive or a pickle, as PyTorch writes them.

    A safetensors file begins with the length of its header, which may have the same first bytes, and then a brace.
    """
    pickled = start[:1] == b"\x80" and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")
    return start.startswith(b"PK\x03\x04") or (pickled and start[8:9] != b"{")


def _names(views: list[_View]) -> dict[tuple[str, str], Callable[..., Any]]:
    """The closed list of names in a checkpoint, and the function for each."""

    def tensor(storage, offset, size, stride, *rest, dtype=None):
        if not isinstance(storage, _Storage):
            raise PickleError("a tensor without a storage")
        views.append(_View(storage, offset, tuple(size), tuple(stride), dtype or storage.dtype))
        return views[-1]

    def tensor_v3(storage, offset, size, stride, requires_grad, hooks, dtype, *rest):
        return tensor(storage, offset, size, stride, dtype=_named_dtype(dtype))

    names: dict[tuple[str, str], Any] = {
        ("collections", "OrderedDict"): lambda *pairs: dict(*pairs),
        ("torch._utils", "_rebuild_tensor"): tensor,
        ("torch._utils", "_rebuild_tensor_v2"): tensor,
        ("torch._utils", "_rebuild_tensor_v3"): tensor_v3,
        ("torch._utils", "_rebuild_parameter"): lambda data, *rest: data,
        ("torch", "Size"): lambda *sizes: tuple(*sizes),
        ("torch", "device"): lambda *names: ":".join(map(str, names)),
    }
    names |= {("torch", f"{kind}Storage"): dtype for kind, dtype in _STORAGES.items()}
    names |= {("torch.storage", "UntypedStorage"): "|u1", ("torch", "UntypedStorage"): "|u1"}
    return names | {("torch", kind): dtype for kind, dtype in _DTYPES.items()}


def _named_dtype(value):
    """The dtype of a storage's class, or of a torch.dtype, as the pickle names it."""
    dtype = getattr(value, "call", None)
    if not isinstance(dtype, str):
        raise PickleError("a storage or tensor without a type")
    return dtype


def _persistent(storages: dict[str, _Storage]) -> Callable[[Any], _Storage]:
    def storage(identity):
        if not isinstance(identity, tuple) or len(identity) not in (5, 6) or identity[0] != "storage":
            raise PickleError(f"a reference that is not to a storage: {shown(identity)}")
        _, kind, key, _, count, *view = identity
        if view and view[0] is not None:
            raise PickleError("a storage that is a view of another one")
        if not isinstance(key, str) or not isinstance(count, int) or count < 0:
            raise PickleError(f"a storage {shown(key)} of {shown(count)} elements")
        mine = storages.setdefault(key, _Storage(_named_dtype(kind), count))
        if mine.count != count or mine.dtype != _named_dtype(kind):
            raise PickleError(f"the storage {key!r} is described in two ways")
        return mine

    return storage


def _read_zip(file: BinaryIO, size: int):
    with zipfile.ZipFile(file) as archive:
        members = {}
        for info in archive.infolist():
            if info.compress_type != zipfile.ZIP_STORED or info.file_size > size:
                raise PickleError(f"its member {info.filename!r} is compressed, or larger than the file")
            members[info.filename] = info
        pickles = [name for name in members if name == "data.pkl" or name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise PickleError("it is a zip archive without a data.pkl (TorchScript and other archives are not read)")
        root = pickles[0][: -len("data.pkl")]
        order = members.get(f"{root}byteorder")
        if order is not None and archive.read(order) != b"little":
            raise PickleError("its numbers are big-endian, which is not supported")
        if members[pickles[0]].file_size > _MAX_PICKLE:
            raise PickleError(f"its description takes {members[pickles[0]].file_size} bytes")
        storages: dict[str, _Storage] = {}
        views: list[_View] = []
        tree = read_pickle(io.BytesIO(archive.read(pickles[0])), _names(views), _persistent(storages))
        if sum(storage.bytes for storage in storages.values()) > size:
            raise PickleError("its storages take more bytes than the file has")
        for key, storage in storages.items():
            info = members.get(f"{root}data/{key}")
            if info is None or info.file_size < storage.bytes:
                raise PickleError(f"the storage {key!r} of {storage.count} elements is missing or cut short")
            with archive.open(info) as member:
                storage.content = member.read(storage.bytes)
    return tree, views


def _read_legacy(whole: BinaryIO, size: int):
    whole.seek(0)
    file = Bounded(whole, size)
    if read_pickle(file, {}) != _LEGACY_MAGIC:
        raise PickleError("it is a pickle, but not one of PyTorch's checkpoints")
    if read_pickle(file, {}) != 1001:
        raise PickleError("it is of an unknown version of PyTorch's format")
    system = read_pickle(file, {})
    if isinstance(system, dict) and system.get("little_endian") is False:
        raise PickleError("its numbers are big-endian, which is not supported")
    storages: dict[str, _Storage] = {}
    views: list[_View] = []
    tree = read_pickle(file, _names(views), _persistent(storages))
    keys = read_pickle(file, {})
    if not isinstance(keys, list) or set(keys) != set(storages) or len(keys) != len(storages):
        raise PickleError("its storages are not those that its tensors need")
    for key in keys:
        storage = storages[key]
        count = int.from_bytes(file.read(8), "little", signed=True)
        if count != storage.count or storage.bytes > size - file.tell():
            raise PickleError(f"the storage {key!r} of {storage.count} elements is cut short")
        storage.content = file.read(storage.bytes)
    return tree, views


def _filled(tree: Any, views: list[_View], size: int) -> Any:
    """`tree` with arrays in place of views; arrays of shared weights may together take a few times the file's size."""
    needed = sum(view.elements * (4 if view.dtype == BFLOAT16 else itemsize(view.dtype)) for view in views)
    if needed > 8 * size:
        raise PickleError(f"its tensors would take {needed} bytes, the file has {size}")
    arrays = {id(view): view.array() for view in views}
    done: dict[int, Any] = {}

    def fill(value):
        if isinstance(value, _View):
            return arrays[id(value)]
        if isinstance(value, _Storage | Global):
            return getattr(value, "call", None)  # a torch.dtype becomes its name, a bare storage None
        if isinstance(value, dict | list | tuple | set):
            if id(value) not in done:
                done[id(value)] = None  # ends the recursion of a list that contains itself
                if isinstance(value, dict):
                    done[id(value)] = {key: fill(part) for key, part in value.items()}
                else:
                    done[id(value)] = type(value)(fill(part) for part in value)
            return done[id(value)]
        return value

    return fill(tree)
