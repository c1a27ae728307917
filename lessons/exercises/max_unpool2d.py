"""Exercise: unpooling: every maximum back to where it was (lesson 05). Complete the function, then run this file."""

import numpy as np

from minidl.exercises import check


def max_unpool2d(y, index, size):
    """x[n, c] is zero but for x[n, c].flat[index[n, c, i, j]] = y[n, c, i, j]. y and index (N, C, Ho, Wo) come from a
    max-pooling of windows that did not overlap, size = (H, W) is that of its input: 7 rows pooled by 2 are 3, and
    the way back from 3 must be 7, not 6.

    Returns an array (N, C, H, W).
    """
    raise NotImplementedError("max_unpool2d is yours to write")


if __name__ == "__main__":
    raise SystemExit(not check("max_unpool2d", max_unpool2d))
