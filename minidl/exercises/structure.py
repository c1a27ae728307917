"""Exercises on what follows from kernel sizes and strides alone."""

import numpy as np

from ..analysis.checkerboard import overlap_map
from .exercise import Exercise


def _field(layers, current=False, dilated=True, taps=1, strided=True):
    size = jump = 1
    for kernel, stride, dilation in layers:
        step = jump * stride if current else jump
        size += (kernel - taps) * (dilation if dilated else 1) * step
        jump *= stride if strided else 1
    return size, jump


RECEPTIVE_FIELD = Exercise(
    name="receptive_field",
    signature="layers",
    lesson="06",
    title="the receptive field of a chain of layers",
    task="""How many pixels, along one axis, one unit of the last layer sees, and how many pixels lie between two of its units.
layers is a list of (kernel, stride, dilation), the first layer first. Two 3x3 convolutions of stride 1 see 5 pixels.
Returns (size, stride), two numbers.""",
    cases=(
        {"layers": ((3, 1, 1), (3, 1, 1))},
        {"layers": ((3, 2, 1), (3, 1, 1), (2, 2, 1))},
        {"layers": ((3, 1, 1), (3, 1, 2), (3, 1, 4))},
        {"layers": ((7, 2, 1), (3, 2, 1), (3, 1, 2), (3, 2, 3))},
    ),
    expected=_field,
    returns=("size", "stride"),
    mistakes={
        "a layer's own stride must not count for itself, only for the layers after it": (
            lambda layers: _field(layers, current=True)
        ),
        "the dilation is ignored: a kernel spans dilation * (kernel - 1) + 1": lambda layers: _field(
            layers, dilated=False
        ),
        "the whole kernel is added: a layer adds only kernel - 1 units": lambda layers: _field(layers, taps=0),
        "wrong stride: strides are ignored": lambda layers: _field(layers, strided=False),
    },
    hints=(
        "Walk from the first layer to the last, keeping the size seen so far and the stride so far (both start at 1).",
        "A kernel of k units looks k - 1 steps further; each step is as long as the stride so far.",
        "size += dilation * (kernel - 1) * stride_so_far, and only then stride_so_far *= stride.",
    ),
)


def _overlap(layers, size):
    return overlap_map([{"kernel_size": k, "stride": s} for k, s in layers], size)


def _as_convolution(layers, size):
    counts = np.ones(size, np.int64)
    for kernel, _ in layers:
        counts = np.convolve(counts, np.ones(kernel, np.int64))
    return counts


def _last_only(layers, size):
    length = size
    for kernel, stride in layers[:-1]:
        length = (length - 1) * stride + kernel
    return _overlap(layers[-1:], length)


OVERLAP = Exercise(
    name="overlap_map",
    signature="layers, size",
    lesson="05",
    title="how often transposed convolutions paint each pixel",
    task="""How many paths lead from an input of `size` pixels (along one axis) to each output pixel of a chain of transposed
convolutions, given as a list of (kernel, stride): every input pixel i of a layer paints outputs i * stride ... i * stride +
kernel - 1, each as often as it was painted itself.
Returns a 1-D array of whole numbers.""",
    cases=(
        {"layers": ((3, 2),), "size": 4},
        {"layers": ((4, 2),), "size": 5},
        {"layers": ((5, 2), (3, 2)), "size": 4},
    ),
    expected=_overlap,
    mistakes={
        "wrong stride: neighbouring inputs paint `stride` pixels apart": _as_convolution,
        "only the last layer counts: a pixel that was painted twice paints twice": _last_only,
        "a pixel is counted once however often it is painted: add, do not overwrite": (
            lambda layers, size: np.minimum(_overlap(layers, size), 1)
        ),
    },
    hints=(
        "Start with counts = np.ones(size). Each layer makes longer counts out of them.",
        "The output has (size - 1) * stride + kernel pixels.",
        "for i, c in enumerate(counts): out[i * stride : i * stride + kernel] += c.",
    ),
)

EXERCISES = (RECEPTIVE_FIELD, OVERLAP)
