"""Resize and Upsample of ONNX: nearest, linear and cubic, in every coordinate mode, with and without antialiasing.

An output coordinate i is mapped to a coordinate x of the input; the output is a weighted sum of input pixels around x. Rows and
columns are independent, so one table of weights per axis is enough. Modes that PyTorch has run as `F.interpolate`, others
with up to two taps per output as the resize kernel, cubic and antialiased ones as products with a matrix of weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .. import functional as F
from ..autograd.tensor import Tensor
from ..functional.resize import _resize
from .values import Node, Operator, again, integers, is_traced, tensor

_INTERPOLATE: dict[tuple[str, ...], dict[str, Any]] = {
    ("nearest", "asymmetric", "floor"): {"mode": "nearest"},
    ("linear", "half_pixel"): {"mode": "bilinear", "align_corners": False},
    ("linear", "pytorch_half_pixel"): {"mode": "bilinear", "align_corners": False},
    ("linear", "align_corners"): {"mode": "bilinear", "align_corners": True},
}
SIMPLE = "simple"  # of opsets before 11, which do not say how to round: onnxruntime's, ceil where an axis shrinks, else floor
_ROUND: dict[str, Callable[..., np.ndarray]] = {
    "round_prefer_floor": lambda x: np.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: np.floor(x + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}


class Axis(NamedTuple):
    """One resized axis: n input and m output pixels, the scale m / n as the file gives it, and the region of interest."""

    n: int
    m: int
    scale: float
    start: float = 0.0
    end: float = 1.0


def coordinates(node: Node, axis: Axis) -> np.ndarray:
    """The input coordinate of each output pixel."""
    n, m, scale, start, end = axis
    # A tie between two pixels is decided in float32, as other programs decide it.
    precision: Any = np.float32 if node.get("mode", "nearest") == "nearest" else np.float64
    i: Any = np.arange(m, dtype=precision)
    scale = precision(scale)
    mode = node.get("coordinate_transformation_mode", "half_pixel")
    if mode == "asymmetric":
        return i / scale
    if mode == "align_corners":
        return i * (n - 1) / (n * scale - 1) if m > 1 else np.zeros(m)  # n * scale: the output length before rounding
    if mode == "half_pixel" or (mode == "pytorch_half_pixel" and m > 1):
        return (i + 0.5) / scale - 0.5
    if mode == "pytorch_half_pixel":
        return np.zeros(m)
    if mode == "half_pixel_symmetric":
        return n / 2 * (1 - m / (scale * n)) + (i + 0.5) / scale - 0.5
    if mode == "tf_crop_and_resize":
        span = (end - start) * (n - 1)
        return start * (n - 1) + i * span / (m - 1) if m > 1 else np.full(m, 0.5 * (start + end) * (n - 1))
    raise node.refuse(f"coordinate_transformation_mode {mode}")


def taps(node: Node, axis: Axis) -> tuple[np.ndarray, np.ndarray]:
    """(indices, weights), both (m, taps): output i is the sum of weights[i, k] x[indices[i, k]]."""
    x, mode = coordinates(node, axis), node.get("mode", "nearest")
    if mode == "nearest":
        rounding = node.get("nearest_mode", "round_prefer_floor")
        rounding = ("ceil" if axis.scale < 1 else "floor") if rounding == SIMPLE else rounding
        if rounding not in _ROUND:
            raise node.refuse(f"nearest_mode {rounding}")
        index = _ROUND[rounding](x)[:, None]
        return np.clip(index, 0, axis.n - 1).astype(np.int64), np.ones_like(index)
    if mode not in ("linear", "cubic"):
        raise node.refuse(f"mode {mode}")
    stretch = min(axis.scale, 1.0) if node.get("antialias", 0) else 1.0
    reach = math.ceil((1 if mode == "linear" else 2) / stretch)
    index = np.floor(x)[:, None] + np.arange(1 - reach, reach + 1)
    distance = np.abs(index - x[:, None]) * stretch
    weights = np.maximum(1 - distance, 0) if mode == "linear" else _cubic(distance, node.get("cubic_coeff_a", -0.75))
    if node.get("exclude_outside", 0):
        weights = np.where((index >= 0) & (index < axis.n), weights, 0)
    weights /= weights.sum(1, keepdims=True)
    return np.clip(index, 0, axis.n - 1).astype(np.int64), weights


def _cubic(d, a):
    """The convolution kernel of Keys 1981, equation 4, with parameter a."""
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return np.where(d <= 1, near, np.where(d < 2, far, 0))


def resize(node: Node, x: Tensor, axes: tuple[Axis, Axis]) -> Tensor:
    """The image resized along its last two axes."""
    kind = node.get("mode", "nearest"), node.get("coordinate_transformation_mode", "half_pixel")
    rounding = node.get("nearest_mode", "round_prefer_floor")
    rounding = "floor" if rounding == SIMPLE and all(axis.scale >= 1 for axis in axes) else rounding
    kind += (rounding,) if kind[0] == "nearest" else ()
    exact = all(axis.scale == axis.m / axis.n for axis in axes)
    exact = exact and not ("pytorch_half_pixel" in kind and min(axis.m for axis in axes) == 1)
    if kind in _INTERPOLATE and not node.get("antialias", 0) and not node.get("exclude_outside", 0):
        if exact and all(float(axis.scale).is_integer() for axis in axes):
            return F.interpolate(x, scale_factor=tuple(int(axis.scale) for axis in axes), **_INTERPOLATE[kind])
        if exact:
            return F.interpolate(x, tuple(axis.m for axis in axes), **_INTERPOLATE[kind])
        if not {"align_corners", "pytorch_half_pixel"} & set(kind) and all(
            int(axis.n * axis.scale) == axis.m for axis in axes
        ):
            return F.interpolate(x, scale_factor=tuple(axis.scale for axis in axes), **_INTERPOLATE[kind])
    tables = [taps(node, axis) for axis in axes]
    if kind[1] == "tf_crop_and_resize" or max(index.shape[1] for index, _ in tables) > 2:
        return _by_matrices(node, x, axes, tables)
    rows, cols = (_two_taps(index, weights, x.dtype) for index, weights in tables)
    return _resize(x, rows=rows, cols=cols)


def _two_taps(index, weights, dtype):
    low, high = (index[:, k].astype(np.int32) for k in (0, -1))
    share = weights[:, 1] if weights.shape[1] == 2 else np.zeros(len(weights))
    return low, high, share.astype(dtype)


def _by_matrices(node, x, axes, tables):
    matrices, outside = [], []
    for axis, (index, weights) in zip(axes, tables):
        matrix = np.zeros((axis.m, axis.n))
        np.add.at(matrix, (np.arange(axis.m)[:, None], index), weights)
        at = coordinates(node, axis)
        outside.append((at < 0) | (at > axis.n - 1))
        matrices.append(Tensor(matrix.astype(x.dtype)))
    y = F.matmul(F.matmul(matrices[0], x), F.transpose(matrices[1], 0, 1))
    if node.get("coordinate_transformation_mode") != "tf_crop_and_resize":
        return y
    mask = outside[0][:, None] | outside[1][None, :]
    return F.where(Tensor(np.broadcast_to(mask, y.shape)), node.get("extrapolation_value", 0.0), y)


def _axes_of(node, x, roi, scales, new_sizes):
    """The resizing of each of the last two axes; raises NotImplementedError where another axis changes."""
    which = [a % x.ndim for a in node.get("axes", range(x.ndim))]
    if scales is None:
        scales = [m / x.shape[a] for a, m in zip(which, new_sizes)]
        policy = node.get("keep_aspect_ratio_policy", "stretch")
        if policy != "stretch":
            one = min(scales) if policy == "not_larger" else max(scales)
            scales = [one] * len(which)
            new_sizes = [math.floor(x.shape[a] * one + 0.5) for a in which]
    else:
        new_sizes = [math.floor(x.shape[a] * s) for a, s in zip(which, scales)]
    starts = ends = [None] * len(which)
    if roi is not None and len(roi):
        starts, ends = roi[: len(which)], roi[len(which) :]
    changes = {}
    for a, m, scale, start, end in zip(which, new_sizes, scales, starts, ends):
        changes[a] = Axis(x.shape[a], m, scale, *(() if start is None else (float(start), float(end))))
    for a in range(x.ndim - 2):
        change = changes.get(a)
        if change is not None and (change.m != change.n or (change.start, change.end) != (0.0, 1.0)):
            raise node.refuse("resizing of batch or channels")
    same = lambda a: Axis(x.shape[a], x.shape[a], 1.0)
    return tuple(changes.get(a, same(a)) for a in (x.ndim - 2, x.ndim - 1))


def _floats(value):
    return None if value is None or np.size(_data(value)) == 0 else [float(v) for v in np.ravel(_data(value))]


def _data(value):
    return value.data if isinstance(value, Tensor) else value


def _resize_node(node, x, *rest):
    x = tensor(x)
    if x.ndim != 4:
        raise node.refuse(f"an input of {x.ndim} axes")
    if node.opset < 11:  # (x, scales), always from the corner
        node = Node(node.op, node.name, node.attributes | {"coordinate_transformation_mode": "asymmetric"}, node.opset)
        node.attributes.setdefault("nearest_mode", SIMPLE)
        rest = (None, *rest)
    roi, scales, new_sizes = (*rest, None, None, None)[:3]
    new_sizes = None if new_sizes is None or not np.size(_data(new_sizes)) else integers(new_sizes)
    if is_traced(x):
        return _resize_again(node, x, (roi, scales, new_sizes))
    return resize(node, x, _axes_of(node, x, _floats(roi), _floats(scales), new_sizes))


def _resize_again(node, x, given):
    """The Resize of the file as one of the new file's opset, 18."""
    plain = Tensor(x.data)
    roi, scales, new_sizes = given
    axes = _axes_of(node, plain, _floats(roi), _floats(scales), new_sizes and tuple(map(int, new_sizes)))
    y, changed = resize(node, plain, axes), {}
    if node.get("coordinate_transformation_mode") == "half_pixel_symmetric":
        raise node.refuse("half_pixel_symmetric (of opset 19), in a network that is exported again (as opset 18),")
    if node.get("mode", "nearest") == "nearest" and node.get("nearest_mode") == SIMPLE:
        shrinks = {axis.scale < 1 for axis in axes if axis.scale != 1} or {False}
        if len(shrinks) > 1:
            raise node.refuse("one axis that shrinks and one that grows, in a network that is exported again,")
        changed = {"nearest_mode": "ceil" if shrinks.pop() else "floor"}
    floats = [np.array(_floats(v), np.float32) if _floats(v) else "" for v in (roi, scales)]
    target = [x.graph.vector(new_sizes)] if new_sizes is not None else []
    return again(Node("Resize", node.name, node.attributes, node.opset), y, x, *floats, *target, **changed)


RESIZE: dict[str, Operator] = {"Resize": _resize_node, "Upsample": _resize_node}
