"""What each function is in ONNX: (graph, result, arguments) -> name of the value, or names."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .graph import Graph


def _pair(v):
    return (v, v) if isinstance(v, int) else tuple(v)


def _window(kernel, stride, padding, dilation):
    p = _pair(padding)
    return {
        "kernel_shape": _pair(kernel),
        "strides": _pair(kernel if stride is None else stride),
        "pads": (*p, *p),
        "dilations": _pair(dilation),
    }


def conv2d(
    g: Graph, out: Any, input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: Any
) -> Any:
    kernel = weight.data.shape[2:]
    if padding == "same":
        total = [d * (k - 1) for d, k in zip(_pair(dilation), kernel)]
        pads = (*[t // 2 for t in total], *[t - t // 2 for t in total])
    else:
        pads = (0,) * 4 if padding == "valid" else _pair(padding) * 2
    window = _window(kernel, stride, 0, dilation) | {"pads": pads}
    return g.node("Conv", input, weight, *([] if bias is None else [bias]), group=groups, **window)


def conv_transpose2d(
    g: Graph,
    out: Any,
    input: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: Any,
    dilation: Any,
) -> Any:
    window = _window(weight.data.shape[2:], stride, padding, dilation)
    inputs = [input, weight, *([] if bias is None else [bias])]
    return g.node("ConvTranspose", *inputs, group=groups, output_padding=_pair(output_padding), **window)


def batch_norm(
    g: Graph,
    out: Any,
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any,
    bias: Any,
    training: Any,
    momentum: Any,
    eps: Any,
    relu: Any,
    ceiling: Any,
) -> Any:
    if training:
        raise ValueError("export: batch norm is in training mode; call model.eval()")
    ones = np.ones(out.shape[1], np.float32)
    scale, shift = ones if weight is None else weight, 0 * ones if bias is None else bias
    y = g.node("BatchNormalization", input, scale, shift, running_mean, running_var, epsilon=float(eps))
    if relu and ceiling < math.inf:
        return g.node("Clip", y, np.float32(0), np.float32(ceiling))
    return g.node("Relu", y) if relu else y


def max_pool2d(
    g: Graph,
    out: Any,
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: Any,
    return_indices: Any,
) -> Any:
    window = _window(kernel_size, stride, padding, dilation)
    return g.node("MaxPool", input, outputs=1 + return_indices, ceil_mode=int(ceil_mode), **window)


def max_unpool2d(
    g: Graph, out: Any, input: Any, indices: Any, kernel_size: Any, stride: Any, padding: Any, output_size: Any
) -> Any:
    if output_size is not None:
        raise NotImplementedError("export: max_unpool2d with output_size has no ONNX form here")
    window = _window(kernel_size, stride, padding, 1)
    del window["dilations"]
    return g.node("MaxUnpool", input, indices, **window)


def avg_pool2d(
    g: Graph,
    out: Any,
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: Any,
    count_include_pad: Any,
    divisor_override: int | None = None,
) -> Any:
    if divisor_override is not None:
        raise NotImplementedError("export: avg_pool2d with divisor_override has no ONNX form here")
    window = _window(kernel_size, stride, padding, 1)
    del window["dilations"]
    return g.node("AveragePool", input, ceil_mode=int(ceil_mode), count_include_pad=int(count_include_pad), **window)


def adaptive_avg_pool2d(g: Graph, out: Any, input: Any, output_size: Any) -> Any:
    if out.shape[2:] == (1, 1):
        return g.node("GlobalAveragePool", input)
    rows, columns = (_bins(g, input.shape[axis], out.shape[axis]) for axis in (2, 3))
    y = g.node("MatMul", rows, input)  # (bins, H) x (N, C, H, W)
    return g.node("MatMul", y, g.node("Transpose", columns, perm=(1, 0)))


def _bins(g, n, m):
    """(m, n) matrix of averages over floor(i n / m) ... ceil((i + 1) n / m) - 1."""
    i = np.arange(m)[:, None]
    start = g.node("Div", g.node("Mul", i, n), np.array([m]))
    end = g.node("Div", g.node("Add", g.node("Mul", i + 1, n), np.array([m - 1])), np.array([m]))
    j = g.node("Range", np.array(0), g.node("Squeeze", n), np.array(1))
    inside = g.node("And", g.node("GreaterOrEqual", j, start), g.node("Less", j, end))
    FLOAT = 1
    return g.node("Div", g.node("Cast", inside, to=FLOAT), g.node("Cast", g.node("Sub", end, start), to=FLOAT))


def interpolate(g: Graph, out: Any, input: Any, size: Any, scale_factor: Any, mode: Any, align_corners: Any) -> Any:
    if mode not in ("bilinear", "nearest"):
        raise NotImplementedError(f"export: interpolate in mode {mode!r} has no ONNX form here")
    N, C, H, W = input.shape
    if size is None:
        factors = _pair(int(scale_factor)) if isinstance(scale_factor, float | int) else tuple(map(int, scale_factor))
        if out.shape[2:] != (H * factors[0], W * factors[1]):
            raise NotImplementedError(f"export: interpolate by {scale_factor}; needed whole factors")
        size = (H * factors[0], W * factors[1])
    where = "align_corners" if align_corners else "half_pixel" if mode == "bilinear" else "asymmetric"
    attributes = {"mode": "linear" if mode == "bilinear" else "nearest", "coordinate_transformation_mode": where}
    attributes |= {"nearest_mode": "floor"} if mode == "nearest" else {}
    return g.node("Resize", input, "", "", g.vector((N, C, *_pair(size))), **attributes)


def pad(g: Graph, out: Any, x: Any, pad: Any, mode: Any, value: Any) -> Any:
    pairs = [*zip(pad[::2], pad[1::2])]
    pairs = [(0, 0)] * (out.ndim - len(pairs)) + pairs[::-1]
    widths = g.vector([a for a, _ in pairs] + [b for _, b in pairs])
    names = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
    extra = [np.float32(value)] if mode == "constant" else []
    return g.node("Pad", x, widths, *extra, mode=names[mode])


def crop(g: Graph, out: Any, x: Any, top: Any, left: Any, height: Any, width: Any) -> Any:
    return _slice(g, x, (top, left), (top + height, left + width), (2, 3))


def _slice(g, x, starts, ends, axes):
    return g.node("Slice", x, g.vector(starts), g.vector(ends), np.array(axes))


def chunk(g: Graph, out: Any, x: Any, chunks: Any, dim: Any) -> Any:
    stops = np.cumsum([0, *(o.shape[dim] for o in out)])
    return [_slice(g, x, (a,), (b,), (dim,)) for a, b in pairwise(stops)]


def reshape(g: Graph, out: Any, x: Any, shape: Any) -> Any:
    return g.node("Reshape", x, g.vector(shape))


def transpose(g: Graph, out: Any, x: Any, dim0: Any, dim1: Any) -> Any:
    perm = list(range(out.ndim))
    perm[dim0], perm[dim1] = perm[dim1], perm[dim0]
    return g.node("Transpose", x, perm=perm)


def flatten(g: Graph, out: Any, x: Any, start_dim: Any, end_dim: Any) -> Any:
    if start_dim != 1 or end_dim not in (-1, x.ndim - 1):
        raise NotImplementedError("export: flatten keeps the first axis only")
    return g.node("Flatten", x, axis=1)


def expand(g: Graph, out: Any, x: Any, shape: Any) -> Any:
    return g.node("Expand", x, g.vector([1 if isinstance(n, int) and n == -1 else n for n in shape]))


def mean(g: Graph, out: Any, x: Any, dim: Any, keepdim: Any) -> Any:
    return g.node("ReduceMean", x, np.array(_pair(dim) if dim is not None else range(x.ndim)), keepdims=int(keepdim))


def sum(g: Graph, out: Any, x: Any, dim: Any, keepdim: Any) -> Any:
    return g.node("ReduceSum", x, np.array(_pair(dim) if dim is not None else range(x.ndim)), keepdims=int(keepdim))


def linear(g: Graph, out: Any, x: Any, weight: Any, bias: Any) -> Any:
    return g.node("Gemm", x, weight, *([] if bias is None else [bias]), transB=1)


def prelu(g: Graph, out: Any, x: Any, weight: Any) -> Any:
    slopes = weight.data.reshape(-1, *[1] * (out.ndim - 2)) if out.ndim > 2 else weight.data
    return g.node("PRelu", x, slopes)


def _number(v):
    return np.float32(v) if isinstance(v, float | int) else v


def _elementwise(op):
    return lambda g, out, a, b: g.node(op, _number(a), _number(b))


_UNARY = {"neg": "Neg", "abs": "Abs", "exp": "Exp", "log": "Log", "sqrt": "Sqrt", "erf": "Erf"}


def _unary(op):
    return lambda g, out, x: g.node(op, x)


def getitem(g: Graph, out: Any, x: Any, key: Any) -> Any:
    """Slices, and at most one vector of positions; both are along axes that the key names from the left."""
    key = key if isinstance(key, tuple) else (key,)
    slices = [(axis, s) for axis, s in enumerate(key) if isinstance(s, slice) and s != slice(None)]
    positions = [(axis, k) for axis, k in enumerate(key) if isinstance(k, np.ndarray)]
    if len(positions) > 1 or any(k is Ellipsis or k is None for k in key) or any(isinstance(k, int) for k in key):
        raise NotImplementedError(f"export: indexing by {key} has no ONNX form here")
    y = x
    if slices:
        ends = [np.iinfo(np.int64).max if s.stop is None else s.stop for _, s in slices]
        steps = np.array([s.step or 1 for _, s in slices])
        axes = np.array([axis for axis, _ in slices])
        y = g.node("Slice", x, g.vector([s.start or 0 for _, s in slices]), g.vector(ends), axes, steps)
    for axis, index in positions:
        y = g.node("Gather", y, index, axis=axis)
    return y


def clamp(g: Graph, out: Any, x: Any, min: Any, max: Any) -> Any:
    return g.node("Clip", x, *["" if v is None else np.float32(v) for v in (min, max)])


def _extremum(op):
    def emit(g, out, x, dim, keepdim):
        axes = range(x.ndim) if dim is None else _pair(dim) if not isinstance(dim, int) else (dim,)
        return g.node(op, x, np.array(list(axes)), keepdims=int(keepdim))

    return emit


EMIT = {
    "conv2d": conv2d,
    "conv_transpose2d": conv_transpose2d,
    "batch_norm": batch_norm,
    "max_pool2d": max_pool2d,
    "max_unpool2d": max_unpool2d,
    "avg_pool2d": avg_pool2d,
    "adaptive_avg_pool2d": adaptive_avg_pool2d,
    "interpolate": interpolate,
    "pad": pad,
    "crop": crop,
    "chunk": chunk,
    "cat": lambda g, out, tensors, dim: g.node("Concat", *tensors, axis=dim),
    "reshape": reshape,
    "transpose": transpose,
    "flatten": flatten,
    "expand": expand,
    "mean": mean,
    "sum": sum,
    "linear": linear,
    "prelu": prelu,
    "add": _elementwise("Add"),
    "sub": _elementwise("Sub"),
    "mul": _elementwise("Mul"),
    "div": _elementwise("Div"),
    "maximum": _elementwise("Max"),
    "minimum": _elementwise("Min"),
    "pow": _elementwise("Pow"),
    "matmul": _elementwise("MatMul"),
    **{name: _unary(op) for name, op in _UNARY.items()},
    "clamp": clamp,
    "getitem": getitem,
    "split": lambda g, out, x, split_size, dim: chunk(g, out, x, None, dim),
    "permute": lambda g, out, x, dims: g.node("Transpose", x, perm=list(dims)),
    "amax": _extremum("ReduceMax"),
    "amin": _extremum("ReduceMin"),
    "log_softmax": lambda g, out, x, dim: g.node("LogSoftmax", x, axis=dim),
    "relu": lambda g, out, x: g.node("Relu", x),
    "relu6": lambda g, out, x: g.node("Clip", x, np.float32(0), np.float32(6)),
    "sigmoid": lambda g, out, x: g.node("Sigmoid", x),
    "tanh": lambda g, out, x: g.node("Tanh", x),
    "softmax": lambda g, out, x, dim: g.node("Softmax", x, axis=dim),
    "elu": lambda g, out, x, alpha: g.node("Elu", x, alpha=float(alpha)),
    "hardswish": lambda g, out, x: g.node("HardSwish", x),
    "leaky_relu": lambda g, out, x, negative_slope: g.node("LeakyRelu", x, alpha=float(negative_slope)),
    "dropout": lambda g, out, input, p, training: _off(input, training),
    "dropout2d": lambda g, out, input, p, training: _off(input, training),
}


def _off(input, training):
    if training:
        raise ValueError("export: dropout is in training mode; call model.eval()")
    return input
