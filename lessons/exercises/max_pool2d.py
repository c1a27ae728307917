"""Exercise: max-pooling that remembers where (lesson 05). Complete the function, then run this file."""

import numpy as np

from minidl.exercises import check


def max_pool2d(x, kernel, stride):
    """y[n, c, i, j] = the largest x[n, c, i * stride + k, j * stride + l] over 0 <= k, l < kernel, and where it is:
    index[n, c, i, j] = row * W + column in the plane x[n, c]; of equal values the first, row by row. Windows that
    do not fit are left out: Ho = (H - kernel) // stride + 1.

    Returns (y, index), both (N, C, Ho, Wo).
    """
    raise NotImplementedError("max_pool2d is yours to write")


if __name__ == "__main__":
    raise SystemExit(not check("max_pool2d", max_pool2d))
