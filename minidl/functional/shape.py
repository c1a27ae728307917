"""Functions that move elements without changing them. Each is linear, and its rule is the adjoint that moves them back."""

from __future__ import annotations

import builtins
import math
from collections.abc import Iterable, Sequence

import numpy as np

from ..autograd.primitive import primitive
from ..autograd.tensor import Tensor
from ..backend import is_array, like, xp
from ..typing import Dims, Index, TensorLike


@primitive
def _reshape(x, *, shape):
    return x.reshape(shape)


_reshape.rules(x=lambda g, x_shape: _reshape(g, shape=x_shape))


def reshape(x: Tensor, shape: Dims) -> Tensor:
    """The same elements in another shape; one entry may be -1."""
    shape = (shape,) if isinstance(shape, int) else tuple(int(n) for n in shape)
    known = math.prod(n for n in shape if n != -1)
    if shape.count(-1) > 1 or (x.numel() != known if -1 not in shape else not known or x.numel() % known):
        raise ValueError(f"reshape: {x.shape} has {x.numel()} elements; cannot become {shape}")
    return x if shape == x.shape else _reshape(x, shape=shape)


@primitive
def _permute(x, *, dims):
    return x.transpose(dims)


_permute.rules(x=lambda g, dims: _permute(g, dims=tuple(int(d) for d in np.argsort(dims))))


def permute(x: Tensor, dims: Sequence[int]) -> Tensor:
    """Axes in another order: axis i of the result is axis dims[i] of x."""
    axes = tuple(d + x.ndim if d < 0 else d for d in dims)
    if sorted(axes) != list(range(x.ndim)):
        raise ValueError(f"permute: dims {tuple(dims)} are not an order of the {x.ndim} axes of {x.shape}")
    return _permute(x, dims=axes)


def transpose(x: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two axes swapped."""
    dims = list(range(x.ndim))
    dims[dim0], dims[dim1] = dims[dim1], dims[dim0]
    return permute(x, dims)


def flatten(x: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The axes from `start_dim` to `end_dim` joined into one."""
    start, end = start_dim % x.ndim, end_dim % x.ndim
    return reshape(x, (*x.shape[:start], math.prod(x.shape[start : end + 1]), *x.shape[end + 1 :]))


def squeeze(x: Tensor, dim: int | None = None) -> Tensor:
    """Without the axes of size 1 (or without axis `dim`, if its size is 1)."""
    drop = range(x.ndim) if dim is None else [dim % x.ndim]
    return reshape(x, tuple(n for d, n in enumerate(x.shape) if n != 1 or d not in drop))


def unsqueeze(x: Tensor, dim: int) -> Tensor:
    """With a new axis of size 1 at `dim`."""
    dim = dim % (x.ndim + 1)
    return reshape(x, (*x.shape[:dim], 1, *x.shape[dim:]))


@primitive
def _expand(x, *, shape):
    return np.broadcast_to(x, shape)


_expand.rules(x=lambda g, x_shape: g.sum_to(x_shape))


def expand(x: Tensor, shape: Sequence[int]) -> Tensor:
    """Broadcast to `shape`; -1 keeps an axis."""
    extra = len(shape) - x.ndim
    full = tuple(x.shape[d - extra] if n == -1 and d >= extra else n for d, n in enumerate(shape))
    if extra < 0 or any(n not in (1, m) for n, m in zip(x.shape, full[extra:])):
        raise ValueError(f"expand: {x.shape} does not broadcast to {tuple(shape)}")
    return _expand(x, shape=full)


def array_index(key: Index) -> Index:
    """An index with its Tensors replaced by arrays."""
    if isinstance(key, tuple):
        return tuple(array_index(k) for k in key)
    return key.data if isinstance(key, Tensor) else key


def _near(key, x):
    """An index whose arrays lie where x does."""
    if isinstance(key, tuple):
        return tuple(_near(k, x) for k in key)
    return like(key, x) if isinstance(key, np.ndarray | list) or is_array(key) else key


@primitive
def _getitem(x, *, key):
    return x[key if type(x) is np.ndarray else _near(key, x)]


@primitive
def _index_add(y, *, key, shape):
    """Adjoint of x[key]: y added into zeros of `shape` at `key`."""
    x, key = xp(y).zeros(shape, y.dtype), _near(key, y)
    if _is_basic(key) or _distinct(key, shape):
        x[key] = y
    else:
        xp(y).add.at(x, key, y)
    return x


_getitem.rules(x=lambda g, x_shape, key: _index_add(g, key=key, shape=x_shape))
_index_add.rules(y=lambda g, key: _getitem(g, key=key))


def _is_basic(key):
    return all(k is None or k is ... or isinstance(k, int | slice) for k in (key if isinstance(key, tuple) else (key,)))


def _distinct(key, shape):
    """Whether a mask, or integer arrays, name no place twice: then assigning serves, for rows many times faster."""
    keys = key if isinstance(key, tuple) else (key,)
    if len(keys) == 1 and is_array(keys[0]) and keys[0].dtype.kind == "b":
        return True
    if not all(isinstance(k, np.ndarray) and k.dtype.kind in "iu" for k in keys):
        return False  # on a GPU adding costs as much as finding out
    places = np.ravel_multi_index(keys, shape[: len(keys)], mode="wrap")
    return len(np.unique(places)) == places.size


def getitem(x: Tensor, key: Index) -> Tensor:
    """x[key] with NumPy's rules: integers, slices, `...`, None, integer and boolean arrays or Tensors."""
    return _getitem(x, key=array_index(key))


@primitive
def _cat(*xs, dim):
    return np.concatenate(xs, dim)


def _cat_rule(i, g, xs_shape, dim):
    start = builtins.sum(shape[dim] for shape in xs_shape[:i])
    return narrow(g, dim, start, xs_shape[i][dim])


_cat.rules(xs=_cat_rule)


def cat(tensors: Iterable[Tensor], dim: int = 0) -> Tensor:
    """Tensors joined along an existing axis."""
    tensors = list(tensors)
    if not tensors:
        raise ValueError("cat: at least one tensor is needed")
    first = tensors[0]
    dim = dim % first.ndim
    for k, x in enumerate(tensors):
        if x.ndim != first.ndim or any(a != b for d, (a, b) in enumerate(zip(x.shape, first.shape)) if d != dim):
            raise ValueError(
                f"cat: tensor {k} has shape {x.shape}; needed that of tensor 0, {first.shape}, but for axis {dim}"
            )
    return _cat(*tensors, dim=dim)


def stack(tensors: Iterable[Tensor], dim: int = 0) -> Tensor:
    """Tensors of one shape joined along a new axis."""
    return cat([unsqueeze(x, dim) for x in tensors], dim)


def narrow(x: Tensor, dim: int, start: int, length: int) -> Tensor:
    """The `length` entries of axis `dim` from `start` on."""
    dim = dim % x.ndim
    return _getitem(x, key=(slice(None),) * dim + (slice(start, start + length),))


def split(x: Tensor, split_size: Dims, dim: int = 0) -> tuple[Tensor, ...]:
    """Pieces of `split_size` along `dim` (the last may be smaller), or of the sizes listed."""
    length = x.shape[dim]
    sizes = [split_size] * (length // split_size) if isinstance(split_size, int) else list(split_size)
    if isinstance(split_size, int) and length % split_size:
        sizes.append(length % split_size)
    if builtins.sum(sizes) != length:
        raise ValueError(f"split: sizes {sizes} do not add up to {length}, the length of axis {dim} of {x.shape}")
    starts = np.cumsum([0, *sizes[:-1]])
    return tuple(narrow(x, dim, int(start), size) for start, size in zip(starts, sizes))


def chunk(x: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most `chunks` pieces of equal size along `dim` (the last may be smaller)."""
    return split(x, max(1, -(-x.shape[dim] // chunks)), dim)


def flip(x: Tensor, dims: Dims) -> Tensor:
    """Reversed along `dims`."""
    dims = {d % x.ndim for d in ((dims,) if isinstance(dims, int) else dims)}
    return _getitem(x, key=tuple(slice(None, None, -1 if d in dims else 1) for d in range(x.ndim)))


@primitive
def _roll(x, *, shifts, dims):
    return np.roll(x, shifts, dims)


_roll.rules(x=lambda g, shifts, dims: _roll(g, shifts=tuple(-s for s in shifts), dims=dims))


def roll(x: Tensor, shifts: Dims, dims: Dims | None = None) -> Tensor:
    """Shifted along `dims`, what falls off comes back at the other end; without `dims`, as if x were flat."""
    if dims is None:
        return reshape(roll(flatten(x), shifts, 0), x.shape)
    shifts, dims = ((v,) if isinstance(v, int) else tuple(v) for v in (shifts, dims))
    if len(shifts) != len(dims):
        raise ValueError(f"roll: {len(shifts)} shifts came for {len(dims)} dims")
    return _roll(x, shifts=shifts, dims=dims)


@primitive
def _gather(x, *, dim, index):
    return np.take_along_axis(x[_within(x, dim, index)], index, dim)


@primitive
def _scatter_add(y, *, dim, index, shape):
    """Adjoint of gather: y added into zeros of `shape` at `index` along `dim`."""
    module = xp(y)
    x = module.zeros(shape, y.dtype)
    grid = [module.arange(n).reshape(-1, *[1] * (index.ndim - d - 1)) for d, n in enumerate(index.shape)]
    grid[dim] = index
    module.add.at(x, tuple(grid), y)
    return x


def _within(x, dim, index):
    return tuple(slice(None) if d == dim else slice(n) for d, n in enumerate(index.shape))


_gather.rules(x=lambda g, x_shape, dim, index: _scatter_add(g, dim=dim, index=index, shape=x_shape))
_scatter_add.rules(y=lambda g, dim, index: _gather(g, dim=dim, index=index))


def _check_index(function, x, index, dim):
    index, shape = like(index.data if isinstance(index, Tensor) else index, x.data), x.shape
    if index.dtype.kind not in "iu" or index.ndim != len(shape):
        raise ValueError(
            f"{function}: index must be integers with {len(shape)} axes, not {index.dtype} of {index.shape}"
        )
    if any(m > n for d, (m, n) in enumerate(zip(index.shape, shape)) if d != dim):
        raise ValueError(f"{function}: index of shape {index.shape} is larger than {shape} outside axis {dim}")
    if index.size and not 0 <= index.min() <= index.max() < shape[dim]:
        raise IndexError(f"{function}: index {index.min()}..{index.max()} leaves axis {dim} of {shape}")
    return index


def gather(x: Tensor, dim: int, index: TensorLike) -> Tensor:
    """y[i][j][k] = x[index[i][j][k]][j][k] for dim 0, and so on for the other axes."""
    dim = dim % x.ndim
    return _gather(x, dim=dim, index=_check_index("gather", x, index, dim))


def scatter_add(x: Tensor, dim: int, index: TensorLike, src: Tensor) -> Tensor:
    """x with src[i][j][k] added at x[index[i][j][k]][j][k] for dim 0, and so on; repeated places add up."""
    dim = dim % x.ndim
    index = _check_index("scatter_add", x, index, dim)
    return x + _scatter_add(src[tuple(slice(n) for n in index.shape)], dim=dim, index=index, shape=x.shape)


def take(x: Tensor, index: Index) -> Tensor:
    """Elements of the flattened x at `index`, in the shape of `index`."""
    return getitem(flatten(x), index)
