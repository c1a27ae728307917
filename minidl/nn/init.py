"""Initial values of parameters, written in place, drawn from `minidl.random.generator()`.

Layers keep the variance of signals (forward) or of gradients (backward) constant if the variance of their weights is
gain^2 / fan, fan being the number of terms in each sum (Glorot and Bengio 2010; He et al. 2015).
"""

from __future__ import annotations

import math

import numpy as np

from ..autograd.tape import touch
from ..autograd.tensor import Tensor
from ..backend import like
from ..backend.random import generator

_GAINS = {"linear": 1.0, "conv2d": 1.0, "conv_transpose2d": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2)}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The gain that compensates a nonlinearity: sqrt(2) for ReLU, sqrt(2 / (1 + slope^2)) for leaky ReLU (He et al. 2015)."""
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity not in _GAINS:
        raise ValueError(f"calculate_gain: nonlinearity must be one of {[*_GAINS, 'leaky_relu']}, not {nonlinearity!r}")
    return _GAINS[nonlinearity]


def fans(tensor: Tensor) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight (O, I, ...): inputs, and outputs, times the kernel's taps."""
    if tensor.ndim < 2:
        raise ValueError(f"fans: a weight needs at least two axes, this one has shape {tensor.shape}")
    taps = math.prod(tensor.shape[2:])
    return tensor.shape[1] * taps, tensor.shape[0] * taps


def _write(tensor, values):
    tensor.data[...] = values if isinstance(values, int | float) else like(values, tensor.data)
    touch(tensor.data)
    return tensor


def _draw(tensor, draw):
    """Write random numbers; they are NumPy's on every device, so that a seed gives the same weights everywhere."""
    if isinstance(tensor.data, np.ndarray):
        draw(dtype=tensor.dtype, out=tensor.data)
    else:
        tensor.data[...] = like(draw(tensor.shape, dtype=tensor.dtype), tensor.data)


def _scale(tensor, factor, shift):  # in place, without a second large array
    tensor.data *= factor
    tensor.data += shift
    touch(tensor.data)
    return tensor


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0) -> Tensor:
    """Uniform in [a, b)."""
    _draw(tensor, generator().random)
    return _scale(tensor, b - a, a)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0) -> Tensor:
    """Fill with normal random numbers of mean `mean` and standard deviation `std`."""
    _draw(tensor, generator().standard_normal)
    return _scale(tensor, std, mean)


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Set every element to `val`."""
    return _write(tensor, val)


def zeros_(tensor: Tensor) -> Tensor:
    """Every element 0."""
    return _write(tensor, 0)


def ones_(tensor: Tensor) -> Tensor:
    """Every element 1."""
    return _write(tensor, 1)


def xavier_uniform_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """Fill with uniform random numbers of variance gain^2 / mean of the fans (Glorot and Bengio 2010, equation 16)."""
    bound = gain * math.sqrt(6 / sum(fans(tensor)))
    return uniform_(tensor, -bound, bound)


def xavier_normal_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """Fill with normal random numbers of variance gain^2 / mean of the fans (Glorot and Bengio 2010)."""
    return normal_(tensor, 0.0, gain * math.sqrt(2 / sum(fans(tensor))))


def _kaiming_std(tensor, a, mode, nonlinearity):
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f'kaiming: mode must be "fan_in" or "fan_out", not {mode!r}')
    return calculate_gain(nonlinearity, a) / math.sqrt(fans(tensor)[mode == "fan_out"])


def kaiming_uniform_(tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu") -> Tensor:
    """Fill with uniform random numbers of variance gain^2 / fan (He et al. 2015, equation 10); `a`: slope of a leaky ReLU."""
    bound = math.sqrt(3) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound)


def kaiming_normal_(tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu") -> Tensor:
    """Fill with normal random numbers of variance gain^2 / fan (He et al. 2015, equation 10); `a`: slope of a leaky ReLU."""
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity))


def bilinear_(tensor: Tensor) -> Tensor:
    """The weight of a transposed convolution that upsamples bilinearly (Long et al. 2015, section 3.3).

    (C, C, k, k) with zeros between different channels, or (C, 1, k, k) with groups = C. For a factor f use
    k = 2 f - f % 2, stride f and padding (k - f) // 2.
    """
    if tensor.ndim != 4 or tensor.shape[1] not in (1, tensor.shape[0]):
        raise ValueError(f"bilinear_: the weight has shape {tensor.shape}; needed (C, C, kh, kw) or (C, 1, kh, kw)")
    C, O, kh, kw = tensor.shape
    weight = np.zeros(tensor.shape)
    weight[range(C), range(C) if O == C else 0] = np.outer(_triangle(kh), _triangle(kw))
    return _write(tensor, weight)


def _triangle(k):
    """1 - |i - centre| / f with f = ceil(k / 2): the weights of a linear interpolation by f."""
    f = (k + 1) // 2
    return 1 - np.abs(np.arange(k) - (k - 1 if k % 2 == 0 else 2 * f - 2) / 2) / f
