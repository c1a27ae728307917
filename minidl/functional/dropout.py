"""Dropout: random zeros in training, the identity otherwise."""

from __future__ import annotations

import numpy as np

from ..autograd.tensor import Tensor
from ..backend import like
from ..backend.random import generator


def dropout(input: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """Set each element to 0 with probability p and scale the rest by 1 / (1 - p) (Srivastava et al. 2014).

    The random numbers are those of `minidl.random`; without `training` the result is the input.
    """
    return _dropout("dropout", input, p, training, input.shape)


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """Set each channel of (N, C, H, W) to 0 with probability p and scale the rest by 1 / (1 - p) (Tompson et al. 2015)."""
    if input.ndim != 4:
        raise ValueError(f"dropout2d: input has shape {input.shape}; needed four axes")
    return _dropout("dropout2d", input, p, training, (*input.shape[:2], 1, 1))


def _dropout(function, x, p, training, shape):
    if not 0 <= p <= 1:
        raise ValueError(f"{function}: p must be a probability, not {p}")
    if not training or p == 0:
        return x
    keep = generator().random(shape, dtype=np.float32) >= p
    return x * Tensor(like((keep * (1 / (1 - p) if p < 1 else 0)).astype(x.dtype), x.data))
