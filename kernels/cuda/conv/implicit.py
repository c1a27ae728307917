"""Dense convolution in CUDA C as an implicit matrix product: on tensor cores in TF32, or plain in float32 and float64."""

import numpy as np

from ...precision import precision
from ..loader import Kernel, array_module, contiguous, i32
from .im2col import window

_taps = Kernel("conv/conv_taps.cu", "conv_taps")
_sum_parts = Kernel("conv/conv_taps.cu", "sum_parts")
_plain = Kernel("conv/conv_plain.cu", "conv_plain")
_plain_weight = Kernel("conv/conv_plain_weight.cu", "conv_plain_weight")
_tensor = {rows: Kernel("conv/conv_tensor.cu", f"conv_tensor_{rows}") for rows in (64, 128)}
_tensor_weight = Kernel("conv/conv_tensor_weight.cu", "conv_tensor_weight")
BLOCKS = 264  # two for each of an H200's 132 multiprocessors: below, a weight gradient is cut along its pixels


def _tiles(n, size):
    return -(-n // size)


def _on_tensor_cores(x):
    return precision() == "tf32" and x.dtype == "float32"


def _product(x, w, bias, y, geometry, adjoint):
    """Compute y from x; w is (O, C/groups, kh, kw) in both directions."""
    G, taps = geometry.groups, w.shape[2] * w.shape[3]
    N, M, K = x.shape[0], y.shape[1] // G, x.shape[1] // G
    tensor = _on_tensor_cores(x)
    rows, pixels = (128 if tensor and M > 64 else 64), (128 if tensor else 64)
    Mp, Kp = _tiles(M, rows) * rows, _tiles(K, 16) * 16
    packed = array_module(x).empty(G * taps * Mp * Kp, x.dtype)
    _taps(w, packed, (G * Mp * Kp, taps, M, K, Mp, Kp), np.bool_(adjoint), threads=G * Mp * Kp)

    one, stride = (1, 1), geometry.stride
    down, up, sign = (one, stride, -1) if adjoint else (stride, one, 1)
    shift, step = (-sign * p for p in geometry.padding), (sign * d for d in geometry.dilation)
    axes = zip(x.shape[2:], y.shape[2:], geometry.kernel, down, up, shift, step)  # an `Axis` of conv.cuh each
    largest = N * _tiles(y.shape[2], up[0]) * _tiles(y.shape[3], up[1])  # pixels of the largest phase
    blocks, layers = _tiles(largest, pixels), G * up[0] * up[1]
    arguments = x, packed, bias, y, (N, M, K, Mp, Kp), *axes
    if tensor:
        _tensor[rows](*arguments, grid=(blocks * (Mp // rows), 1, layers), block=256)
    else:
        _plain(*arguments, grid=(blocks, Mp // rows, layers), block=256)
    return y


def conv2d(x, w, bias, geometry):
    """y[n,o,i,j] = b[o] + sum_ckl w[o,c,k,l] x[n, c, i s + k d - p, j s + l d - p]."""
    x, w, bias = contiguous(x, w, bias)
    shape = x.shape[0], w.shape[0], *geometry.output_size(x.shape[2:])
    return _product(x, w, bias, array_module(x).empty(shape, x.dtype), geometry, adjoint=False)


def conv_transpose2d(y, w, bias, size, geometry):
    """The adjoint of conv2d in x: the same kernels, with the taps running backwards and strides dividing."""
    y, w, bias = contiguous(y, w, bias)
    shape = y.shape[0], w.shape[1] * geometry.groups, *size
    return _product(y, w, bias, array_module(y).empty(shape, y.dtype), geometry, adjoint=True)


def conv2d_weight(x, y, geometry):
    """w[o,c,k,l] = sum_nij y[n,o,i,j] x[n, c, i s + k d - p, j s + l d - p], in splits of the pixels, then their sum."""
    x, y = contiguous(x, y)
    xp, G, (N, O, Ho, Wo) = array_module(x), geometry.groups, y.shape
    M, K = O // G, x.shape[1] // G
    columns, pixels = K * geometry.kernel[0] * geometry.kernel[1], N * Ho * Wo
    tensor = _on_tensor_cores(x)
    width, height = _tiles(columns, 128 if tensor else 64), _tiles(M, 64)
    splits = max(1, min(_tiles(BLOCKS, width * height * G), pixels // 256, 65535 // G))
    per_split = _tiles(_tiles(pixels, splits), 16) * 16
    part = xp.empty((splits, O, K, *geometry.kernel), x.dtype)
    arguments = x, y, part, (N, G, M, K, per_split), (N, *x.shape[2:], Ho, Wo), window(geometry)
    (_tensor_weight if tensor else _plain_weight)(*arguments, grid=(width, height, splits * G), block=256)
    if splits == 1:
        return part[0]
    w = xp.empty(part.shape[1:], x.dtype)
    _sum_parts(part, w, *i32(w.size, splits), threads=w.size)
    return w
