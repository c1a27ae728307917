"""Sliding-window operators and normalisation; weights may be parameters of a layer or any other value."""

from __future__ import annotations

import math

import numpy as np

from .. import functional as F
from ..autograd.tensor import Tensor
from .values import AGAIN, Node, Operator, is_traced, reissued, tensor

Pads = tuple[int, ...]  # top, left, bottom, right


def window_pads(node: Node, size: tuple[int, ...], kernel: tuple[int, ...], strides: tuple[int, ...]) -> Pads:
    """The padding of a window operator on an image of `size`: from `pads`, or computed by the rule of `auto_pad`."""
    dilations = node.get("dilations", (1, 1))
    mode = node.get("auto_pad", "NOTSET")
    if mode in ("NOTSET", ""):
        return tuple(node.get("pads", (0, 0, 0, 0)))
    if mode == "VALID":
        return 0, 0, 0, 0
    if mode not in ("SAME_UPPER", "SAME_LOWER"):
        raise node.refuse(f"auto_pad {mode}")
    before, after = [], []
    for n, k, s, d in zip(size, kernel, strides, dilations):
        total = d * (k - 1) - (n - 1) % s  # the padding for ceil(n / s) windows
        total = max(total, 0)
        small = total // 2
        before.append(small if mode == "SAME_UPPER" else total - small)
        after.append(total - small if mode == "SAME_UPPER" else small)
    return (*before, *after)


def check_image(node: Node, x: Tensor, *others: Tensor) -> None:
    """Raise NotImplementedError unless the image has two spatial axes."""
    if x.ndim != 4 or any(w.ndim != 4 for w in others):
        raise node.refuse(f"an input of {x.ndim - 2} spatial axes (2 are needed)")


def is_even(pads: Pads) -> bool:
    """Whether both ends have the same padding, as in the layers of `minidl.nn`."""
    return pads[:2] == pads[2:]


def padded(x: Tensor, pads: Pads, value: float = 0.0) -> Tensor:
    """The image with rows and columns of `value` around it."""
    top, left, bottom, right = pads
    return F.pad(x, (left, right, top, bottom), value=value) if any(pads) else x


def conv_window(node: Node, x: Tensor, kernel: tuple[int, ...]) -> tuple[Tensor, Pads]:
    """(image, remaining padding of the convolution): uneven padding is applied to the image first."""
    pads = window_pads(node, x.shape[2:], kernel, node.get("strides", (1, 1)))
    return (x, pads[:2]) if is_even(pads) else (padded(x, pads), (0, 0))


@reissued
def _conv(node, x, w, bias=None):
    x, w = tensor(x), tensor(w)
    check_image(node, x, w)
    x, padding = conv_window(node, x, w.shape[2:])
    options = {"stride": tuple(node.get("strides", (1, 1))), "dilation": tuple(node.get("dilations", (1, 1)))}
    return F.conv2d(
        x, w, None if bias is None else tensor(bias), padding=padding, groups=node.get("group", 1), **options
    )


def transposed_extent(node: Node, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[Pads, tuple[int, ...]]:
    """(pads, output_padding) of a transposed convolution: given, or from `output_shape` or `auto_pad`."""
    strides, dilations = node.get("strides", (1, 1)), node.get("dilations", (1, 1))
    extra = tuple(node.get("output_padding", (0, 0)))
    full = [s * (n - 1) + e + d * (k - 1) + 1 for n, s, e, d, k in zip(size, strides, extra, dilations, kernel)]
    wanted, mode = node.get("output_shape"), node.get("auto_pad", "NOTSET")
    if wanted is None and mode in ("SAME_UPPER", "SAME_LOWER"):
        wanted = [n * s for n, s in zip(size, strides)]
    if wanted is None:
        return tuple(node.get("pads", (0, 0, 0, 0))), extra
    total = [f - w for f, w in zip(full, wanted[-2:])]
    if min(total) < 0:  # larger than the full result: rows of zeros at the end
        extra = tuple(e - min(t, 0) for e, t in zip(extra, total))
        total = [max(t, 0) for t in total]
    halves = [t // 2 for t in total]
    rest = [t - h for t, h in zip(total, halves)]
    return ((*halves, *rest) if mode == "SAME_UPPER" else (*rest, *halves)), extra


def cut(y: Tensor, pads: Pads, extra: tuple[int, ...]) -> Tensor:
    """The full transposed convolution without `pads`, and with `extra` rows and columns of zeros at the end."""
    y = padded(y, (0, 0, *extra))
    top, left, bottom, right = pads
    return F.crop(y, top, left, y.shape[2] - top - bottom, y.shape[3] - left - right) if any(pads) else y


@reissued
def _conv_transpose(node, x, w, bias=None):
    x, w = tensor(x), tensor(w)
    check_image(node, x, w)
    pads, extra = transposed_extent(node, x.shape[2:], w.shape[2:])
    strides, dilations = tuple(node.get("strides", (1, 1))), tuple(node.get("dilations", (1, 1)))
    options = {"stride": strides, "dilation": dilations, "groups": node.get("group", 1)}
    bias = None if bias is None else tensor(bias)
    if is_even(pads) and all(e < max(s, d) for e, s, d in zip(extra, strides, dilations)):
        return F.conv_transpose2d(x, w, bias, padding=pads[:2], output_padding=extra, **options)
    y = cut(F.conv_transpose2d(x, w, None, **options), pads, extra)
    return y if bias is None else y + F.reshape(bias, (1, -1, 1, 1))


def _batch_norm(node, x, scale, shift, mean, var):
    if node.get("training_mode", 0):
        raise node.refuse("batch norm in training mode")
    if is_traced(mean, var):
        raise node.refuse(AGAIN)
    statistics = (Tensor(tensor(v).data) for v in (mean, var))
    return F.batch_norm(tensor(x), *statistics, tensor(scale), tensor(shift), False, 0.1, node.get("epsilon", 1e-5))


def _instance_norm(node, x, scale, shift):
    return F.instance_norm(tensor(x), weight=tensor(scale), bias=tensor(shift), eps=node.get("epsilon", 1e-5))


@reissued
def _max_pool(node, x):
    x = tensor(x)
    check_image(node, x)
    kernel, strides = tuple(node.get("kernel_shape")), tuple(node.get("strides", (1, 1)))
    pads = window_pads(node, x.shape[2:], kernel, strides)
    options = {"dilation": tuple(node.get("dilations", (1, 1))), "ceil_mode": bool(node.get("ceil_mode", 0))}
    even = is_even(pads) and all(2 * p <= k for p, k in zip(pads, kernel))
    if node.get("outputs", 1) == 2:
        if not even or node.get("storage_order", 0):
            raise node.refuse("the positions of maxima with uneven padding or in column order")
        y, index = F.max_pool2d(x, kernel, strides, pads[:2], **options, return_indices=True)
        planes = np.arange(x.shape[0] * x.shape[1]).reshape(*x.shape[:2], 1, 1)  # ONNX counts through all planes
        return y, index + planes * (x.shape[2] * x.shape[3])
    if even:
        return F.max_pool2d(x, kernel, strides, pads[:2], **options)
    y = F.max_pool2d(padded(x, pads, -math.inf), kernel, strides, **options)
    return without_late_windows(y, x, pads, strides)


@reissued
def _max_unpool(node, x, index, output_shape=None):
    if output_shape is not None:
        raise node.refuse("an output shape")
    x = tensor(x)
    kernel, pads = tuple(node.get("kernel_shape")), tuple(node.get("pads", (0, 0, 0, 0)))
    strides = tuple(node.get("strides", (1, 1)))
    if not is_even(pads):
        raise node.refuse("uneven padding")
    plane = math.prod((n - 1) * s + k - 2 * p for n, s, k, p in zip(x.shape[2:], strides, kernel, pads))
    return F.max_unpool2d(x, Tensor(tensor(index).data % plane), kernel, strides, pads[:2])


def without_late_windows(y: Tensor, x: Tensor, pads: Pads, strides: tuple[int, ...]) -> Tensor:
    """`ceil_mode` after padding: without the windows that begin behind the last pixel of the image and its leading padding."""
    counts = [min(m, -(-(n + before) // s)) for m, n, before, s in zip(y.shape[2:], x.shape[2:], pads, strides)]
    return y if tuple(counts) == tuple(y.shape[2:]) else F.crop(y, 0, 0, *counts)


@reissued
def _average_pool(node, x):
    x = tensor(x)
    check_image(node, x)
    kernel, strides = tuple(node.get("kernel_shape")), tuple(node.get("strides", (1, 1)))
    pads = window_pads(node, x.shape[2:], kernel, strides)
    counted, ceil = bool(node.get("count_include_pad", 0)), bool(node.get("ceil_mode", 0))
    if tuple(node.get("dilations", (1, 1))) != (1, 1):
        return _dilated_average(node, x, pads, counted, ceil)
    if is_even(pads) and all(2 * p <= k for p, k in zip(pads, kernel)):
        return F.avg_pool2d(x, kernel, strides, pads[:2], ceil, counted)
    average = without_late_windows(F.avg_pool2d(padded(x, pads), kernel, strides, 0, ceil), x, pads, strides)
    if counted:
        return average
    inside = padded(Tensor(np.ones((1, 1, *x.shape[2:]), x.dtype)), pads)
    return average / without_late_windows(F.avg_pool2d(inside, kernel, strides, 0, ceil), x, pads, strides)


def _dilated_average(node, x, pads, counted, ceil):
    """The sum over each window as a convolution with ones, over the number of pixels that count in it."""
    kernel, strides, dilations = (tuple(node.get(name, (1, 1))) for name in ("kernel_shape", "strides", "dilations"))
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilations)]
    sizes = [n + a + b for n, a, b in zip(x.shape[2:], pads[:2], pads[2:])]
    rest = [-(m - r) % s if ceil else 0 for m, r, s in zip(sizes, reach, strides)]  # what the last windows lack
    options = {"stride": strides, "dilation": dilations}

    def total(image):
        image = padded(image, (0, 0, *rest))
        return F.conv2d(image, Tensor(np.ones((image.shape[1], 1, *kernel), x.dtype)), groups=image.shape[1], **options)

    count = padded(Tensor(np.ones((1, 1, *x.shape[2:]), x.dtype)), pads, 1.0 if counted else 0.0)
    return without_late_windows(total(padded(x, pads)) / total(count), x, pads, strides)


def _global_average_pool(node, x):
    check_image(node, tensor(x))
    return F.adaptive_avg_pool2d(tensor(x), 1)


def _global_max_pool(node, x):
    check_image(node, tensor(x))
    return F.adaptive_max_pool2d(tensor(x), 1)


WINDOWS: dict[str, Operator] = {
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "BatchNormalization": _batch_norm,
    "InstanceNormalization": _instance_norm,
    "MaxPool": _max_pool,
    "MaxUnpool": _max_unpool,
    "AveragePool": _average_pool,
    "GlobalAveragePool": _global_average_pool,
    "GlobalMaxPool": _global_max_pool,
}
