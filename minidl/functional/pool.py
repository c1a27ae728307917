"""Max and average pooling over windows of each plane, and unpooling."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..autograd.primitive import primitive
from ..autograd.tensor import Tensor
from ..backend import kernels, like, xp
from ..typing import Size2, TensorLike
from .conv import check_images, pair, window, within
from .reduce import mean


@primitive(aux=("index",))
def _max_pool(x, *, geometry, size):
    return kernels(x).max_pool2d(x, geometry, size)


@primitive(aux=("index",))
def _adaptive_max_pool(x, *, size):
    return kernels(x).adaptive_max_pool2d(x, size)


@primitive
def _plane_gather(x, *, index):
    return kernels(x).plane_gather(x, index)


@primitive
def _plane_scatter(y, *, index, size):
    return kernels(y).plane_scatter(y, index, size)


_max_pool.rules(x=lambda g, index, x_shape: _plane_scatter(g, index=index.data, size=x_shape[2:]))
_adaptive_max_pool.rules(x=lambda g, index, x_shape: _plane_scatter(g, index=index.data, size=x_shape[2:]))
_plane_scatter.rules(y=lambda g, index: _plane_gather(g, index=index))
_plane_gather.rules(x=lambda g, index, x_shape: _plane_scatter(g, index=index, size=x_shape[2:]))


def _pooling(function, x, kernel_size, stride, padding, dilation, ceil_mode):
    """The geometry and output size of a pooling window; with `ceil_mode` the last window may extend beyond the padding."""
    check_images(function, input=x)
    geometry = window(function, kernel_size, kernel_size if stride is None else stride, padding, dilation)
    if any(2 * p > k for p, k in zip(geometry.padding, geometry.kernel)):
        raise ValueError(f"{function}: padding {geometry.padding} is more than half of the kernel {geometry.kernel}")
    size = []
    for n, s, p, e in zip(x.shape[2:], geometry.stride, geometry.padding, geometry.extent):
        count = (n + 2 * p - e + (s - 1 if ceil_mode else 0)) // s + 1
        if ceil_mode and (count - 1) * s >= n + p:  # the last window would start outside the image
            count -= 1
        size.append(count)
    if min(size) < 1:
        raise ValueError(f"{function}: a window of {geometry.extent} does not fit into {x.shape[2:]}")
    return within(geometry, x.shape[2:]), tuple(size)


def max_pool2d(
    input: Tensor,
    kernel_size: Size2,
    stride: Size2 | None = None,
    padding: Size2 = 0,
    dilation: Size2 = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The maximum of each window of (N, C, H, W); padding does not count, and the first of equal maxima gets the gradient.

    With `return_indices`, also the flat position of each maximum in its H x W plane (int64), as `max_unpool2d` needs it.
    """
    geometry, size = _pooling("max_pool2d", input, kernel_size, stride, padding, dilation, ceil_mode)
    y, index = _max_pool(input, geometry=geometry, size=size)
    return (y, index.long()) if return_indices else y


def max_unpool2d(
    input: Tensor,
    indices: TensorLike,
    kernel_size: Size2,
    stride: Size2 | None = None,
    padding: Size2 = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Zeros, with each element of `input` written at its index: the partial inverse of `max_pool2d`.

    Where overlapping windows share an index the last one is stored, and it gets the gradient (PyTorch gives
    it to all of them, which is not the derivative).
    `output_size` selects one of the sizes that pool to the input's size; the default is (H - 1) s - 2 p + k. Raises
    IndexError for an index outside the output's plane.
    """
    check_images("max_unpool2d", input=input)
    index = like(indices.data if isinstance(indices, Tensor) else indices, input.data)
    geometry = window("max_unpool2d", kernel_size, kernel_size if stride is None else stride, padding)
    size = tuple(
        (n - 1) * s - 2 * p + k
        for n, s, p, k in zip(input.shape[2:], geometry.stride, geometry.padding, geometry.kernel)
    )
    if output_size is not None:
        given = tuple(output_size)[-2:]
        if any(abs(a - b) >= s for a, b, s in zip(given, size, geometry.stride)):
            raise ValueError(
                f"max_unpool2d: output_size {given} must lie within one stride {geometry.stride} of {size}"
            )
        size = given
    if index.shape != input.shape or index.dtype.kind not in "iu":
        raise ValueError(f"max_unpool2d: indices are {index.dtype} of {index.shape}; needed integers of {input.shape}")
    if index.size and not 0 <= index.min() <= index.max() < size[0] * size[1]:
        raise IndexError(f"max_unpool2d: index {index.min()}..{index.max()} leaves a plane of {size[0]}x{size[1]}")
    index = index.astype(np.int32)
    if geometry.stride < geometry.kernel or geometry.stride[1] < geometry.kernel[1]:
        index = _last_writers(index, size)
    return _plane_scatter(input, index=index, size=size)


def _last_writers(index, size):
    """The index, with -1 for every element that a later one overwrites."""
    module = xp(index)
    planes = module.arange(index.shape[0] * index.shape[1]).reshape(*index.shape[:2], 1, 1)
    places = (planes * (size[0] * size[1]) + index).ravel()[::-1]
    last = places.size - 1 - module.unique(places, return_index=True)[1]
    result = module.full(index.size, -1, np.int32)
    result[last] = index.ravel()[last]
    return result.reshape(index.shape)


@primitive
def _avg_pool(x, *, geometry, scale):
    return kernels(x).avg_pool2d(x, geometry, scale)


@primitive
def _avg_pool_adjoint(y, *, geometry, scale, size):
    return kernels(y).avg_pool2d_adjoint(y, geometry, scale, size)


_avg_pool.rules(
    x=lambda g, x_shape, geometry, scale: _avg_pool_adjoint(g, geometry=geometry, scale=scale, size=x_shape[2:])
)
_avg_pool_adjoint.rules(y=lambda g, geometry, scale: _avg_pool(g, geometry=geometry, scale=scale))


def avg_pool2d(
    input: Tensor,
    kernel_size: Size2,
    stride: Size2 | None = None,
    padding: Size2 = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window of (N, C, H, W).

    The divisor is `divisor_override`, or the number of pixels of the window: with the zero padding if `count_include_pad`,
    and always without the part of a `ceil_mode` window beyond the padding.
    """
    if divisor_override is not None and divisor_override == 0:
        raise ValueError("avg_pool2d: divisor_override must not be 0")
    geometry, size = _pooling("avg_pool2d", input, kernel_size, stride, padding, 1, ceil_mode)
    counts = []
    for n, count, k, s, p in zip(input.shape[2:], size, geometry.kernel, geometry.stride, geometry.padding):
        start = np.arange(count) * s - p
        stop = np.minimum(start + k, n + p)
        counts.append(stop - start if count_include_pad else np.minimum(stop, n) - np.maximum(start, 0))
    divisor = np.outer(*counts) if divisor_override is None else np.full(size, divisor_override)
    return _avg_pool(input, geometry=geometry, scale=(1 / divisor).astype(input.dtype))


@primitive
def _adaptive_avg_pool(x, *, size):
    return kernels(x).adaptive_avg_pool2d(x, size)


@primitive
def _adaptive_avg_pool_adjoint(y, *, size):
    return kernels(y).adaptive_avg_pool2d_adjoint(y, size)


_adaptive_avg_pool.rules(x=lambda g, x_shape: _adaptive_avg_pool_adjoint(g, size=x_shape[2:]))
_adaptive_avg_pool_adjoint.rules(y=lambda g, y_shape: _adaptive_avg_pool(g, size=y_shape[2:]))


def _adaptive_size(function, x, size):
    check_images(function, input=x)
    given = tuple(size) if isinstance(size, Iterable) else (size, size)
    return pair(tuple(n if s is None else s for s, n in zip(given, x.shape[2:])), function, "output_size", 1)


def adaptive_avg_pool2d(input: Tensor, output_size: int | Sequence[int | None]) -> Tensor:
    """Means over the rows floor(i H / Ho) .. ceil((i + 1) H / Ho) - 1, and likewise columns; None keeps the size of an axis.

    A plane without pixels gives NaN for an output of 1 x 1, as `mean` does, and an error for other outputs.
    """
    size = _adaptive_size("adaptive_avg_pool2d", input, output_size)
    if size == (1, 1) and 0 in input.shape[2:]:
        return mean(input, (2, 3), keepdim=True)
    return _adaptive_avg_pool(input, size=size)


def adaptive_max_pool2d(input: Tensor, output_size: int | Sequence[int | None], return_indices: bool = False) -> Any:
    """Maxima over the windows of `adaptive_avg_pool2d`; with `return_indices` also their flat positions, as in `max_pool2d`."""
    y, index = _adaptive_max_pool(input, size=_adaptive_size("adaptive_max_pool2d", input, output_size))
    return (y, index.long()) if return_indices else y
