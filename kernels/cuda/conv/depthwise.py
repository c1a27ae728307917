"""Depthwise convolution in CUDA C: the three directions where every group has one input channel."""

from ..loader import Kernel, array_module, contiguous, i32
from ..planes import over_planes
from .im2col import window

_forward = Kernel("conv/depthwise.cu", "depthwise")
_data = Kernel("conv/depthwise.cu", "depthwise_data")
_weight = Kernel("conv/depthwise.cu", "depthwise_weight")


def conv2d(x, w, bias, geometry):
    """y[n,o,i,j] = b[o] + sum_kl w[o,k,l] x[n, o / multiplier, i s + k d - p, j s + l d - p]: one thread a pixel."""
    x, w, bias = contiguous(x, w, bias)
    (N, C, H, W), O = x.shape, w.shape[0]
    Ho, Wo = geometry.output_size((H, W))
    y = array_module(x).empty((N, O, Ho, Wo), x.dtype)
    planes = N * O, H, W, Ho, Wo
    _forward(x, w, bias, y, (O, O // C), planes, window(geometry), **over_planes(N * O, Ho * Wo))
    return y


def conv_transpose2d(y, w, bias, size, geometry):
    """The adjoint in x, as a gather: one thread a pixel of x."""
    y, w, bias = contiguous(y, w, bias)
    (N, O, Ho, Wo), C, (H, W) = y.shape, geometry.groups, size
    x = array_module(y).empty((N, C, H, W), y.dtype)
    planes = N * C, H, W, Ho, Wo
    _data(y, w, bias, x, (C, O // C), planes, window(geometry), **over_planes(N * C, H * W))
    return x


def conv2d_weight(x, y, geometry):
    """w[o,0,k,l] = sum_nij y[n,o,i,j] x[n, o / multiplier, ...]: one block a weight."""
    x, y = contiguous(x, y)
    (N, C, H, W), (O, Ho, Wo), (kh, kw) = x.shape, y.shape[1:], geometry.kernel
    w = array_module(x).empty((O, 1, kh, kw), x.dtype)
    launch = {"grid": (kh * kw, min(O, 65535)), "block": 256}
    _weight(x, y, w, *i32(N), (O, O // C), (N * O, H, W, Ho, Wo), window(geometry), **launch)
    return w
