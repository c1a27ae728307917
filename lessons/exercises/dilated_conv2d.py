"""Exercise: a dilated convolution (lesson 07). Complete the function, then run this file."""

import numpy as np

from minidl.exercises import check


def dilated_conv2d(x, w, dilation):
    """y[n, o, i, j] = sum over c, k, l of w[o, c, k, l] x[n, c, i + k * dilation, j + l * dilation]. x is (N, C, H,
    W), w (O, C, Kh, Kw). No padding, stride 1: the result has H - dilation * (Kh - 1) rows. The score counts
    multiplications: a dilated kernel needs no more than the kernel itself.

    Returns an array (N, O, Ho, Wo).
    """
    raise NotImplementedError("dilated_conv2d is yours to write")


if __name__ == "__main__":
    raise SystemExit(not check("dilated_conv2d", dilated_conv2d))
