"""Names of types in this library's annotations; `Tensor` is `minidl.Tensor`.

Array: a NumPy or CuPy array. Size2: one integer for both axes of an image, or (vertical, horizontal). Dims: one axis, or
several. Operand: an operand of Tensor operators. TensorLike: a Tensor, or data that needs no gradient. Index: an index in
square brackets. Target: a dtype or a device. PathLike: the path of a file.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, Union

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

__all__ = [
    "Array",
    "ArrayLike",
    "DTypeLike",
    "Dims",
    "Index",
    "Operand",
    "PathLike",
    "Shape",
    "Size2",
    "Target",
    "TensorLike",
]

if TYPE_CHECKING:
    from .autograd.tensor import Tensor

Array: TypeAlias = np.ndarray
Shape: TypeAlias = tuple[int, ...]
Size2: TypeAlias = int | Sequence[int]
Dims: TypeAlias = int | Sequence[int]
Operand: TypeAlias = Union["Tensor", np.ndarray, np.generic, float]
TensorLike: TypeAlias = Union["Tensor", np.ndarray]
Index: TypeAlias = Any
Target: TypeAlias = str | DTypeLike
PathLike: TypeAlias = str | os.PathLike[str]
