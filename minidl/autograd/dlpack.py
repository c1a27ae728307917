"""DLPack: arrays that NumPy, CuPy, PyTorch and this library share without a copy, in both directions.

Both sides see each other's writes, and the memory lives as long as either side holds it. The tape does not see them: it notes
writes through this library only (`tape.touch`), array by array. So between a recorded operation and its backward pass nobody
else may write to the memory that the operation needs: the gradient would be computed from the new values, without an error.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backend import cuda
from ..typing import Array
from .tensor import Tensor

CPU, CUDA, CUDA_HOST, CUDA_MANAGED = 1, 2, 3, 13  # DLDeviceType of dlpack.h


def __dlpack__(
    self: Tensor,
    *,
    stream: Any = None,
    max_version: tuple[int, int] | None = None,
    dl_device: tuple[int, int] | None = None,
    copy: bool | None = None,
) -> Any:
    """A capsule that holds this tensor's memory, for `numpy.from_dlpack`, `torch.from_dlpack` and others to take.

    stream, max_version, dl_device, copy: what the other library asks for, as the array API standard says; `stream` is that
    of a GPU on which the data must be ready. Raises BufferError for a tensor that requires grad (others would write to it
    unseen), for negative strides, which PyTorch does not read, and for read-only memory where the other library cannot be
    told of it. Source: Python array API standard 2024.12, `__dlpack__`.
    """
    if self.requires_grad:
        raise BufferError("__dlpack__: the tensor requires grad; export detach() of it")
    if min(self.data.strides, default=0) < 0 and not copy:
        raise BufferError("__dlpack__: the tensor is reversed in memory (a negative stride); export clone() of it")
    asked = {"max_version": max_version, "dl_device": dl_device, "copy": copy}
    array: Any = self.data if hasattr(self.data, "__dlpack__") else np.asarray(self.data)
    return array.__dlpack__(stream=stream, **{name: value for name, value in asked.items() if value is not None})


def __dlpack_device__(self: Tensor) -> tuple[int, int]:
    """(kind of device, its number) as DLPack numbers them: (1, 0) is the CPU, (2, k) the GPU number k."""
    array: Any = self.data if hasattr(self.data, "__dlpack_device__") else np.asarray(self.data)
    kind, number = array.__dlpack_device__()
    return int(kind), int(number)


def from_dlpack(ext_tensor: Any) -> Tensor:
    """A Tensor that shares the memory of `ext_tensor`, an array of NumPy, CuPy, PyTorch or whatever else has `__dlpack__`.

    Nothing is copied: writes on either side are seen on the other, but the tape notes only those through this library. The
    result does not require grad; memory that the other side marks as read-only stays so. Arrays on a GPU need CuPy.
    Raises TypeError for anything without `__dlpack__` and for elements that NumPy does not have (bfloat16) or that are
    complex; BufferError where the other library cannot share (a PyTorch tensor that requires grad: give detach() of it).
    Source: Python array API standard 2024.12, `from_dlpack`.
    """
    if not hasattr(ext_tensor, "__dlpack__") or not hasattr(ext_tensor, "__dlpack_device__"):
        raise TypeError(f"from_dlpack: an array with __dlpack__ is needed, not {type(ext_tensor).__name__}")
    kind, _ = ext_tensor.__dlpack_device__()
    if kind not in (CPU, CUDA, CUDA_HOST, CUDA_MANAGED):
        raise BufferError(f"from_dlpack: device {int(kind)} of DLPack is neither the CPU nor an NVIDIA GPU")
    module = np if kind in (CPU, CUDA_HOST) else cuda.require("from_dlpack of an array on a GPU")
    named = getattr(ext_tensor, "dtype", "unknown")
    try:
        array: Array = module.from_dlpack(ext_tensor)
    except RuntimeError as error:  # NumPy's and CuPy's words for elements that they lack name no type
        raise TypeError(
            f"from_dlpack: an array of {named} cannot be shared ({error}); convert it to float32 first"
        ) from error
    if array.dtype.kind not in "biuf":
        raise TypeError(f"from_dlpack: dtype must be boolean, integer or floating, not {named}")
    return Tensor(array)


Tensor.__dlpack__ = __dlpack__  # type: ignore[method-assign, assignment]
Tensor.__dlpack_device__ = __dlpack_device__  # type: ignore[method-assign, assignment]
