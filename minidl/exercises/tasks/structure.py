"""Exercises on what follows from kernel sizes and strides alone."""

import numpy as np

from ...analysis.checkerboard import overlap_map
from ..exercise import Exercise

FIELD = {
    "reach": lambda kernel, dilation: dilation * (kernel - 1),
    "before": lambda jump, stride: jump,  # the stride that this layer's step has
    "next": lambda jump, stride, dilation: jump * stride,
    "start": 1,
    "jump": 1,
    "order": lambda layers: layers,
}


def _field(layers, **slips):
    way = FIELD | slips
    size, jump = way["start"], way["jump"]
    for kernel, stride, dilation in way["order"](layers):
        size += way["reach"](kernel, dilation) * way["before"](jump, stride)
        jump = way["next"](jump, stride, dilation)
    return size, jump


def _draw_layers(rng):
    return {
        "layers": tuple((int(rng.integers(2, 6)), int(rng.integers(1, 4)), int(rng.integers(1, 4))) for _ in range(4))
    }


def _back(layers):
    """From the last layer to the first, as (size - 1) * stride + the kernel's span, with a mistake."""
    size = 1
    for kernel, stride, dilation in layers[::-1]:
        size = size * stride + dilation * (kernel - 1)
    return size, int(np.prod([stride for _, stride, _ in layers]))


def _back_undilated(layers):
    size = 1
    for kernel, stride, _ in layers[::-1]:
        size = (size - 1) * stride + kernel
    return size, None


RECEPTIVE_FIELD = Exercise(
    name="receptive_field",
    signature="layers",
    lesson="06",
    title="the receptive field of a chain of layers",
    task="""How many pixels, along one axis, one unit of the last layer sees, and how many pixels lie between two of its
units. layers is a list of (kernel, stride, dilation), the first layer first. Two 3x3 convolutions of stride 1 see 5 pixels.
Returns (size, stride), two numbers.""",
    cases=(
        {"layers": ((3, 1, 1), (3, 1, 1))},
        {"layers": ((3, 2, 1), (3, 1, 1), (2, 2, 1))},
        {"layers": ((3, 1, 1), (3, 1, 2), (3, 1, 4))},
        {"layers": ((7, 2, 1), (3, 2, 1), (3, 1, 2), (3, 2, 3))},
        {"layers": ((5, 3, 2),)},
        {"layers": ((2, 2, 1), (4, 3, 2), (3, 1, 1))},
    ),
    draw_case=_draw_layers,
    expected=_field,
    made=_field,
    returns=("size", "stride"),
    mistakes={
        "a layer's own stride must not count for itself, only for the layers after it": {
            "before": lambda jump, stride: jump * stride
        },
        "only a layer's own stride counts: needed the product of the strides before it": {
            "before": lambda jump, stride: stride
        },
        "the dilation is ignored: a kernel spans dilation * (kernel - 1) + 1": [
            {"reach": lambda kernel, dilation: kernel - 1},
            _back_undilated,
        ],
        "the dilation is applied to the whole kernel: a kernel spans dilation * (kernel - 1) + 1": [
            {"reach": lambda kernel, dilation: kernel * dilation - 1},
        ],
        "the dilation is added: a kernel spans dilation * (kernel - 1) + 1": [
            {"reach": lambda kernel, dilation: kernel - 1 + dilation},
            {"reach": lambda kernel, dilation: kernel - 1 + dilation - 1},
        ],
        "the dilation enlarges the holes by one too much or too little": [
            {"reach": lambda kernel, dilation: (dilation + 1) * (kernel - 1)},
            {"reach": lambda kernel, dilation: (kernel - 1) * dilation + 1},
            {"reach": lambda kernel, dilation: dilation * (kernel - 1) - 1},
        ],
        "the dilation counts as a stride: it does not move the units of the next layer apart": {
            "next": lambda jump, stride, dilation: jump * stride * dilation
        },
        "the whole kernel is added: a layer adds only kernel - 1 units": {
            "reach": lambda kernel, dilation: dilation * kernel
        },
        "kernel // 2 is added on both sides: an even kernel adds kernel - 1 in all": {
            "reach": lambda kernel, dilation: 2 * (kernel // 2) * dilation
        },
        "half the kernel is added: a layer adds kernel - 1 units, on both sides together": {
            "reach": lambda kernel, dilation: dilation * (kernel // 2)
        },
        "wrong stride: strides are ignored": {"next": lambda jump, stride, dilation: 1},
        "wrong stride: strides are added: they multiply": [
            {"next": lambda jump, stride, dilation: jump + stride},
            {"next": lambda jump, stride, dilation: jump + stride - 1},
            {"next": lambda jump, stride, dilation: jump + stride, "jump": 0},
        ],
        "wrong stride: only the last layer's stride counts: needed the product of all": {
            "next": lambda jump, stride, dilation: stride
        },
        "the layers are walked from the last to the first: the first comes first": {
            "order": lambda layers: layers[::-1]
        },
        "on the way back a size n becomes (n - 1) * stride + the kernel's span": _back,
        "the size starts at 0: one unit sees one pixel before the first layer": {"start": 0},
        "the stride starts at 0: two pixels of the image are 1 apart": {"jump": 0},
        "the sizes are multiplied": lambda layers: (int(np.prod([d * (k - 1) + 1 for k, _, d in layers])), None),
        "the last layer is left out": [
            {"order": lambda layers: layers[:-1]},
            lambda layers: (_field(layers)[0], _field(layers[:-1])[1]),
        ],
        "the first layer is left out": {"order": lambda layers: layers[1:]},
    },
    hints=(
        "Look at two layers first: by how many pixels does the second make the field larger, and what if the first has "
        "stride 2?",
        "Walk from the first layer to the last, keeping the size seen so far and the stride so far (both start at 1). "
        "A kernel "
        "of k units looks k - 1 steps further; each step is as long as the stride so far.",
        "size += dilation * (kernel - 1) * stride_so_far, and only then stride_so_far *= stride.",
    ),
)


def _overlap(layers, size):
    return overlap_map([{"kernel_size": k, "stride": s} for k, s in layers], size)


PAINT = {
    "step": lambda kernel, stride: stride,
    "width": lambda kernel, stride: kernel,
    "length": lambda n, kernel, stride: (n - 1) * stride + kernel,
    "add": lambda there, count: there + count,
    "order": lambda layers: layers,
    "between": lambda counts: counts,
}


def _painted(layers, size, **slips):
    way = PAINT | slips
    counts = np.ones(size)
    for kernel, stride in way["order"](layers):
        out = np.zeros(way["length"](len(counts), kernel, stride))
        for i, count in enumerate(counts):
            at = slice(i * way["step"](kernel, stride), i * way["step"](kernel, stride) + way["width"](kernel, stride))
            out[at] = way["add"](out[at], count)
        counts = way["between"](out)
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
        {"layers": ((2, 3), (3, 1)), "size": 3},
        {"layers": ((3, 1), (4, 3), (2, 2)), "size": 3},
    ),
    draw_case=lambda rng: {
        "layers": tuple((int(rng.integers(2, 6)), int(rng.integers(1, 4))) for _ in range(2)),
        "size": int(rng.integers(3, 6)),
    },
    expected=_overlap,
    made=_painted,
    mistakes={
        "wrong stride: neighbouring inputs paint `stride` pixels apart": [
            {"step": lambda kernel, stride: 1, "length": lambda n, kernel, stride: n - 1 + kernel},
            {"step": lambda kernel, stride: 1},
        ],
        "wrong stride: neighbouring inputs paint `stride` pixels apart, not `kernel`": [
            {"step": lambda kernel, stride: kernel, "length": lambda n, kernel, stride: n * kernel},
        ],
        "only the last layer counts: a pixel that is painted twice paints twice": [
            _last_only,
            {"add": lambda there, count: there + 1},
        ],
        "a pixel is counted once however often it is painted: add the counts, do not take the largest": [
            {"add": lambda there, count: np.maximum(there, count)},
            {"add": lambda there, count: np.ones_like(there)},
            lambda layers, size: np.minimum(_overlap(layers, size), 1),
        ],
        "a pixel's count is overwritten by the last that paints it: add": {
            "add": lambda there, count: there * 0 + count
        },
        "a pixel paints kernel - 1 pixels: it paints `kernel`": [{"width": lambda kernel, stride: kernel - 1}],
        "a pixel paints kernel + 1 pixels: it paints `kernel`": [{"width": lambda kernel, stride: kernel + 1}],
        "a pixel paints `stride` pixels: it paints `kernel`": {"width": lambda kernel, stride: stride},
        "the length is wrong: a layer gives (n - 1) * stride + kernel pixels": [
            {"length": lambda n, kernel, stride: n * stride},
            {"length": lambda n, kernel, stride: n * stride + kernel},
            {"length": lambda n, kernel, stride: (n - 1) * stride + kernel - 1},
            {"length": lambda n, kernel, stride: (n - 1) * stride + kernel + 1},
            {"length": lambda n, kernel, stride: (n - 1) * stride},
            {"length": lambda n, kernel, stride: (n - 1) * stride + 1},
            {"length": lambda n, kernel, stride: n + kernel - 1},
        ],
        "the layers are walked from the last to the first: the first comes first": {
            "order": lambda layers: layers[::-1]
        },
        "only the first layer counts": {"order": lambda layers: layers[:1]},
        "the first layer is left out": {"order": lambda layers: layers[1:]},
        "kernel and stride are exchanged: a layer is (kernel, stride)": {
            "order": lambda layers: [(s, k) for k, s in layers]
        },
        "the counts are normalised: whole numbers are needed": [
            lambda layers, size: _overlap(layers, size) / _overlap(layers, size).max(),
            lambda layers, size: _overlap(layers, size) / _overlap(layers, size).sum(),
        ],
        "the kernel is not all ones: count each path once": [
            lambda layers, size: _overlap(layers, size) / np.prod([k for k, _ in layers]),
        ],
    },
    hints=(
        "Look at one layer: start with counts = np.ones(size). Each layer makes longer counts out of them.",
        "The output of a layer has (n - 1) * stride + kernel pixels, and a pixel passes on the count that it has.",
        "for i, c in enumerate(counts): out[i * stride : i * stride + kernel] += c.",
    ),
)

EXERCISES = (RECEPTIVE_FIELD, OVERLAP)
