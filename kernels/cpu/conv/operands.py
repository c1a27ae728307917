"""Where the numbers of a convolution lie in memory: images, filters and the bias, each in a flat array."""

from typing import NamedTuple

import numpy as np

from ..runtime.jit import inlined


class Image(NamedTuple):
    """A batch of images, NCHW, in a flat array: channel c of group g of image n begins at plane_start(image, n, g, c)."""

    data: np.ndarray
    batch: int
    groups: int
    channels: int  # of a group
    height: int
    width: int


class Filters(NamedTuple):
    """Weights in a flat array: w[g, row, channel, tap] lies at g group + row row_stride + channel channel_stride + tap.

    Rows are output channels for conv2d and input channels for its data gradient.
    """

    data: np.ndarray
    group: int
    row_stride: int
    channel_stride: int
    taps: int


def image(x, groups):
    """The Image of an array (N, C, H, W)."""
    return Image(x.reshape(-1), x.shape[0], groups, x.shape[1] // groups, *x.shape[2:])


def forward_filters(w, groups):
    """The Filters of conv2d: rows are output channels; w is (O, C/groups, kh, kw)."""
    O, C, kh, kw = w.shape
    return Filters(w.reshape(-1), O // groups * C * kh * kw, C * kh * kw, kh * kw, kh * kw)


def adjoint_filters(w, groups):
    """The Filters of conv_transpose2d: rows are input channels."""
    O, C, kh, kw = w.shape
    return Filters(w.reshape(-1), O // groups * C * kh * kw, kh * kw, C * kh * kw, kh * kw)


def padded_bias(bias, groups, rows, length, dtype):
    """The bias, or zeros, with `length` numbers for the `rows` of each group; flat."""
    padded = np.zeros((groups, length), dtype)
    if bias is not None:
        padded[:, :rows] = bias.reshape(groups, rows)
    return padded.reshape(-1)


@inlined
def plane_start(image, n, g, c):
    """Where channel c of group g of image n begins."""
    return ((n * image.groups + g) * image.channels + c) * image.height * image.width
