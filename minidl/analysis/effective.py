"""Influence of each pixel: effective receptive fields by gradient, and the gridding of dilated layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import functional as F
from ..autograd.engine import grad
from ..autograd.tensor import Tensor
from ..typing import Array, TensorLike


def effective_receptive_field(model: Callable[..., Any], inputs: TensorLike) -> Array:
    """H x W: the mean |d y / d x| over images and channels, for the unit y at the centre of the output, channels summed.

    model: a Module or any function of a Tensor that returns one Tensor (N, C, h, w); inputs: (N, C, H, W), an array or a
    Tensor. With random weights the field of a deep chain of convolutions is approximately a Gaussian whose width
    grows as the square root of the depth (Luo et al. 2016, section 2).
    """
    x = Tensor(np.array(inputs.data if isinstance(inputs, Tensor) else inputs)).requires_grad_()
    if x.ndim != 4:
        raise ValueError(f"effective_receptive_field: inputs have shape {x.shape}; needed (N, C, H, W)")
    y = model(x)
    if not isinstance(y, Tensor) or y.ndim != 4:
        raise TypeError("effective_receptive_field: the model must return one Tensor of four axes")
    h, w = y.shape[2:]
    (g,) = grad(F.sum(y[:, :, h // 2, w // 2]), x)
    return np.abs(g.data).mean((0, 1))


def gridding(dilations: Sequence[int], kernel_size: int = 3) -> Array:
    """S x S int64: the number of paths from each pixel of the receptive field to one unit of a chain of dilated layers.

    Zeros are pixels without influence on the unit: the gridding pattern (Wang et al. 2018, "Understanding convolution
    for semantic segmentation", section 3.2).
    """
    counts = np.ones(1, np.int64)
    for d in dilations:
        if d < 1:
            raise ValueError(f"gridding: dilation is {d}; needed at least 1")
        taps = np.zeros(d * (kernel_size - 1) + 1, np.int64)
        taps[::d] = 1
        counts = np.convolve(counts, taps)
    return np.multiply.outer(counts, counts)
