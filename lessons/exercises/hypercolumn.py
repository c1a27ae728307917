"""Exercise: all units above a pixel (lesson 21). Complete the function, then run this file."""

import numpy as np

from minidl.exercises import check


def hypercolumn(maps, points, size):
    """The hypercolumn of a pixel is the vector of all units above it. maps is a tuple of feature maps (C_m, H_m, W_m)
    of one image of size = (H, W); points (P, 2) are rows and columns of pixels. Each map is read at the position
    ((row + 1/2) H_m / H - 1/2, (column + 1/2) W_m / W - 1/2), clamped to the map, by bilinear interpolation; the
    values of all maps are concatenated.

    Returns an array (P, the sum of all C_m).
    """
    raise NotImplementedError("hypercolumn is yours to write")


if __name__ == "__main__":
    raise SystemExit(not check("hypercolumn", hypercolumn))
