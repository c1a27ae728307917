"""Exercise: a fully connected layer at every place of a larger map (lesson 04). Complete the function, then run this file."""

import numpy as np

from minidl.exercises import check


def convolutionalize(weight, bias, x, size):
    """A fully connected layer takes maps (C, h, w), size = (h, w), flattened channel by channel and row by row; its
    weight is (O, C * h * w), its bias (O,). The same layer as a convolution without padding gives its scores for
    every window of a larger map x (N, C, H, W): scores[n, o, i, j] = bias[o] + sum over c, k, l of weight[o, (c, k,
    l)] x[n, c, i + k, j + l].

    Returns an array (N, O, H - h + 1, W - w + 1).
    """
    raise NotImplementedError("convolutionalize is yours to write")


if __name__ == "__main__":
    raise SystemExit(not check("convolutionalize", convolutionalize))
