"""Checkpoints: named arrays and JSON in one safetensors file, written atomically.

The model's arrays keep their own names, so that any reader of safetensors finds the weights. The rest of a run's state
(optimiser, schedule, position in the data, random state) is a tree of dictionaries, lists, numbers and arrays: each branch
is a JSON string in the file's metadata, and its arrays are stored with the weights as "@branch/number".
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..autograd.tensor import Tensor
from ..backend import is_array
from ..backend.cuda import to_host
from ..kernels.files import write
from ..nn.module import Module
from ..typing import Array, PathLike, TensorLike

FOREIGN = {
    b"PK\x03\x04": "a zip archive (PyTorch's .pt? pickles are never loaded)",
    b"\x80": "a pickle",
    b"\x93NUMPY": "a .npy array",
}
FOREIGN |= {b"\x89HDF": "an HDF5 file", b"\x1f\x8b": "a gzip file", b"\x89PNG": "a PNG image"}


class CheckpointError(ValueError):
    """A file that is damaged, not a checkpoint, or of another architecture; the message says which."""


def pack(tree: Any, arrays: dict[str, Array], prefix: str) -> Any:
    """`tree` in JSON's types; arrays and Tensors are stored in the dictionary `arrays` as "prefix/0", "prefix/1", ..."""
    if isinstance(tree, Tensor):
        tree = tree.data
    if isinstance(tree, np.generic) or is_array(tree):
        name = f"{prefix}/{len(arrays)}"
        arrays[name] = to_host(tree)
        return {"$array": name}
    if isinstance(tree, dict):
        if all(isinstance(key, str) and not key.startswith("$") for key in tree):
            return {key: pack(value, arrays, prefix) for key, value in tree.items()}
        return {"$items": [[pack(k, arrays, prefix), pack(v, arrays, prefix)] for k, v in tree.items()]}
    if isinstance(tree, tuple):
        return {"$tuple": [pack(value, arrays, prefix) for value in tree]}
    if isinstance(tree, list):
        return [pack(value, arrays, prefix) for value in tree]
    if tree is None or isinstance(tree, bool | int | float | str):
        return tree
    raise TypeError(
        f"save: {prefix[1:]} holds a {type(tree).__name__}; needed numbers, text, arrays, lists and dictionaries"
    )


def unpack(packed: Any, arrays: dict[str, Array]) -> Any:
    """The tree that `pack` was given, with arrays taken from `arrays`."""
    if isinstance(packed, list):
        return [unpack(value, arrays) for value in packed]
    if not isinstance(packed, dict):
        return packed
    if "$array" in packed:
        return arrays[packed["$array"]]
    if "$tuple" in packed:
        return tuple(unpack(packed["$tuple"], arrays))
    if "$items" in packed:
        return {unpack(key, arrays): unpack(value, arrays) for key, value in packed["$items"]}
    return {key: unpack(value, arrays) for key, value in packed.items()}


def save(path: PathLike, weights: Mapping[str, TensorLike], **branches: Any) -> None:
    """Write the arrays `weights` ({name: array or Tensor}) and the trees `branches` to `path`, atomically.

    Raises OSError where the file cannot be written (no such folder, no permission, disk full); an existing file at
    `path` is then unchanged.
    """
    from safetensors.numpy import save as to_bytes

    arrays = {name: to_host(w.data if isinstance(w, Tensor) else w) for name, w in weights.items()}
    if any(name.startswith("@") for name in arrays):
        raise ValueError(f"save: names of weights must not start with '@', but {[n for n in arrays if n[0] == '@']} do")
    metadata = {"format": "minidl"}
    for name, tree in branches.items():
        state = {}
        metadata[name] = json.dumps(pack(tree, state, f"@{name}"))
        arrays |= state
    arrays = {name: np.asarray(a, order="C") for name, a in arrays.items()}
    metadata["digest"] = _digest(arrays, metadata)
    write(path, to_bytes(arrays, metadata))


def load(path: PathLike) -> tuple[dict[str, Array], dict[str, Any]]:
    """(weights, branches) of a checkpoint: {name: array} and {name: tree}, as `save` was given them.

    The digest of the content is checked. Any safetensors file can be read; without minidl's metadata, `branches` is empty.
    Raises FileNotFoundError, or CheckpointError for a truncated, damaged or foreign file.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    size = path.stat().st_size
    if not path.is_file() and not path.is_dir():
        raise CheckpointError(f"{path} is a pipe or a device; needed a file")
    with open(path, "rb") as file:  # raises the system's error for a folder or an unreadable file
        start = file.read(8)
    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            arrays = _arrays(file, path)
        if not _whole(path, arrays, metadata):
            raise CheckpointError(f"{path} is damaged: its digest does not match its content")
        if metadata.get("format") != "minidl":
            return arrays, {}
        texts = {name: text for name, text in metadata.items() if name not in ("format", "digest")}
        trees = {name: unpack(json.loads(text), arrays) for name, text in texts.items()}
    except (SafetensorError, TypeError, AttributeError, KeyError, json.JSONDecodeError, RecursionError) as error:
        raise CheckpointError(f"{path} {_diagnosis(start, size)} ({error})") from error
    return {name: a for name, a in arrays.items() if not name.startswith("@")}, trees


def _arrays(file, path):
    """{name: array} of an open safetensors file; bfloat16, which NumPy lacks, as float32."""
    from safetensors import deserialize

    names = list(file.keys())
    halves = {name for name in names if file.get_slice(name).get_dtype() == "BF16"}
    arrays = {name: np.require(file.get_tensor(name), requirements="W") for name in names if name not in halves}
    for name, entry in deserialize(path.read_bytes()) if halves else ():
        if name in halves:
            bits = np.frombuffer(entry["data"], "<u2").astype(np.uint32) << 16
            arrays[name] = bits.view(np.float32).reshape(entry["shape"])
    return {name: arrays[name] for name in names}


def load_weights(model: Module, path: PathLike) -> dict[str, Any]:
    """Load a checkpoint's weights into `model`, all of them, and return its branches.

    Raises FileNotFoundError, or CheckpointError with the first names that differ where the file is of another architecture.
    """
    weights, branches = load(path)
    fill(model, weights, path)
    return branches


def fill(model: Module, weights: Mapping[str, TensorLike], path: PathLike) -> None:
    """`model.load_state_dict(weights)`; raises a CheckpointError that names the file and the first differences."""
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        _, *differ = (line.strip() for line in str(error).splitlines())
        more = f"; and {len(differ) - 3} more" if len(differ) > 3 else ""
        raise CheckpointError(f"{path} is not of this {type(model).__name__}: {'; '.join(differ[:3])}{more}") from error


def _digest(arrays, metadata):
    """SHA-256 of all names, types, shapes and bytes of the arrays and of all metadata but the digest itself."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(json.dumps([name, array.dtype.str, list(array.shape)]).encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    digest.update(json.dumps({name: metadata[name] for name in sorted(metadata) if name != "digest"}).encode())
    return digest.hexdigest()


def _whole(path, arrays, metadata):
    """Whether the digest, if the file has one, matches the content; files of other programs have none."""
    if "digest" in metadata:
        return metadata["digest"] == _digest(arrays, metadata)
    if metadata.get("format") == "minidl":
        print(f"minidl: {path} has no digest, as older versions wrote it: damage would not be noticed", file=sys.stderr)
    return True


def _diagnosis(start, size):
    header = int.from_bytes(start, "little")  # a safetensors file starts with the length of its header
    if size < 8 or header < 100_000_000:
        lacks = size < 8 + header
        return f"is truncated: {size} bytes" if lacks else "is truncated, damaged, or not a safetensors checkpoint"
    kinds = [kind for magic, kind in FOREIGN.items() if start.startswith(magic)]
    return f"is {kinds[0] if kinds else 'something else'}, not a safetensors checkpoint"
