"""Exercise: both gradients of a convolution (lesson 03). Complete the function, then run this file."""

import numpy as np

from minidl.exercises import check


def conv2d_backward(g, x, w, stride, padding):
    """The gradients of sum(g * conv2d(x, w)) in x and in w. y[n, o, i, j] = sum over c, k, l of w[o, c, k, l] x[n, c,
    i * stride + k - padding, j * stride + l - padding], x being 0 outside the image. x is (N, C, H, W), w (O, C,
    Kh, Kw), g (N, O, Ho, Wo). Beware of sizes where the last row of x is not reached by any window.

    Returns (gradient in x, gradient in w).
    """
    raise NotImplementedError("conv2d_backward is yours to write")


if __name__ == "__main__":
    raise SystemExit(not check("conv2d_backward", conv2d_backward))
