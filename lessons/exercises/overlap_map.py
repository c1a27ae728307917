"""Exercise: how often transposed convolutions paint each pixel (lesson 05). Complete the function, then run this file."""

import numpy as np

from minidl.exercises import check


def overlap_map(layers, size):
    """How many paths lead from an input of `size` pixels (along one axis) to each output pixel of a chain of
    transposed convolutions, given as a list of (kernel, stride): every input pixel i of a layer paints outputs i *
    stride ... i * stride + kernel - 1, each as often as it was painted itself.

    Returns a 1-D array of whole numbers.
    """
    raise NotImplementedError("overlap_map is yours to write")


if __name__ == "__main__":
    raise SystemExit(not check("overlap_map", overlap_map))
