"""Exercise: a transposed convolution, made from a convolution (lesson 03). Complete the function, then run this file."""

import numpy as np

from minidl.exercises import check


def conv_transpose2d(y, w, stride, padding, output_padding):
    """x[n, o, i * stride + k - padding, j * stride + l - padding] += w[c, o, k, l] y[n, c, i, j] for all indices,
    computed with one ordinary convolution of stride 1: F.conv2d from minidl, on minidl.tensor(array), gives it. y
    is (N, C, H, W), w (C, O, Kh, Kw). The result has (H - 1) * stride + Kh - 2 * padding + output_padding rows.

    Returns an array (or Tensor) (N, O, Ho, Wo).
    """
    raise NotImplementedError("conv_transpose2d is yours to write")


if __name__ == "__main__":
    raise SystemExit(not check("conv_transpose2d", conv_transpose2d))
