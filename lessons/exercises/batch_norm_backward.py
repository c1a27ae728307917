"""Exercise: the gradients of batch normalisation (lesson 03). Complete the function, then run this file."""

import numpy as np

from minidl.exercises import check


def batch_norm_backward(g, x, weight, bias, eps):
    """The gradients of sum(g * y) in x, weight and bias, where per channel y = weight (x - mean) / sqrt(var + eps) +
    bias. mean and var (over n and the pixels, divided by their number) are functions of x, so x acts on y in three
    ways. x is (N, C, H, W), weight and bias (C,).

    Returns (gradient in x, gradient in weight, gradient in bias).
    """
    raise NotImplementedError("batch_norm_backward is yours to write")


if __name__ == "__main__":
    raise SystemExit(not check("batch_norm_backward", batch_norm_backward))
