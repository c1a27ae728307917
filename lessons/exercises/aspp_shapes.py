"""Exercise: channels, weights and field of view of ASPP (lesson 23). Complete the function, then run this file."""

import numpy as np

from minidl.exercises import check


def aspp_shapes(channels, filters, rates):
    """ASPP of DeepLab v3 on a map of `channels` channels. Its branches stand side by side: a 1x1 convolution, a 3x3
    convolution of dilation r for each r in rates, and image pooling (the mean over the map) with a 1x1 convolution
    behind it. Each branch gives `filters` channels; all are concatenated, and a last 1x1 convolution projects them
    to `filters` channels. No convolution has a bias (batch normalisation follows), and normalisation does not count
    here. The field of view is the number of pixels of the map, along one axis, from the first to the last that one
    output of the widest 3x3 branch reads.

    Returns (channels after the concatenation, weights of all convolutions, field of view), three whole numbers.
    """
    raise NotImplementedError("aspp_shapes is yours to write")


if __name__ == "__main__":
    raise SystemExit(not check("aspp_shapes", aspp_shapes))
