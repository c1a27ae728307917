"""ROI Align in CUDA C: one thread a bin and channel."""

import numpy as np

from .loader import Kernel, array_module, contiguous, i32

EXACT = ("--fmad=false",)  # see roi.cuh
_align = Kernel("roi_align.cu", "roi_align", EXACT)
_adjoint = Kernel("roi_align.cu", "roi_align_adjoint", EXACT)
_max = Kernel("roi_align.cu", "roi_align_max", EXACT)


def _settings(dtype, scale, ratio, aligned):
    return dtype.type(scale), np.int32(ratio), np.bool_(aligned)


def roi_align(x, boxes, output_size, scale, ratio, aligned):
    """y[k,c,i,j] = the mean of the samples in bin (i, j) of box k; a bin without samples gives 0."""
    x, boxes = contiguous(x, boxes)
    y = array_module(x).empty((len(boxes), x.shape[1], *output_size), x.dtype)
    sizes = i32(y.size, *x.shape[1:], *output_size)
    _align(x, boxes, y, *sizes, *_settings(x.dtype, scale, ratio, aligned), threads=y.size)
    return y


def roi_align_adjoint(y, boxes, size, scale, ratio, aligned):
    """Adds y / count back at the four neighbours of every sample; size is (N, H, W)."""
    y, boxes = contiguous(y, boxes)
    (_, C, ph, pw), (N, H, W) = y.shape, size
    x = array_module(y).zeros((N, C, H, W), y.dtype)
    sizes = i32(y.size, C, H, W, ph, pw)
    _adjoint(y, boxes, x, *sizes, *_settings(y.dtype, scale, ratio, aligned), threads=y.size)
    return x


def roi_align_max(x, boxes, output_size, scale, ratio, aligned):
    """(y, index, weight): the largest sample of each bin, and the positions and weights of its four neighbours."""
    x, boxes = contiguous(x, boxes)
    xp, shape = array_module(x), (len(boxes), x.shape[1], *output_size)
    y, index, weight = xp.empty(shape, x.dtype), xp.empty((*shape, 4), np.int32), xp.empty((*shape, 4), x.dtype)
    sizes = i32(y.size, *x.shape[1:], *output_size)
    _max(x, boxes, y, index, weight, *sizes, *_settings(x.dtype, scale, ratio, aligned), threads=y.size)
    return y, index, weight
