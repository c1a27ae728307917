"""Any network here in PyTorch: its ONNX file, node by node, with PyTorch's layers and functions.

Sizes follow from the one image that the network is built for, so that what runs is what a model written for it would run:
convolutions, batch norms that learn, activations.
"""

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator
from torch import nn
from torch.nn import functional as F

LEARNT = ("Conv", "ConvTranspose", "BatchNormalization", "Gemm", "PRelu")


class Network(nn.Module):
    """The network of an ONNX file for images of the shape of `x`."""

    def __init__(self, path, x):
        super().__init__()
        graph = onnx.load(path).graph
        self.known = {t.name: numpy_helper.to_array(t).copy() for t in graph.initializer}
        self.inputs, self.outputs = [i.name for i in graph.input], [o.name for o in graph.output]
        self.steps, values = [], {self.inputs[0]: x}
        with torch.no_grad():
            for node in graph.node:
                self._add(node, values)
        del self.known

    def _add(self, node, values):
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        if node.op_type == "Shape":
            self.known[node.output[0]] = np.array(values[node.input[0]].shape)
        elif all(name in self.known or not name for name in node.input):
            feeds = {name: self.known[name] for name in node.input if name}
            self.known |= zip(node.output, ReferenceEvaluator(node).run(None, feeds))
        else:
            arguments = [self._argument(node, k, name, values) for k, name in enumerate(node.input)]
            function = self._function(node, attributes)
            self.steps.append((function, arguments, list(node.output)))
            values |= zip(node.output, _results(function(*_fetched(arguments, values))))

    def _argument(self, node, k, name, values):
        """A name of a value, or what it is for good: a Parameter, a buffer, or an array of sizes."""
        if name in values or not name:
            return name
        array = self.known[name]
        if node.op_type in LEARNT and k:
            if not hasattr(self, _plain(name)):
                running = node.op_type == "BatchNormalization" and k > 2
                tensor = torch.from_numpy(array)
                (self.register_buffer if running else self.register_parameter)(
                    _plain(name), tensor if running else nn.Parameter(tensor)
                )
            return getattr(self, _plain(name))
        return torch.from_numpy(array) if array.dtype.kind == "f" and array.ndim else array

    def _function(self, node, a):
        """The function of the node's results from its arguments."""
        if node.op_type == "BatchNormalization":
            return lambda x, w, b, m, v: F.batch_norm(x, m, v, w, b, self.training, 0.1, a.get("epsilon", 1e-5))
        if node.op_type not in OPERATORS:
            raise NotImplementedError(f"{node.op_type} has no counterpart in PyTorch here")
        return OPERATORS[node.op_type](a)

    def forward(self, x):
        values = {self.inputs[0]: x}
        for function, arguments, names in self.steps:
            values |= zip(names, _results(function(*_fetched(arguments, values))))
        return values[self.outputs[0]]


def _plain(name):
    return name.replace(".", "_")


def _fetched(arguments, values):
    return [values[a] if isinstance(a, str) and a else None if isinstance(a, str) else a for a in arguments]


def _results(out):
    return out if isinstance(out, tuple | list) else (out,)


def _padded(x, pads, value=0.0):
    """x with the widths of ONNX's `pads`, and what is left of them: symmetric ones."""
    top, left, bottom, right = pads
    if (top, left) == (bottom, right):
        return x, (top, left)
    return F.pad(x, (left, right, top, bottom), value=value), (0, 0)


def _conv(a):
    rest = a.get("strides", 1), a.get("dilations", 1), a.get("group", 1)

    def call(x, w, b=None):
        x, padding = _padded(x, a.get("pads", (0,) * 4))
        return F.conv2d(x, w, b, rest[0], padding, *rest[1:])

    return call


def _conv_transpose(a):
    rest = a["strides"], a["pads"][:2], a.get("output_padding", 0), a.get("group", 1), a["dilations"]
    return lambda x, w, b=None: F.conv_transpose2d(x, w, b, *rest)


def _max_pool(a):
    def call(x):
        y, padding = _padded(x, a["pads"], float("-inf"))
        size = a["kernel_shape"], a["strides"], padding, a.get("dilations", 1), bool(a.get("ceil_mode", 0))
        return F.max_pool2d(y, *size, return_indices=True)

    return call


def _avg_pool(a):
    size = a["kernel_shape"], a["strides"], a["pads"][:2], bool(a.get("ceil_mode", 0)), bool(a["count_include_pad"])
    return lambda x: F.avg_pool2d(x, *size)


def _resize(a):
    linear = a["mode"] == b"linear"
    corners = a["coordinate_transformation_mode"] == b"align_corners"

    def call(x, roi, scales, size):
        size = [int(n) for n in size[2:]]
        return F.interpolate(x, size, mode="bilinear", align_corners=corners) if linear else F.interpolate(x, size)

    return call


def _slice(a):
    def call(x, starts, ends, axes=None, steps=None):
        index = [slice(None)] * x.ndim
        for k, axis in enumerate(range(len(starts)) if axes is None else axes):
            index[axis] = slice(int(starts[k]), min(int(ends[k]), 1 << 40), 1 if steps is None else int(steps[k]))
        return x[tuple(index)]

    return call


def _pad(a):
    def call(x, pads, value=None, axes=None):
        n = len(pads) // 2
        axes = range(n) if axes is None else [int(k) % x.ndim for k in axes]
        widths = [(0, 0)] * x.ndim
        for k, axis in enumerate(axes):
            widths[axis] = int(pads[k]), int(pads[n + k])
        flat = [w for pair in widths[::-1] for w in pair]
        mode = {b"edge": "replicate", b"reflect": "reflect"}.get(a.get("mode", b"constant"), "constant")
        return F.pad(x, flat) if mode == "constant" else F.pad(x, flat[:4], mode)

    return call


def _split(a):
    return lambda x, sizes=None: (
        x.split([int(n) for n in sizes], a.get("axis", 0))
        if sizes is not None
        else x.chunk(a["num_outputs"], a.get("axis", 0))
    )


def _max_unpool(a):
    return lambda x, index: F.max_unpool2d(x, index, a["kernel_shape"], a["strides"], a["pads"][:2])


def _reduced(function):
    return lambda a: lambda x, axes: function(x, [int(k) for k in axes], keepdim=bool(a.get("keepdims", 1)))


def _tensor(value, like):
    return value if isinstance(value, torch.Tensor) else torch.as_tensor(np.asarray(value), dtype=like.dtype)


def _binary(function):
    def call(x, y):
        like = x if isinstance(x, torch.Tensor) else y
        return function(_tensor(x, like), _tensor(y, like))

    return lambda a: call


def _clip(a):
    return lambda x, low=None, high=None: x.clamp(*(None if v is None else float(v) for v in (low, high)))


def _unary(function):
    return lambda a: function


OPERATORS = {
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "MaxPool": _max_pool,
    "MaxUnpool": _max_unpool,
    "AveragePool": _avg_pool,
    "GlobalAveragePool": _unary(lambda x: x.mean((2, 3), keepdim=True)),
    "Resize": _resize,
    "Slice": _slice,
    "Pad": _pad,
    "Split": _split,
    "Concat": lambda a: lambda *xs: torch.cat(xs, a["axis"]),
    "Reshape": _unary(lambda x, shape: x.reshape([int(n) if n else x.shape[k] for k, n in enumerate(shape)])),
    "Flatten": lambda a: lambda x: x.flatten(a.get("axis", 1)),
    "Transpose": lambda a: lambda x: x.permute(*a["perm"]),
    "Expand": _unary(lambda x, shape: x.expand([int(n) for n in shape])),
    "Gather": lambda a: lambda x, index: x.select(a.get("axis", 0), int(index)),
    "Identity": _unary(lambda x: x),
    "Gemm": lambda a: lambda x, w, b=None: F.linear(x, w, b),
    "PRelu": _unary(lambda x, slopes: F.prelu(x, slopes.flatten())),
    "Relu": _unary(torch.relu),
    "Clip": _clip,
    "Sigmoid": _unary(torch.sigmoid),
    "Tanh": _unary(torch.tanh),
    "Neg": _unary(torch.neg),
    "Abs": _unary(torch.abs),
    "Exp": _unary(torch.exp),
    "Sqrt": _unary(torch.sqrt),
    "HardSwish": _unary(F.hardswish),
    "Elu": lambda a: lambda x: F.elu(x, a["alpha"]),
    "LeakyRelu": lambda a: lambda x: F.leaky_relu(x, a["alpha"]),
    "Softmax": lambda a: lambda x: torch.softmax(x, a["axis"]),
    "ReduceMean": _reduced(torch.mean),
    "ReduceSum": _reduced(torch.sum),
    "ReduceMax": _reduced(torch.amax),
    "Add": _binary(torch.add),
    "Sub": _binary(torch.sub),
    "Mul": _binary(torch.mul),
    "Div": _binary(torch.div),
    "Max": _binary(torch.maximum),
    "MatMul": _binary(torch.matmul),
}
