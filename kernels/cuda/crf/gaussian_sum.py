"""The exact Gaussian filter in CUDA C, O(N^2)."""

from ..loader import Kernel, array_module, contiguous, i32

_sum = Kernel("crf/gaussian_sum.cu", "gaussian_sum")
TILE, CHANNELS = 128, 8  # as in the kernel


def gaussian_sum(values, features):
    """Values (C, N), features (d, N) -> out[c,i] = sum_j exp(-|f_i - f_j|^2 / 2) v[c,j]."""
    values, features = contiguous(values, features.astype(values.dtype, copy=False))
    (C, N), d = values.shape, features.shape[0]
    out = array_module(values).empty_like(values)
    shared = (2 * d + CHANNELS) * TILE * values.dtype.itemsize
    _sum(values, features, out, *i32(C, N, d), grid=(-(-N // TILE), -(-C // CHANNELS)), block=TILE, shared=shared)
    return out
