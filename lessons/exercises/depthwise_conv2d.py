"""Exercise: a depthwise convolution (lesson 08). Complete the function, then run this file."""

import numpy as np

from minidl.exercises import check


def depthwise_conv2d(x, w, padding):
    """y[n, c, i, j] = sum over k, l of w[c, 0, k, l] x[n, c, i + k - padding, j + l - padding], 0 outside the image. x
    is (N, C, H, W), w (C, 1, Kh, Kw). Each channel has its own kernel, and channels do not mix. The score counts
    multiplications.

    Returns an array (N, C, Ho, Wo).
    """
    raise NotImplementedError("depthwise_conv2d is yours to write")


if __name__ == "__main__":
    raise SystemExit(not check("depthwise_conv2d", depthwise_conv2d))
