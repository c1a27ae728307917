"""ROI Pool in CUDA C, and gather and scatter between boxes and planes."""

import math

import numpy as np

from ..loader import Kernel, array_module, contiguous
from ..pool.unpool import check_index
from .roi_align import box_settings

_pool = Kernel("regions/roi_pool.cu", "roi_pool")
_gather = Kernel("regions/roi_pool.cu", "roi_gather")
_scatter = Kernel("regions/roi_pool.cu", "roi_scatter")


def roi_pool(x, boxes, output_size, scale):
    """(y, index): the largest pixel of each bin of a box whose corners and bins are rounded to pixels, and its position."""
    x, boxes = contiguous(x, boxes)
    xp, shape = array_module(x), (len(boxes), x.shape[1], *output_size)
    y, index = xp.empty(shape, x.dtype), xp.empty(shape, np.int32)
    _pool(x, boxes, y, index, box_settings(y, x.shape[2:], scale, 0, False), threads=y.size)
    return y, index


def roi_gather(x, batch, index):
    """y[k,c,...] = x[batch[k],c].flat[index[k,c,...]]; index -1 gives 0; IndexError outside the plane."""
    x, batch, index = contiguous(x, batch.astype(np.int32, copy=False), index)
    (_, C, H, W), xp = x.shape, array_module(x)
    y, bad = xp.empty(index.shape, x.dtype), xp.zeros(1, np.int32)
    _gather(x, batch, index, y, bad, (index.size, C, H * W, math.prod(index.shape[2:])), threads=index.size)
    check_index("roi_gather", bad, index, H * W)
    return y


def roi_scatter(y, batch, index, size):
    """x[batch[k],c].flat[index[k,c,...]] += y[k,c,...]; index -1 adds nothing; size is (N, H, W)."""
    y, batch, index = contiguous(y, batch.astype(np.int32, copy=False), index)
    (N, H, W), C, xp = size, y.shape[1], array_module(y)
    x, bad = xp.zeros((N, C, H, W), y.dtype), xp.zeros(1, np.int32)
    _scatter(y, batch, index, x, bad, (index.size, C, H * W, math.prod(index.shape[2:])), threads=index.size)
    check_index("roi_scatter", bad, index, H * W)
    return x
