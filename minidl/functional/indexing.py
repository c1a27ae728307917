"""Indexing: each function is linear, and its rule adds the gradient at the same indices."""

from __future__ import annotations

import numpy as np

from ..autograd.axes import axes, axis
from ..autograd.primitive import primitive
from ..autograd.tensor import Tensor
from ..backend import asarray, is_array, like, xp
from ..typing import Dims, Index, TensorLike
from .shape import flatten, reshape


def array_index(key: Index) -> Index:
    """An index with the arrays of its Tensors, and copies of its arrays and lists, to which the tape does not notice writes."""
    if isinstance(key, tuple):
        return tuple(array_index(k) for k in key)
    if isinstance(key, Tensor):
        return key.data
    return key.copy() if is_array(key) else np.array(key) if isinstance(key, list) and key else key


def _near(key, x):
    """An index with its arrays on the device of x."""
    if isinstance(key, tuple):
        return tuple(_near(k, x) for k in key)
    return like(key, x) if isinstance(key, np.ndarray | list) or is_array(key) else key


@primitive
def _getitem(x, *, key):
    return x[key if type(x) is np.ndarray else _near(key, x)]


@primitive
def _index_add(y, *, key, shape):
    """Adjoint of x[key]: y added into zeros of `shape` at `key`."""
    x = xp(y).zeros(shape, y.dtype)
    _add_at(x, key, y)
    return x


def _add_at(x, key, y):
    """Add y to x, in place, at `key`."""
    key = _near(key, x)
    if _is_basic(key) or _distinct(key, x.shape):
        x[key] += y
    else:
        _add_repeated(x, key, y)


def _add_repeated(x, key, y):
    """Add y to x, in place, at a key with repeated places; in float64 where many float32 terms may meet in one place."""
    wide = x if y.size <= 1024 or x.dtype != np.float32 else x.astype(np.float64)
    xp(y).add.at(wide, key, y.astype(wide.dtype, copy=False))
    if wide is not x:
        x[...] = wide


_getitem.rules(x=lambda g, x_shape, key: _index_add(g, key=key, shape=x_shape))
_getitem.adds = lambda x, g, x_shape, key: _add_at(x, key, g.data)  # many parts of one tensor take linear time
_index_add.rules(y=lambda g, key: _getitem(g, key=key))


def _is_basic(key):
    return all(
        k is None or k is ... or isinstance(k, int | np.integer | slice)
        for k in (key if isinstance(key, tuple) else (key,))
    )


def _distinct(key, shape):
    """Whether a mask or integer arrays have no duplicate index, so that assignment can replace the slower addition."""
    keys = key if isinstance(key, tuple) else (key,)
    if len(keys) == 1 and is_array(keys[0]) and keys[0].dtype.kind == "b":
        return True
    if not all(isinstance(k, np.ndarray) and k.dtype.kind in "iu" for k in keys):
        return False  # on a GPU the check is as expensive as the addition
    places = np.ravel_multi_index(keys, shape[: len(keys)], mode="wrap")
    return len(np.unique(places)) == places.size


def getitem(x: Tensor, key: Index) -> Tensor:
    """x[key] with NumPy's rules: integers, slices, `...`, None, integer and boolean arrays or Tensors."""
    return _getitem(x, key=array_index(key))


def flip(x: Tensor, dims: Dims) -> Tensor:
    """x with the order of its elements reversed along `dims`."""
    dims = axes("flip", dims, x.ndim)
    return _getitem(x, key=tuple(slice(None, None, -1 if d in dims else 1) for d in range(x.ndim)))


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
    _add_repeated(x, tuple(grid), y)
    return x


def _within(x, dim, index):
    return tuple(slice(None) if d == dim else slice(n) for d, n in enumerate(index.shape))


_gather.rules(x=lambda g, x_shape, dim, index: _scatter_add(g, dim=dim, index=index, shape=x_shape))
_scatter_add.rules(y=lambda g, dim, index: _gather(g, dim=dim, index=index))


def _check_index(function, x, index, dim):
    """(axis, index as an array), checked; an array is copied, since the tape does not notice writes to it."""
    dim, shape = axis(function, dim, x.ndim), x.shape
    index = index.data if isinstance(index, Tensor) else like(index, x.data).copy()
    if index.dtype.kind not in "iu" or index.ndim != len(shape):
        raise ValueError(
            f"{function}: index must be integers with {len(shape)} axes, not {index.dtype} of {index.shape}"
        )
    if any(m > n for d, (m, n) in enumerate(zip(index.shape, shape)) if d != dim):
        raise ValueError(f"{function}: index of shape {index.shape} is larger than {shape} outside axis {dim}")
    if index.size and not 0 <= index.min() <= index.max() < shape[dim]:
        raise IndexError(f"{function}: index {index.min()}..{index.max()} leaves axis {dim} of {shape}")
    return dim, like(index, x.data)


def _with_axis(x):
    """A tensor or array without axes as one of shape (1,)."""
    return x if x.ndim else x.reshape(1)


def gather(x: Tensor, dim: int, index: TensorLike) -> Tensor:
    """y[i][j][k] = x[index[i][j][k]][j][k] for dim 0, and so on for the other axes."""
    index = index if isinstance(index, Tensor) else asarray(index)
    shape, x = index.shape, _with_axis(x)
    dim, index = _check_index("gather", x, _with_axis(index), dim)
    return reshape(_gather(x, dim=dim, index=index), shape)


def scatter_add(x: Tensor, dim: int, index: TensorLike, src: Tensor) -> Tensor:
    """x with src[i][j][k] added at x[index[i][j][k]][j][k] for dim 0, and so on; contributions to one position add up.

    `src` has the dtype of x and is at least as large as `index` along every axis.
    """
    shape = x.shape
    x, src = _with_axis(x), _with_axis(src)
    dim, index = _check_index("scatter_add", x, _with_axis(index if isinstance(index, Tensor) else asarray(index)), dim)
    if src.ndim != x.ndim or any(m > n for m, n in zip(index.shape, src.shape)) or src.dtype != x.dtype:
        raise ValueError(
            f"scatter_add: src is {src.dtype} of shape {src.shape}; needed {x.dtype} of at least {index.shape}"
        )
    part = _getitem(src, key=tuple(slice(n) for n in index.shape))
    return reshape(x + _scatter_add(part, dim=dim, index=index, shape=x.shape), shape)


def take(x: Tensor, index: Index) -> Tensor:
    """Elements of the flattened x at `index`, in the shape of `index`."""
    return getitem(flatten(x), index)
