"""Matrix product and its two adjoints, which are matrix products again: AB, G B^T, A^T G."""

from __future__ import annotations

import math

import numpy as np

from ..autograd.primitive import primitive
from ..autograd.tensor import Tensor
from .shape import reshape, transpose

LONG, BLOCK = 8192, 1024


def _product(a, b):
    """a b. For one row or column BLAS adds float32 terms one by one: long sums are cut into blocks, added in float64."""
    length = a.shape[-1]
    if length <= LONG or min(a.shape[-2], b.shape[-1]) > 1 or type(a) is not np.ndarray or a.dtype != np.float32:
        return np.matmul(a, b)
    blocks = (slice(k, k + BLOCK) for k in range(0, length, BLOCK))
    return sum(np.matmul(a[..., k], b[..., k, :]).astype(np.float64) for k in blocks).astype(np.result_type(a, b))


@primitive(broadcasts=True)
def _matmul(a, b):
    return _product(a, b)


_matmul.rules(
    a=lambda g, b: _matmul(g, transpose(b, -2, -1)),
    b=lambda g, a: _matmul(transpose(a, -2, -1), g),
)


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """(..., n, k) x (..., k, m) -> (..., n, m).

    Leading axes broadcast; a vector is a row on the left and a column on the right.
    """
    if not a.ndim or not b.ndim or a.shape[-1] != b.shape[max(b.ndim - 2, 0)]:
        raise ValueError(f"matmul: shapes {a.shape} and {b.shape} do not match; needed (..., n, k) and (..., k, m)")
    rows, columns = a.ndim > 1, b.ndim > 1
    y = _matmul(a if rows else reshape(a, (1, a.shape[0])), b if columns else reshape(b, (b.shape[0], 1)))
    shape = y.shape[:-2] + y.shape[-2:-1] * rows + y.shape[-1:] * columns
    return reshape(y, shape)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """y = x W^T + b for x of shape (..., I), weight (O, I) and bias (O,): (..., O). ValueError where I differs."""
    if x.shape[-1:] != weight.shape[1:]:
        raise ValueError(
            f"linear: input {x.shape} does not end in the {weight.shape[1:]} columns of weight {weight.shape}"
        )
    y = _matmul(reshape(x, (math.prod(x.shape[:-1]), x.shape[-1])), transpose(weight, 0, 1))
    y = y if bias is None else y + bias
    return reshape(y, (*x.shape[:-1], weight.shape[0]))
