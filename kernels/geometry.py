"""The geometry of a sliding window as one value instead of ten loose integers, and a convolution prepared for inference."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


@dataclass(frozen=True, slots=True)
class Geometry:
    """Kernel size, stride, zero padding and dilation as (vertical, horizontal) pairs, and the number of channel groups.

    Along one axis an input of `size` gives `floor((size + 2 padding - dilation (kernel - 1) - 1) / stride) + 1`
    outputs. What the floor loses cannot be recovered from the output, so the adjoint functions take the input size.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    @property
    def extent(self):
        """Pixels that the dilated kernel spans along each axis: dilation (kernel - 1) + 1."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation))

    def output_size(self, size):
        """(H, W) of the input -> (Ho, Wo) of the output; values below 1 mean that the kernel does not fit."""
        return tuple((n + 2 * p - e) // s + 1 for n, p, e, s in zip(size, self.padding, self.extent, self.stride))

    def reduced(self, output_size):
        """The same windows with stride 1 along an axis of one window, and dilation 1 along an axis of one tap.

        Such numbers have no effect, and may be far larger than the image.
        """
        stride = tuple(1 if n == 1 else s for n, s in zip(output_size, self.stride))
        dilation = tuple(1 if k == 1 else d for k, d in zip(self.kernel, self.dilation))
        if (stride, dilation) == (self.stride, self.dilation):
            return self
        return Geometry(self.kernel, stride, self.padding, dilation, self.groups)


class PreparedConv(NamedTuple):
    """The layer min(max(conv2d(x, weight, bias) + residual, 0), ceiling); without ceiling (None) nothing is cut.

    `kept` belongs to the column that computes the layer, which fills it with copies of the weights in the order in which its
    kernels read them. Whoever changes the weights makes a new layer.
    """

    weight: np.ndarray
    bias: np.ndarray | None
    geometry: Geometry
    ceiling: float | None
    kept: dict


def prepared_conv(weight, bias, geometry, ceiling=None):
    """A layer for which nothing is kept as yet."""
    return PreparedConv(weight, bias, geometry, ceiling, {})


def remembered(kept, key, make):
    """kept[key], which `make()` gives where it is new; where nothing is kept (None), what `make()` gives."""
    if kept is None:
        return make()
    if key not in kept:
        kept[key] = make()
    return kept[key]


def check_boxes(name, images, N, size=(1, 1)):
    """ValueError where boxes would be read from planes of (H, W) without a pixel, IndexError where one names no image of N."""
    if len(images) and 0 in size:
        raise ValueError(f"{name}: boxes cannot be read from planes of {size[0]} x {size[1]} pixels")
    wrong = images[~((images >= 0) & (images < N))]
    if wrong.size:
        raise IndexError(f"{name}: a box names image {wrong[0]:g}; there are {N}")


def check_plane(name, size, output_size):
    """ValueError where every output of (Ho, Wo) has to come from a plane of (H, W) that holds no pixel."""
    if 0 in size and 0 not in output_size:
        raise ValueError(
            f"{name}: planes of {size[0]} x {size[1]} pixels have no value for an output of {tuple(output_size)}"
        )
