"""Rules of receptive fields for regions of interest: the field of a bin is that of the pixels that its samples read."""

from fractions import Fraction

import numpy as np

from ..kernels.reference.roi_align import axes
from ..kernels.reference.roi_pool import _bins, _rounded
from .fields import Field


def _touched(taps, n):
    """(bins, 2) first and last pixel of each bin's samples, and (bins, 2) whether there are any."""
    low, high, upper, inside = taps
    first = np.where(inside, low, n).min(1, initial=n)
    last = np.where(inside, np.where(upper > 0, high, low), -1).max(1, initial=-1)
    return np.stack([first, last], 1), np.repeat((last >= first)[:, None], 2, 1)


def _aligned(box, size, bins, metadata):
    rows, cols = axes(box, bins, size, metadata["scale"], metadata["ratio"], metadata["aligned"])
    return _touched(rows, size[0]), _touched(cols, size[1])


def _pooled(box, size, bins, metadata):
    left, top, right, bottom = _rounded(box * box.dtype.type(metadata["scale"]))
    rows, cols = _bins(top, bottom, bins[0], size[0], box.dtype), _bins(left, right, bins[1], size[1], box.dtype)
    return [(w - [0, 1], np.repeat((w[:, 1] > w[:, 0])[:, None], 2, 1)) for w in (rows, cols)]


def _regions(windows):
    """The rule of an operation whose bins read `windows`; boxes have no common stride, so the jump between units is 0."""

    def rule(fields, args, metadata, result):
        f, size, parts = fields[0], args[0].shape[2:], []
        for n, *box in metadata["boxes"]:
            image = f.ends[:, int(n) : int(n) + 1] if f.ends.shape[1] > 1 else f.ends
            part = Field(image, f.axis, f.jump, f.length)
            seen = windows(np.array(box), size, result.shape[2:], metadata)
            for d, (positions, mask) in zip((-2, -1), seen):
                part = part.windows(d, positions, mask)
            parts.append(part.ends)
        ends = np.concatenate(parts, 1) if parts else np.zeros((2, *result.shape), np.int64)
        return Field(ends, f.axis, Fraction(0), result.shape[f.axis])

    return rule


align, pool = _regions(_aligned), _regions(_pooled)
