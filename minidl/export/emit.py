"""The ONNX form of each function: (graph, result, arguments by name) -> name of the result, or names."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .emit_pointwise import POINTWISE
from .emit_shape import chunk, crop, expand, flatten, getitem, pad, reshape, transpose

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


def conv2d(g: Graph, out: Any, args: Any) -> Any:
    """Conv; padding "same" becomes four widths."""
    kernel = args.weight.data.shape[2:]
    if args.padding == "same":
        total = [d * (k - 1) for d, k in zip(_pair(args.dilation), kernel)]
        pads = (*[t // 2 for t in total], *[t - t // 2 for t in total])
    else:
        pads = (0,) * 4 if args.padding == "valid" else _pair(args.padding) * 2
    window = _window(kernel, args.stride, 0, args.dilation) | {"pads": pads}
    return g.node(
        "Conv", args.input, args.weight, *([] if args.bias is None else [args.bias]), group=args.groups, **window
    )


def conv_transpose2d(g: Graph, out: Any, args: Any) -> Any:
    """ConvTranspose."""
    window = _window(args.weight.data.shape[2:], args.stride, args.padding, args.dilation)
    inputs = [args.input, args.weight, *([] if args.bias is None else [args.bias])]
    return g.node("ConvTranspose", *inputs, group=args.groups, output_padding=_pair(args.output_padding), **window)


def batch_norm(g: Graph, out: Any, args: Any) -> Any:
    """BatchNormalization, then Relu or Clip where they are fused."""
    if args.training:
        raise ValueError("export: batch norm is in training mode; call model.eval()")
    ones = np.ones(out.shape[1], np.float32)
    scale, shift = ones if args.weight is None else args.weight, 0 * ones if args.bias is None else args.bias
    y = g.node(
        "BatchNormalization", args.input, scale, shift, args.running_mean, args.running_var, epsilon=float(args.eps)
    )
    if args.relu and args.ceiling < math.inf:
        return g.node("Clip", y, np.float32(0), np.float32(args.ceiling))
    return g.node("Relu", y) if args.relu else y


def max_pool2d(g: Graph, out: Any, args: Any) -> Any:
    """MaxPool, with indices as a second output if requested."""
    window = _window(args.kernel_size, args.stride, args.padding, args.dilation)
    return g.node("MaxPool", args.input, outputs=1 + args.return_indices, ceil_mode=int(args.ceil_mode), **window)


def instance_norm(g: Graph, out: Any, args: Any) -> Any:
    """InstanceNormalization."""
    if not args.use_input_stats:
        raise NotImplementedError("export: instance_norm with running statistics has no ONNX form here")
    channels = out.shape[1]
    scale = np.ones(channels, np.float32) if args.weight is None else args.weight
    shift = np.zeros(channels, np.float32) if args.bias is None else args.bias
    return g.node("InstanceNormalization", args.input, scale, shift, epsilon=float(args.eps))


def adaptive_max_pool2d(g: Graph, out: Any, args: Any) -> Any:
    """GlobalMaxPool."""
    if args.return_indices or out.shape[2:] != (1, 1):
        raise NotImplementedError("export: adaptive_max_pool2d to more than one pixel has no ONNX form here")
    return g.node("GlobalMaxPool", args.input)


def max_unpool2d(g: Graph, out: Any, args: Any) -> Any:
    """MaxUnpool."""
    if args.output_size is not None:
        raise NotImplementedError("export: max_unpool2d with output_size has no ONNX form here")
    window = _window(args.kernel_size, args.stride, args.padding, 1)
    del window["dilations"]
    return g.node("MaxUnpool", args.input, args.indices, **window)


def avg_pool2d(g: Graph, out: Any, args: Any) -> Any:
    """AveragePool."""
    if args.divisor_override is not None:
        raise NotImplementedError("export: avg_pool2d with divisor_override has no ONNX form here")
    window = _window(args.kernel_size, args.stride, args.padding, 1)
    del window["dilations"]
    return g.node(
        "AveragePool",
        args.input,
        ceil_mode=int(args.ceil_mode),
        count_include_pad=int(args.count_include_pad),
        **window,
    )


def adaptive_avg_pool2d(g: Graph, out: Any, args: Any) -> Any:
    """GlobalAveragePool, or products with two averaging matrices."""
    if out.shape[2:] == (1, 1):
        return g.node("GlobalAveragePool", args.input)
    rows, columns = (_bins(g, args.input.shape[axis], out.shape[axis]) for axis in (2, 3))
    y = g.node("MatMul", rows, args.input)  # (bins, H) x (N, C, H, W)
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


def interpolate(g: Graph, out: Any, args: Any) -> Any:
    """Resize."""
    if args.mode not in ("bilinear", "nearest"):
        raise NotImplementedError(f"export: interpolate in mode {args.mode!r} has no ONNX form here")
    N, C, H, W = args.input.shape
    size = args.size
    if size is None:
        factors = (
            _pair(int(args.scale_factor))
            if isinstance(args.scale_factor, float | int)
            else tuple(map(int, args.scale_factor))
        )
        if out.shape[2:] != (H * factors[0], W * factors[1]):
            raise NotImplementedError(f"export: interpolate by {args.scale_factor}; needed whole factors")
        size = (H * factors[0], W * factors[1])
    where = "align_corners" if args.align_corners else "half_pixel" if args.mode == "bilinear" else "asymmetric"
    attributes: dict[str, Any] = {"coordinate_transformation_mode": where}
    attributes |= {"mode": "linear"} if args.mode == "bilinear" else {"mode": "nearest", "nearest_mode": "floor"}
    return g.node("Resize", args.input, "", "", g.vector((N, C, *_pair(size))), **attributes)


def mean(g: Graph, out: Any, args: Any) -> Any:
    """ReduceMean."""
    return g.node(
        "ReduceMean",
        args.x,
        np.array(_pair(args.dim) if args.dim is not None else range(args.x.ndim)),
        keepdims=int(args.keepdim),
    )


def sum(g: Graph, out: Any, args: Any) -> Any:
    """ReduceSum."""
    return g.node(
        "ReduceSum",
        args.x,
        np.array(_pair(args.dim) if args.dim is not None else range(args.x.ndim)),
        keepdims=int(args.keepdim),
    )


def linear(g: Graph, out: Any, args: Any) -> Any:
    """Gemm."""
    return g.node("Gemm", args.x, args.weight, *([] if args.bias is None else [args.bias]), transB=1)


def prelu(g: Graph, out: Any, args: Any) -> Any:
    """PRelu."""
    slopes = args.weight.data.reshape(-1, *[1] * (out.ndim - 2)) if out.ndim > 2 else args.weight.data
    return g.node("PRelu", args.x, slopes)


def _extremum(op):
    def emit(g, out, args):
        axes = range(args.x.ndim) if args.dim is None else np.atleast_1d(args.dim)
        return g.node(op, args.x, np.array(axes), keepdims=int(args.keepdim))

    return emit


EMIT = POINTWISE | {
    "conv2d": conv2d,
    "conv_transpose2d": conv_transpose2d,
    "batch_norm": batch_norm,
    "max_pool2d": max_pool2d,
    "max_unpool2d": max_unpool2d,
    "instance_norm": instance_norm,
    "pixel_shuffle": lambda g, out, args: g.node("DepthToSpace", args.input, blocksize=args.upscale_factor, mode="CRD"),
    "adaptive_max_pool2d": adaptive_max_pool2d,
    "avg_pool2d": avg_pool2d,
    "adaptive_avg_pool2d": adaptive_avg_pool2d,
    "interpolate": interpolate,
    "pad": pad,
    "crop": crop,
    "chunk": chunk,
    "cat": lambda g, out, args: g.node("Concat", *args.tensors, axis=args.dim),
    "reshape": reshape,
    "transpose": transpose,
    "flatten": flatten,
    "expand": expand,
    "mean": mean,
    "sum": sum,
    "linear": linear,
    "prelu": prelu,
    "getitem": getitem,
    "split": chunk,
    "permute": lambda g, out, args: g.node("Transpose", args.x, perm=list(args.dims)),
    "amax": _extremum("ReduceMax"),
    "amin": _extremum("ReduceMin"),
    "logsumexp": _extremum("ReduceLogSumExp"),
    "log_softmax": lambda g, out, args: g.node("LogSoftmax", args.x, axis=args.dim),
    "softmax": lambda g, out, args: g.node("Softmax", args.x, axis=args.dim),
    "dropout": lambda g, out, args: _off(args.input, args.training),
    "dropout2d": lambda g, out, args: _off(args.input, args.training),
}


def _off(input, training):
    if training:
        raise ValueError("export: dropout is in training mode; call model.eval()")
    return input
