"""Axes from the user: integers of any type, negative ones from the end; IndexError out of range."""

from __future__ import annotations

import operator
from collections.abc import Sequence

from ..typing import Dims


def axis(function: str, dim: int, ndim: int, name: str = "dim") -> int:
    """`dim` as a non-negative axis; a tensor without axes accepts 0 and -1, as in PyTorch."""
    try:
        d = operator.index(dim)
    except TypeError:
        raise TypeError(f"{function}: {name} must be an integer, not {dim!r}") from None
    count = max(ndim, 1)
    if not -count <= d < count:
        raise IndexError(f"{function}: {name} {dim} is out of range; needed {-count} to {count - 1} for {ndim} axes")
    return d % count


def axes(function: str, dims: Dims | None, ndim: int) -> tuple[int, ...]:
    """One axis, several or (None) all, as a tuple of distinct non-negative axes; () for a tensor without axes."""
    if dims is None:
        return tuple(range(ndim))
    found = tuple(axis(function, d, ndim) for d in (dims if isinstance(dims, Sequence) else (dims,)))
    if len(set(found)) != len(found):
        raise ValueError(f"{function}: dim {dims} names an axis more than once")
    return found if ndim else ()
