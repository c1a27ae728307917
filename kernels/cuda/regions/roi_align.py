"""ROI Align in CUDA C: one thread a bin and channel."""

import numpy as np

from ..loader import Kernel, array_module, contiguous

EXACT = ("--fmad=false",)  # see roi.cuh
_align = Kernel("regions/roi_align.cu", "roi_align", EXACT)
_adjoint = Kernel("regions/roi_align.cu", "roi_align_adjoint", EXACT)
_max = Kernel("regions/roi_align.cu", "roi_align_max", EXACT)


def box_settings(result, size, scale, ratio, aligned):
    """The `Boxes` of roi.cuh; the result is (K, C, ph, pw), size the (H, W) of the images."""
    return result.size, result.shape[1], *size, *result.shape[2:], float(scale), int(ratio), bool(aligned)


def roi_align(x, boxes, output_size, scale, ratio, aligned):
    """y[k,c,i,j] = the mean of the samples in bin (i, j) of box k; a bin without samples gives 0."""
    x, boxes = contiguous(x, boxes)
    y = array_module(x).empty((len(boxes), x.shape[1], *output_size), x.dtype)
    _align(x, boxes, y, box_settings(y, x.shape[2:], scale, ratio, aligned), threads=y.size)
    return y


def roi_align_adjoint(y, boxes, size, scale, ratio, aligned):
    """Adds y / count back at the four neighbours of every sample; size is (N, H, W)."""
    y, boxes = contiguous(y, boxes)
    x = array_module(y).zeros((size[0], y.shape[1], *size[1:]), y.dtype)
    _adjoint(y, boxes, x, box_settings(y, size[1:], scale, ratio, aligned), threads=y.size)
    return x


def roi_align_max(x, boxes, output_size, scale, ratio, aligned):
    """(y, index, weight): the largest sample of each bin, and the positions and weights of its four neighbours."""
    x, boxes = contiguous(x, boxes)
    xp, shape = array_module(x), (len(boxes), x.shape[1], *output_size)
    y, index, weight = xp.empty(shape, x.dtype), xp.empty((*shape, 4), np.int32), xp.empty((*shape, 4), x.dtype)
    _max(x, boxes, y, index, weight, box_settings(y, x.shape[2:], scale, ratio, aligned), threads=y.size)
    return y, index, weight
