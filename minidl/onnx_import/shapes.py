"""Operators that move elements: concatenation, slicing, padding, reshaping, and arithmetic on sizes."""

from __future__ import annotations

import math

import numpy as np

from .. import functional as F
from .values import AGAIN, Operator, again, arrays, fixed_sizes, integers, is_tensor, is_traced, number, sizes, tensor


def _identity(node, x, *rest):
    return x


def _dropout(node, x, ratio=None, training=None):
    """The identity, as in inference; a mask output, or dropout in training mode, is not supported."""
    if node.get("outputs", 1) > 1 or (training is not None and number(training)):
        raise node.refuse("dropout in training mode")
    return x


def _shape(node, x):
    return sizes(x.shape)[node.get("start", 0) : node.get("end")]


def _size(node, x):
    return np.array(math.prod(x.shape), object)


def _constant(node):
    given = {name: value for name, value in node.attributes.items() if name.startswith("value")}
    if len(given) != 1 or "value_string" in given or "value_strings" in given:
        raise node.refuse("a constant of text")
    name, value = given.popitem()
    return value if name == "value" else np.array(value, np.float32 if "float" in name else np.int64)


def _constant_of_shape(node, shape):
    value = node.get("value")
    return np.full(
        fixed_sizes(node, shape)[0],
        0.0 if value is None else value.item(),
        np.float32 if value is None else value.dtype,
    )


def _concat(node, *parts):
    axis = node.get("axis", 1 if node.opset < 4 else None)
    if is_tensor(*parts):
        return F.cat([tensor(p) for p in parts], axis)
    return np.concatenate(parts, axis)


def _split(node, x, lengths=None):
    axis = node.get("axis", 0)
    lengths = node.get("split") if lengths is None else integers(lengths)
    if lengths is None:
        count, n = node.get("num_outputs", node.get("outputs")), x.shape[axis]
        each = -(-n // count)
        lengths = [each] * (count - 1) + [n - each * (count - 1)]
    if not is_tensor(x):
        return tuple(np.split(x, np.cumsum(lengths)[:-1], axis))
    return F.split(x, list(lengths), axis)


def _slice(node, x, starts=None, ends=None, axes=None, steps=None):
    starts = node.get("starts") if starts is None else integers(starts)
    ends = node.get("ends") if ends is None else integers(ends)
    axes = node.get("axes") if axes is None else integers(axes)
    axes = range(len(starts)) if axes is None else axes
    steps = [1] * len(starts) if steps is None else integers(steps)
    key = [slice(None)] * x.ndim
    for a, b, axis, step in zip(starts, ends, axes, steps):
        far = step < 0 and b < -x.shape[axis]  # a number below every index: down to the first element
        key[axis] = slice(0 if step < 0 and a < -x.shape[axis] else a, None if far else b, step)
    if is_traced(x):
        cut = x.data[tuple(slice(*(n if n is None else int(n) for n in (k.start, k.stop, k.step))) for k in key)]
        axes, steps = np.array(axes, np.int64), np.array(steps, np.int64)
        vectors = x.graph.vector(starts), x.graph.vector(ends)
        return again(node, cut, x, *vectors, axes, steps, starts=None, ends=None, axes=None)
    backwards = [axis for axis, s in enumerate(key) if s.step is not None and s.step < 0]
    if not is_tensor(x) or not backwards:
        return x[tuple(key)]
    for axis in backwards:  # Tensors are flipped, then cut with a positive step
        chosen = range(x.shape[axis])[key[axis]]
        x = x[tuple([slice(None)] * axis + [np.array(chosen, np.int64)])]
        key[axis] = slice(None)
    return x[tuple(key)]


def _pad(node, x, pads=None, value=None, axes=None):
    pads = node.get("pads", node.get("paddings")) if pads is None else integers(pads)
    fill = node.get("value", 0.0) if value is None else number(value)
    axes = range(x.ndim) if axes is None else [a % x.ndim for a in integers(axes)]
    ends = dict.fromkeys(range(x.ndim), (0, 0)) | {a: (pads[k], pads[k + len(axes)]) for k, a in enumerate(axes)}
    modes = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}
    mode = node.get("mode", "constant")
    if mode not in modes:
        raise node.refuse(f"padding in mode {mode}")
    if not is_tensor(x):
        return np.pad(
            x, [ends[a] for a in range(x.ndim)], mode, **({"constant_values": fill} if mode == "constant" else {})
        )
    widths = [n for a in reversed(range(x.ndim)) for n in ends[a]]
    while len(widths) > 2 and widths[-2:] == [0, 0]:
        del widths[-2:]
    return F.pad(x, widths, modes[mode], fill)


def _reshape(node, x, shape):
    shape = list(integers(shape))
    if not node.get("allowzero", 0):
        shape = [x.shape[axis] if n == 0 else n for axis, n in enumerate(shape)]
    return F.reshape(x, tuple(shape)) if is_tensor(x) else np.reshape(x, [int(n) for n in shape])


def _flatten(node, x):
    axis = node.get("axis", 1)
    axis = axis + x.ndim if axis < 0 else axis
    if axis == 1 and is_tensor(x):
        return F.flatten(x, 1)
    return F.reshape(tensor(x), (math.prod(x.shape[:axis]), math.prod(x.shape[axis:])))


def _squeeze(node, x, axes=None):
    axes = node.get("axes") if axes is None else integers(axes)
    axes = [a for a, n in enumerate(x.shape) if n == 1] if axes is None else [a % x.ndim for a in axes]
    shape = [n for a, n in enumerate(x.shape) if a not in axes]
    return F.reshape(x, tuple(shape)) if is_tensor(x) else x.reshape(shape)


def _unsqueeze(node, x, axes=None):
    axes = node.get("axes") if axes is None else integers(axes)
    axes = {a % (x.ndim + len(axes)) for a in axes}
    rest = iter(x.shape)
    shape = [1 if a in axes else next(rest) for a in range(x.ndim + len(axes))]
    return F.reshape(x, tuple(shape)) if is_tensor(x) else x.reshape(shape)


def _transpose(node, x):
    order = node.get("perm", range(x.ndim)[::-1])
    return F.permute(x, tuple(order)) if is_tensor(x) else np.transpose(x, order)


def _expand(node, x, shape):
    given, own = integers(shape), x.shape
    rank = max(len(given), len(own))
    given, own = (1,) * (rank - len(given)) + given, (1,) * (rank - len(own)) + tuple(own)
    target = tuple(b if a == 1 else a for a, b in zip(given, own))
    return F.expand(tensor(x), target) if is_tensor(x) else np.broadcast_to(x, target)


def _gather(node, x, index):
    axis = node.get("axis", 0)
    if is_traced(index):
        raise node.refuse(AGAIN)
    index = arrays(index)[0].astype(np.int64)
    if not is_tensor(x):
        return np.take(x, index, axis)
    if is_traced(x):
        return again(node, x.data.take(index, axis), x, index)
    return x[tuple([slice(None)] * (axis % x.ndim) + [index])]


def _range(node, start, limit, delta):
    dtype = np.asarray(start).dtype if np.asarray(start).dtype != object else np.int64
    if np.dtype(dtype).kind in "iu":
        fixed_sizes(node, start, limit, delta)
    return np.arange(number(start), number(limit), number(delta), dtype)


def _tile(node, x, repeats):
    for axis, count in enumerate(integers(repeats)):
        if count != 1:
            x = F.cat([x] * count, axis) if is_tensor(x) else np.concatenate([x] * count, axis)
    return x


def _depth_to_space(node, x):
    """Channels become sub-pixels; in mode DCR the sub-pixel is the slow index of the channel, in CRD the fast one."""
    r = node.get("blocksize")
    x = tensor(x)
    if node.get("mode", "DCR") == "CRD":
        return F.pixel_shuffle(x, r)
    N, C, H, W = x.shape
    x = F.permute(F.reshape(x, (N, r, r, C // r**2, H, W)), (0, 3, 4, 1, 5, 2))
    return F.reshape(x, (N, C // r**2, H * r, W * r))


def _space_to_depth(node, x):
    r = node.get("blocksize")
    N, C, H, W = x.shape
    order = (0, 3, 5, 1, 2, 4) if node.get("mode", "DCR") == "DCR" else (0, 1, 3, 5, 2, 4)
    x = F.permute(F.reshape(tensor(x), (N, C, H // r, r, W // r, r)), order)
    return F.reshape(x, (N, C * r**2, H // r, W // r))


SHAPES: dict[str, Operator] = {
    "Identity": _identity,
    "Dropout": _dropout,
    "Shape": _shape,
    "Size": _size,
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "Concat": _concat,
    "Split": _split,
    "Slice": _slice,
    "Pad": _pad,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Transpose": _transpose,
    "Expand": _expand,
    "Gather": _gather,
    "Range": _range,
    "DepthToSpace": _depth_to_space,
    "SpaceToDepth": _space_to_depth,
    "Tile": _tile,
}
