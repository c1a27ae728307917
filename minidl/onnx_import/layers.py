"""Layers of `minidl.nn` for nodes whose weights are in the file."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from .. import functional as F
from .. import nn
from ..autograd.tensor import Tensor
from ..nn.module import Module
from .values import Node, reissued
from .windows import is_even, padded, window_pads

Arrays = Mapping[str, np.ndarray]


class PaddedConv2d(nn.Conv2d):
    """A convolution whose padding is uneven, or depends on the image's size (`auto_pad`)."""

    node: Node

    def forward(self, x: Tensor) -> Tensor:
        """The convolution of the padded image."""
        return reissued(self._padded)(self.node, x, self.weight, *([] if self.bias is None else [self.bias]))

    def _padded(self, node, x, *weights):
        return super().forward(padded(x, window_pads(node, x.shape[2:], self.weight.shape[2:], self.stride)))


class BatchNorm(nn.BatchNorm2d):
    """A batch norm of (N, C), (N, C, L) or (N, C, H, W), as ONNX has one operator for all of them."""

    def forward(self, input: Tensor, relu: bool = False, ceiling: float = math.inf) -> Tensor:
        """The normalised values, in the shape of the input."""
        if input.ndim not in (2, 3):
            return super().forward(input, relu, ceiling)
        image = F.reshape(input, (*input.shape, *(1,) * (4 - input.ndim)))
        return F.reshape(super().forward(image, relu, ceiling), input.shape)


def layer_for(node: Node, inputs: Sequence[str], known: Arrays) -> tuple[Module | None, bool]:
    """(the layer of a node, whether it has weights), or (None, False) where the node runs as an operator."""
    build = _WEIGHTED.get(node.op)
    arrays = [known.get(name) if name else None for name in inputs[1:]]
    if build is not None and inputs[0] not in known and all(a is not None for a, n in zip(arrays, inputs[1:]) if n):
        layer = build(node, *arrays)
        return layer, layer is not None
    plain = _PLAIN.get(node.op)
    return (plain(node) if plain is not None and len(inputs) == 1 else None), False


def _fill(layer, **arrays):
    for name, array in arrays.items():
        if array is not None:
            getattr(layer, name).data = np.ascontiguousarray(array)
    return layer


def _conv(node, w, bias=None):
    if w.ndim != 4:
        return None
    pads, group = tuple(node.get("pads", (0, 0, 0, 0))), node.get("group", 1)
    plain = node.get("auto_pad", "NOTSET") in ("NOTSET", "VALID", "") and is_even(pads)
    plain_pads = (0, 0) if node.get("auto_pad") == "VALID" else pads[:2]
    kind = nn.Conv2d if plain else PaddedConv2d
    options = {"stride": tuple(node.get("strides", (1, 1))), "dilation": tuple(node.get("dilations", (1, 1)))}
    options |= {"padding": plain_pads if plain else 0, "groups": group, "bias": bias is not None}
    layer = kind(w.shape[1] * group, w.shape[0], w.shape[2:], **options)
    layer.node = node
    return _fill(layer, weight=w, bias=bias)


def _conv_transpose(node, w, bias=None):
    pads, extra = tuple(node.get("pads", (0, 0, 0, 0))), tuple(node.get("output_padding", (0, 0)))
    simple = node.get("auto_pad", "NOTSET") in ("NOTSET", "") and node.get("output_shape") is None and is_even(pads)
    strides, dilations = tuple(node.get("strides", (1, 1))), tuple(node.get("dilations", (1, 1)))
    if w.ndim != 4 or not simple or any(e >= max(s, d) for e, s, d in zip(extra, strides, dilations)):
        return None
    group = node.get("group", 1)
    options = {"stride": strides, "dilation": dilations, "padding": pads[:2], "output_padding": extra}
    layer = nn.ConvTranspose2d(
        w.shape[0], w.shape[1] * group, w.shape[2:], groups=group, bias=bias is not None, **options
    )
    return _fill(layer, weight=w, bias=bias)


def _batch_norm(node, scale, shift, mean, var):
    layer = BatchNorm(len(scale), node.get("epsilon", 1e-5), 1 - node.get("momentum", 0.9))
    return _fill(layer, weight=scale, bias=shift, running_mean=mean, running_var=var)


def _gemm(node, b, c=None):
    if node.get("transA", 0) or node.get("alpha", 1.0) != 1 or node.get("beta", 1.0) != 1 or b.ndim != 2:
        return None
    w = b if node.get("transB", 0) else b.T
    if c is not None and c.size not in (1, len(w)):
        return None
    bias = None if c is None else np.broadcast_to(c.reshape(-1), (len(w),)).copy()
    return _fill(nn.Linear(w.shape[1], w.shape[0], bias=c is not None), weight=w, bias=bias)


def _matmul(node, b):
    return None if b.ndim != 2 or b.dtype.kind != "f" else _fill(nn.Linear(*b.shape, bias=False), weight=b.T)


def _prelu(node, slope):
    if slope.size != 1 and slope.shape != (len(slope), 1, 1):
        return None
    return _fill(nn.PReLU(slope.size), weight=slope.reshape(-1))


def _max_pool(node):
    kernel, pads = tuple(node.get("kernel_shape")), tuple(node.get("pads", (0, 0, 0, 0)))
    even = node.get("auto_pad", "NOTSET") in ("NOTSET", "") and is_even(pads) and len(kernel) == 2
    if not even or node.get("outputs", 1) > 1 or any(2 * p > k for p, k in zip(pads, kernel)):
        return None
    options = {"dilation": tuple(node.get("dilations", (1, 1))), "ceil_mode": bool(node.get("ceil_mode", 0))}
    return nn.MaxPool2d(kernel, tuple(node.get("strides", (1, 1))), pads[:2], **options)


_WEIGHTED: dict[str, Callable[..., Module | None]] = {
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "BatchNormalization": _batch_norm,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "PRelu": _prelu,
}
_PLAIN: dict[str, Callable[[Node], Module | None]] = {
    "Relu": lambda node: nn.ReLU(),
    "Sigmoid": lambda node: nn.Sigmoid(),
    "Tanh": lambda node: nn.Tanh(),
    "HardSwish": lambda node: nn.Hardswish(),
    "LeakyRelu": lambda node: nn.LeakyReLU(node.get("alpha", 0.01)),
    "Elu": lambda node: nn.ELU(node.get("alpha", 1.0)),
    "MaxPool": _max_pool,
    "GlobalAveragePool": lambda node: nn.AdaptiveAvgPool2d(1),
}
