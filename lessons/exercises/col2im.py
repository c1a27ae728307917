"""Exercise: the adjoint of im2col (lesson 02). Complete the function, then run this file."""

import numpy as np

from minidl.exercises import check


def col2im(cols, size, kernel, stride, padding):
    """Adds cols[n, (c, k, l), (i, j)] to x[n, c, i * stride + k - padding, j * stride + l - padding]. cols is (N, C *
    kernel * kernel, Ho * Wo), size the (H, W) of the image that im2col was given. What falls on the padding is
    dropped. For every x and cols, sum(im2col(x) * cols) equals sum(x * col2im(cols)).

    Returns an array (N, C, H, W).
    """
    raise NotImplementedError("col2im is yours to write")


if __name__ == "__main__":
    raise SystemExit(not check("col2im", col2im))
