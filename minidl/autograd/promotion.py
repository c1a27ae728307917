"""Casts the arguments of an operation to their common dtype, and moves them to their common device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..backend import is_array
from .tensor import Tensor

_FLOAT32 = np.dtype(np.float32)
_KIND = {"b": 0, "i": 1, "u": 1, "f": 2}
_SCALAR = {bool: np.dtype(bool), int: np.dtype(np.int64), float: _FLOAT32}


def promote(args: Sequence[Any], floating: bool = False) -> list[Any]:
    """Cast the tensors (and arrays) among `args` to their common dtype by PyTorch's rules.

    Tensors with axes determine it; 0-d tensors and then Python numbers change it only if they are of a higher kind
    (bool < integer < floating). Arguments of the common dtype and Python numbers are returned unchanged.
    """
    args = [Tensor(a) if is_array(a) else a.item() if isinstance(a, np.generic) else a for a in args]
    tensors = [a for a in args if isinstance(a, Tensor)]
    groups = (
        [a.dtype for a in tensors if a.ndim],
        [a.dtype for a in tensors if not a.ndim],
        [_SCALAR[type(a)] for a in args if type(a) in _SCALAR],
    )
    common = np.dtype(bool)
    for dtypes in groups:
        dtypes = [d for d in dtypes if d.kind == "f"] or dtypes
        dtype = np.result_type(*dtypes) if dtypes else common
        if _KIND[dtype.kind] > _KIND[common.kind]:
            common = dtype
    if floating and common.kind != "f":
        common = _FLOAT32
    return [a.to(common) if isinstance(a, Tensor) else a for a in args]


def to_common_device(function: str, args: Sequence[Any]) -> list[Any] | None:
    """The arguments with 0-d NumPy arrays moved to the GPU of the others; None where no array has to move.

    Raises RuntimeError with the devices where larger arrays are on different ones.
    """
    tensors = [Tensor(a) if is_array(a) else a for a in args]
    devices = {a.device for a in tensors if isinstance(a, Tensor)}
    if len(devices) < 2:
        return None
    far = [a.device for a in tensors if isinstance(a, Tensor) and (a.ndim or a.device != "cpu")]
    if len(set(far)) > 1:
        raise RuntimeError(f"{function}: its tensors are on {' and '.join(sorted(set(far)))}; move them with to()")
    return [a.to(far[0]) if isinstance(a, Tensor) else a for a in tensors]
