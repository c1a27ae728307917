"""Rules that propagate receptive fields through the operations of the tape, one for each, as for derivatives.

A rule takes the Field of each argument (None for a constant), the arguments, the metadata and the result, and returns the
Field of the result along one axis of the image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np

from .. import functional as F
from ..autograd.tensor import Tensor
from ..functional.activation import _elu, _gelu, rectify
from ..functional.conv import _conv, _conv_transpose, _im2col
from ..functional.elementwise import _clamp, _select
from ..functional.indexing import _getitem
from ..functional.join import _cat
from ..functional.logistic import _log_softmax, _softmax, _softplus
from ..functional.matmul import _matmul
from ..functional.norm import _affine, _normalize
from ..functional.pad import _crop, _pad
from ..functional.pool import _adaptive_avg_pool, _adaptive_max_pool, _avg_pool, _max_pool, _plane_scatter
from ..functional.reduce import _extremum, _sum
from ..functional.regions.roi import _roi_align, _roi_align_max, _roi_pool
from ..functional.resize import _resize
from ..functional.shape import _expand, _permute, _reshape, _roll
from ..kernels.geometry import Geometry
from . import region_fields
from .fields import FAR, Field, adaptive_positions, window_positions

Fields: TypeAlias = Sequence[Any]  # of the arguments: a Field, or None
Args: TypeAlias = Sequence[Any]
Metadata: TypeAlias = Mapping[str, Any]


def elementwise(fields: Fields, args: Args, metadata: Metadata, result: Tensor) -> Field:
    """The union of the fields of the corresponding elements of all arguments."""
    first, *rest = [f for f in fields if f]
    for f in rest:
        first = first.join(f)
    return first


def sliding(f: Field, units: Sequence[int], geometry: Geometry) -> Field:
    """The field of a sliding window of `geometry`, with `units` positions along each axis."""
    for d, n, k, s, p, e in zip((-2, -1), units, geometry.kernel, geometry.stride, geometry.padding, geometry.dilation):
        f = f.windows(d, window_positions(n, k, s, p, e))
    return f.scaled(geometry.stride[f.axis])


def conv(fields: Fields, args: Args, metadata: Metadata, result: Tensor) -> Field:
    """A window over all channels of the group."""
    f = fields[0].channels(metadata["geometry"].groups, result.shape[1])
    return sliding(f, result.shape[2:], metadata["geometry"])


def conv_transpose(fields: Fields, args: Args, metadata: Metadata, result: Tensor) -> Field:
    """Output o depends on the inputs i with o = i s - p + k d."""
    geometry = metadata["geometry"]
    f = fields[0].channels(geometry.groups, result.shape[1])
    for d, n, k, s, p, e in zip(
        (-2, -1), result.shape[2:], geometry.kernel, geometry.stride, geometry.padding, geometry.dilation
    ):
        reached = np.arange(n)[:, None] + p - np.arange(k) * e
        f = f.windows(d, reached // s, reached % s == 0)
    return f.scaled(Fraction(1, geometry.stride[f.axis]))


def pool(fields: Fields, args: Args, metadata: Metadata, result: Tensor) -> Field:
    """A window over the same channel."""
    return sliding(fields[0], result.shape[2:], metadata["geometry"])


def adaptive_pool(fields: Fields, args: Args, metadata: Metadata, result: Tensor) -> Field:
    """Windows that divide the map into as many parts as the result has units."""
    f, sizes = fields[0], args[0].shape[2:]
    for d, n, units in zip((-2, -1), sizes, result.shape[2:]):
        f = f.windows(d, adaptive_positions(n, units)) if f.ends.shape[d] > 1 else f
    return f.scaled(Fraction(sizes[f.axis], result.shape[f.axis]))


def unpool(fields: Fields, args: Args, metadata: Metadata, result: Tensor) -> Field:
    """A maximum may return to any position of its share of the image."""
    f, sizes = fields[0], args[0].shape[2:]
    for d, n, units in zip((-2, -1), sizes, result.shape[2:]):
        f = f.windows(d, (np.arange(units) * n // units)[:, None])
    return f.scaled(Fraction(sizes[f.axis], result.shape[f.axis]))


def resize(fields: Fields, args: Args, metadata: Metadata, result: Tensor) -> Field:
    """The one or two rows and columns that each output row and column is interpolated from."""
    f, sizes = fields[0], args[0].shape[2:]
    for d, (low, high, upper) in zip((-2, -1), (metadata["rows"], metadata["cols"])):
        f = f.windows(d, np.stack([low, np.where(upper > 0, high, low)], 1).astype(np.int64))
    return f.scaled(Fraction(sizes[f.axis], result.shape[f.axis]))


def im2col(fields: Fields, args: Args, metadata: Metadata, result: Tensor) -> Field:
    """Columns of windows: every element is one input element."""
    f, g = fields[0], metadata["geometry"]
    H, W = g.output_size(args[0].shape[2:])
    rows, cols = (window_positions(*v) for v in zip((H, W), g.kernel, g.stride, g.padding, g.dilation))
    f = Field(f.at(-2, rows), f.axis, f.jump, (H, W)[f.axis]).scaled(g.stride[f.axis])
    ends = np.broadcast_to(f.at(-1, cols), (2, *args[0].shape[:2], *rows.shape, *cols.shape))  # 2 N C Ho kh Wo kw
    ends = ends.transpose(0, 1, 2, 4, 6, 3, 5).reshape(2, *result.shape)
    return Field(ends, f.axis, f.jump, f.length)


def pad(fields: Fields, args: Args, metadata: Metadata, result: Tensor) -> Field:
    """Padding of an image continues the map's pattern; elements padded on other axes have empty fields."""
    f = fields[0]
    for d, (before, after) in enumerate(metadata["widths"], -args[0].ndim):
        n = f.ends.shape[d]
        if d >= -2 and args[0].ndim == 4:
            f = f.windows(d, np.arange(-before, n + after)[:, None])
        elif n > 1:
            widths = [(0, 0)] * f.ends.ndim
            widths[d] = (before, after)
            f = Field(np.pad(f.ends, widths, constant_values=FAR), f.axis, f.jump, f.length)
    return f


def crop(fields: Fields, args: Args, metadata: Metadata, result: Tensor) -> Field:
    """The elements that are kept."""
    f = fields[0]
    kept = [slice(a, n - b) if n > 1 else slice(None) for n, (a, b) in zip(f.ends.shape[1:], metadata["widths"])]
    return Field(f.ends[:, *kept], f.axis, f.jump, f.length)


def getitem(fields: Fields, args: Args, metadata: Metadata, result: Tensor) -> Field:
    """The elements at the index."""
    f, key = fields[0], metadata["key"]
    ends = np.stack([ends[key] for ends in f.full(args[0].shape)])
    place = list(key) if isinstance(key, tuple) else [key]
    if any(k is ... for k in place):
        gap = next(d for d, k in enumerate(place) if k is ...)
        place[gap : gap + 1] = [slice(None)] * (args[0].ndim - len(place) + 1)
    place += [slice(None)] * (args[0].ndim - len(place))
    step = place[f.axis].step if isinstance(place[f.axis], slice) else None
    step = 1 if step is None else step
    return Field(ends, f.axis, f.jump * abs(step), f.length)


def cat(fields: Fields, args: Args, metadata: Metadata, result: Tensor) -> Field:
    """The fields one after another; along channels, which share one field, their union."""
    dim = metadata["dim"]
    if result.ndim == 4 and dim == 1:  # all channels share one field
        return elementwise([f and f.hull([1]) for f in fields], args, metadata, result)
    first = next(f for f in fields if f)
    shapes = [(2, *(s if d == dim else n for d, (s, n) in enumerate(zip(a.shape, result.shape)))) for a in args]
    parts = [np.broadcast_to(f.ends, s) if f else np.full(s, FAR) for f, s in zip(fields, shapes)]
    return Field(np.concatenate(parts, dim + 1), first.axis, first.jump, first.length)


def matmul(fields: Fields, args: Args, metadata: Metadata, result: Tensor) -> Field:
    """A whole row on the left and a whole column on the right."""
    left, right = fields
    return elementwise([left and left.hull([-1]), right and right.hull([-2])], args, metadata, result)


def reduce(fields: Fields, args: Args, metadata: Metadata, result: Tensor) -> Field:
    """The union over the reduced axes."""
    f = fields[0]
    return Field(f.ends.min(tuple(d + 1 for d in metadata["axes"])), f.axis, f.jump, f.length)


def permute(fields: Fields, args: Args, metadata: Metadata, result: Tensor) -> Field:
    """The axes in their new order."""
    f = fields[0]
    return Field(f.ends.transpose(0, *(d + 1 for d in metadata["dims"])), f.axis, f.jump, f.length)


def roll(fields: Fields, args: Args, metadata: Metadata, result: Tensor) -> Field:
    """Shifted as the elements are."""
    f = fields[0]
    return Field(
        np.roll(f.ends, metadata["shifts"], [d % args[0].ndim + 1 for d in metadata["dims"]]), f.axis, f.jump, f.length
    )


JOINS = {F.add, F.sub, F.mul, F.div, F.maximum, F.minimum, _select, _cat}
RULES = dict.fromkeys(
    [
        *(
            F.add,
            F.sub,
            F.mul,
            F.div,
            F.pow,
            F.neg,
            F.cast,
            F.move,
            F.clone,
            F.maximum,
            F.minimum,
            F.abs,
            F.exp,
            F.log,
            F.sqrt,
        ),
        *(F.expm1, F.log1p, F.sin, F.cos, F.erf, _softplus, F.sigmoid, F.tanh),
        *(rectify, _elu, _gelu, F.hardswish, _select, _clamp),
        *(_affine, _normalize, _expand),
    ],
    elementwise,
) | {
    _conv: conv,
    _conv_transpose: conv_transpose,
    _im2col: im2col,
    _max_pool: pool,
    _avg_pool: pool,
    _adaptive_max_pool: adaptive_pool,
    _adaptive_avg_pool: adaptive_pool,
    _plane_scatter: unpool,
    _resize: resize,
    _roi_align: region_fields.align,
    _roi_align_max: region_fields.align,
    _roi_pool: region_fields.pool,
    _pad: pad,
    _crop: crop,
    _reshape: lambda fields, args, metadata, result: fields[0].reshape(args[0].shape, result.shape),
    _permute: permute,
    _getitem: getitem,
    _cat: cat,
    _roll: roll,
    _sum: reduce,
    _extremum: reduce,
    _matmul: matmul,
    _softmax: lambda fields, args, metadata, result: fields[0].hull([metadata["dim"]]),
    _log_softmax: lambda fields, args, metadata, result: fields[0].hull([metadata["dim"]]),
}
