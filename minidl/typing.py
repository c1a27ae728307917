"""Names for the types that annotations of this library use; `Tensor` is `minidl.Tensor`.

Array: an array of NumPy's, or of CuPy's, which has the same methods. Size2: one integer for both axes of an image, or
(vertical, horizontal). Dims: one axis, or several. Operand: what an operator of Tensors accepts. TensorLike: data of which no
gradient is needed, or a Tensor. Index: what may stand in square brackets. Target: a dtype or a device.
PathLike: the place of a file.
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
