"""PyTorch's implementation of each case, in both memory layouts; gradients are computed singly and without autograd.

Every function takes (params, part) and returns {variant: call}, as in `ours`; {} where PyTorch lacks the case.
"""

from importlib.util import find_spec

import numpy as np
import torch
from torch.nn import functional as F

from . import torch_steps as steps
from .cases import DATA, FORWARD, WEIGHT
from .inputs import boxes, conv_arrays, geometry, images, labels
from .torch_place import layouts, numbers, put, start, synchronize  # noqa: F401 (the worker asks for them here)

aten = torch.ops.aten


def _gradients(g, wanted, transposed=False):
    """f(grad_output, input, weight) with the gradients to input and weight that `wanted` names, both or one."""
    mask = [DATA in wanted, WEIGHT in wanted, False]
    rest = (g.stride, g.padding, g.dilation, transposed, (0, 0), g.groups, mask)

    def call(gy, x, w):
        results = aten.convolution_backward(gy, x, w, None, *rest)
        return tuple(r for r, asked in zip(results, mask) if asked)

    return call


def conv(p, part):
    """A convolution or one of its gradients."""
    g, (x, w, b, y) = geometry(p), conv_arrays(p)
    if part != FORWARD:
        gradient = _gradients(g, (part,))
        return layouts(lambda x, w, y: lambda: gradient(y, x, w), x, w, y)
    return layouts(lambda x, w, b: lambda: F.conv2d(x, w, b, g.stride, g.padding, g.dilation, g.groups), x, w, b)


def conv_transpose(p, part):
    """A transposed convolution or one of its gradients."""
    g, (x, w, b, y) = geometry(p), conv_arrays(p)
    if part != FORWARD:
        gradient = _gradients(g, (part,), True)
        return layouts(lambda x, w, y: lambda: gradient(x, y, w), x, w, y)
    b, size = np.resize(b, p["C"]), y.shape[2:]
    least = ((n - 1) * s - 2 * q + e for n, s, q, e in zip(size, g.stride, g.padding, g.extent))
    rest = g.stride, g.padding, tuple(n - m for n, m in zip((p["H"], p["W"]), least)), g.groups, g.dilation
    return layouts(lambda y, w, b: lambda: F.conv_transpose2d(y, w, b, *rest), y, w, b)


def separable(p, part):
    """A depthwise convolution followed by a pointwise one, or all three gradients of the pair."""
    g = geometry(p)
    x, w, _, _ = conv_arrays(p | {"O": p["C"]})
    _, v, _, y = conv_arrays(p | {"kernel": 1, "padding": 0, "dilation": 1, "groups": 1})

    def depth(x, w):
        return F.conv2d(x, w, None, 1, g.padding, g.dilation, g.groups)

    if part == FORWARD:
        return layouts(lambda x, w, v: lambda: F.conv2d(depth(x, w), v), x, w, v)
    point, deep = _gradients(geometry({"kernel": 1}), (DATA, WEIGHT)), _gradients(g, (DATA, WEIGHT))

    def build(x, w, v, y):
        middle = depth(x, w)

        def backward():
            dm, dv = point(y, middle, v)
            dx, dw = deep(dm, x, w)
            return dx, dw, dv

        return backward

    return layouts(build, x, w, v, y)


def max_pool(p, part):
    """Maximum pooling or its gradient."""
    x, (k, s, q) = images(p, 0), (p["kernel"], p["stride"], p["padding"])
    if part == FORWARD:
        return layouts(lambda x: lambda: F.max_pool2d(x, k, s, q, return_indices=True)[0], x)

    def build(x, y):
        index = F.max_pool2d(x, k, s, q, return_indices=True)[1]
        sizes = ([k, k], [s, s], [q, q], [1, 1], False)
        return lambda: aten.max_pool2d_with_indices_backward(y, x, *sizes, index)

    return layouts(build, x, images(p, 1, size=geometry(p).output_size(x.shape[2:])))


def max_unpool(p, part):
    """Unpooling to stored positions or its gradient."""
    x, k = images(p, 0), p["kernel"]
    y = images(p, 1, size=geometry(p).output_size(x.shape[2:]))

    def build(x, y):
        index = F.max_pool2d(x, k, return_indices=True)[1]
        if part == FORWARD:
            return lambda: F.max_unpool2d(y, index, k)
        return lambda: x.flatten(2).gather(2, index.flatten(2)).view_as(index)  # what autograd runs

    return layouts(build, x, y)


def avg_pool(p, part):
    """Average pooling or its gradient."""
    x, (k, s, q) = images(p, 0), (p["kernel"], p["stride"], p["padding"])
    if part == FORWARD:
        return layouts(lambda x: lambda: F.avg_pool2d(x, k, s, q), x)
    y = images(p, 1, size=geometry(p).output_size(x.shape[2:]))
    sizes = ([k, k], [s, s], [q, q], False, True, None)
    return layouts(lambda x, y: lambda: aten.avg_pool2d_backward(y, x, *sizes), x, y)


def _resize(mode):
    """The builder of an interpolation by the method `mode`, or of its gradient."""

    def build(p, part):
        x, S = images(p, 0), p["size"]
        if part == FORWARD:
            return layouts(lambda x: lambda: F.interpolate(x, (S, S), mode=mode), x)
        shape, y = list(x.shape), images(p, 1, size=(S, S))
        if mode == "nearest":
            return layouts(lambda y: lambda: aten.upsample_nearest2d_backward(y, [S, S], shape), y)
        return layouts(lambda y: lambda: aten.upsample_bilinear2d_backward(y, [S, S], shape, False), y)

    return build


def batch_norm_relu(p, part):
    """Batch normalisation in training mode and a rectifier, or the gradients of both."""
    w, b = np.linspace(0.5, 2, p["C"], dtype=np.float32), np.linspace(-1, 1, p["C"], dtype=np.float32)

    def build(x, g, w, b):
        if part == FORWARD:
            return lambda: F.batch_norm(x, None, None, w, b, True).relu_()
        y, mean, invstd = aten.native_batch_norm(x, w, b, None, None, True, 0.1, 1e-5)
        y = y.relu_()

        def backward():
            h = aten.threshold_backward(g, y, 0)
            return aten.native_batch_norm_backward(h, x, w, None, None, mean, invstd, True, 1e-5, [True] * 3)

        return backward

    return layouts(build, images(p, 0), images(p, 1), w, b)


def cross_entropy(p, part):
    """Cross-entropy of every pixel, or its gradient in the logits."""
    x, t = images(p, 0), put(labels(p, p["C"]))
    if part == FORWARD:
        return layouts(lambda x: lambda: F.cross_entropy(x, t), x)

    def build(x):
        x.requires_grad_()

        def both():
            x.grad = None
            with torch.enable_grad():
                loss = F.cross_entropy(x, t)
            loss.backward()
            return loss, x.grad

        return both

    return layouts(build, x)


def roi_align(p, part):
    """torchvision's, if it is installed."""
    if find_spec("torchvision") is None:
        return {}
    from torchvision import ops

    def build(x, b):
        def align():
            return ops.roi_align(x, b, p["bins"], 1.0, p["samples"], aligned=True)

        if part == FORWARD:
            return align
        x.requires_grad_()
        g = put(images(p | {"N": p["boxes"]}, 1, size=(p["bins"],) * 2))

        def both():
            x.grad = None
            with torch.enable_grad():
                y = align()
            y.backward(g)
            return x.grad

        return both

    return layouts(build, images(p, 0), boxes(p))


OPS = {
    "conv": conv,
    "conv_transpose": conv_transpose,
    "separable": separable,
    "max_pool": max_pool,
    "max_unpool": max_unpool,
    "avg_pool": avg_pool,
    "bilinear": _resize("bilinear"),
    "nearest": _resize("nearest"),
    "batch_norm_relu": batch_norm_relu,
    "cross_entropy": cross_entropy,
    "sgd": steps.optimizer(lambda params, **how: torch.optim.SGD(params, 1e-3, 0.9, weight_decay=1e-4, **how)),
    "adam": steps.optimizer(lambda params, **how: torch.optim.Adam(params, **how)),
    "unet": steps.unet,
    "fcn8s": steps.fcn8s,
    "deeplab": steps.deeplab,
    "tape": steps.tape,
    "roi_align": roi_align,
    "crf": lambda p, part: {},
}
