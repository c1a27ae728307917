"""Concatenation along an axis, and its inverse, splitting."""

from __future__ import annotations

import builtins
import itertools
import operator
from collections.abc import Iterable

import numpy as np

from ..autograd.axes import axis
from ..autograd.primitive import primitive
from ..autograd.promotion import promote
from ..autograd.tensor import Tensor
from ..typing import Dims
from .indexing import _getitem
from .shape import nonscalar_axis, reshape, sizes_of


@primitive
def _cat(*xs, dim, starts):
    return np.concatenate(xs, dim)


_cat.rules(xs=lambda i, g, xs_shape, dim, starts: _getitem(g, key=_part(dim, starts[i], xs_shape[i][dim])))


def _part(dim, start, length):
    return (slice(None),) * dim + (slice(start, start + length),)


def cat(tensors: Iterable[Tensor], dim: int = 0) -> Tensor:
    """Tensors concatenated along an existing axis; as in PyTorch, tensors of shape (0,) are ignored."""
    tensors = list(tensors)
    if not tensors:
        raise ValueError("cat: at least one tensor is needed")
    wide = [x for x in tensors if x.shape != (0,)]
    first = wide[0] if wide else tensors[0]
    if not first.ndim:
        raise ValueError("cat: tensor 0 has no axis to join along; use stack")
    dim = axis("cat", dim, first.ndim)
    for k, x in enumerate(tensors):
        fits = x.ndim == first.ndim and x.shape[:dim] + x.shape[dim + 1 :] == first.shape[:dim] + first.shape[dim + 1 :]
        if not fits and x.shape != (0,):
            raise ValueError(
                f"cat: tensor {k} has shape {x.shape}; needed that of tensor 0, {first.shape}, but for axis {dim}"
            )
    joined = wide or tensors
    if any(x.dtype != tensors[0].dtype for x in tensors):
        joined = promote(tensors)
        joined = [x for x in joined if x.shape != (0,)] or joined
    starts = tuple(itertools.accumulate((x.shape[dim] for x in joined), initial=0))
    return _cat(*joined, dim=dim, starts=starts)


def stack(tensors: Iterable[Tensor], dim: int = 0) -> Tensor:
    """Tensors of the same shape concatenated along a new axis."""
    tensors = list(tensors)
    if not tensors:
        raise ValueError("stack: at least one tensor is needed")
    for k, x in enumerate(tensors):
        if x.shape != tensors[0].shape:
            raise ValueError(f"stack: tensor {k} has shape {x.shape}; needed that of tensor 0, {tensors[0].shape}")
    dim = axis("stack", dim, tensors[0].ndim + 1)
    shape = (*tensors[0].shape[:dim], 1, *tensors[0].shape[dim:])
    parts = [reshape(x, shape) for x in promote(tensors)]
    return _cat(*parts, dim=dim, starts=tuple(range(len(parts))))


def narrow(x: Tensor, dim: int, start: int, length: int) -> Tensor:
    """The `length` entries of axis `dim` from `start` on; a negative start counts from the end."""
    dim = nonscalar_axis("narrow", x, dim)
    n, start, length = x.shape[dim], operator.index(start), operator.index(length)
    if not -n <= start <= n:
        raise IndexError(f"narrow: start {start} is out of range for axis {dim} of {x.shape}")
    first = start + n if start < 0 else start
    if length < 0 or first + length > n:
        raise ValueError(f"narrow: {length} entries from {start} on do not lie in axis {dim} of {x.shape}")
    return _getitem(x, key=_part(dim, first, length))


def split(x: Tensor, split_size: Dims, dim: int = 0) -> tuple[Tensor, ...]:
    """Pieces of `split_size` along `dim` (the last may be smaller), or of the sizes listed."""
    dim = nonscalar_axis("split", x, dim)
    length = x.shape[dim]
    if isinstance(split_size, Iterable):
        sizes = sizes_of("split", split_size)
    else:
        (size,) = sizes_of("split", split_size)
        if size < 0 or (not size and length):
            raise ValueError(f"split: split_size must be above 0, not {size}")
        sizes = [builtins.min(size, length - k) for k in range(0, length, size)] if length else [0]
    if builtins.sum(sizes) != length or builtins.min(sizes, default=0) < 0:
        raise ValueError(f"split: sizes {list(sizes)} do not add up to {length}, the length of axis {dim} of {x.shape}")
    starts = itertools.accumulate(sizes, initial=0)
    return tuple(_getitem(x, key=_part(dim, start, size)) for start, size in zip(starts, sizes))


def chunk(x: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most `chunks` pieces of equal size along `dim` (the last may be smaller)."""
    dim, (count,) = nonscalar_axis("chunk", x, dim), sizes_of("chunk", chunks)
    if count < 1:
        raise ValueError(f"chunk: chunks must be at least 1, not {chunks}")
    return split(x, -(-x.shape[dim] // count) if x.shape[dim] else [0] * count, dim)
