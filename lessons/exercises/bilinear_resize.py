"""Exercise: bilinear resizing (lesson 05). Complete the function, then run this file."""

import numpy as np

from minidl.exercises import check


def bilinear_resize(x, size):
    """Resizes x (N, C, H, W) to size = (Ho, Wo) by linear interpolation along rows and along columns. Pixels are
    squares, and the corners of the two images coincide: output pixel i, whose centre is at i + 1/2, looks at
    position (i + 1/2) H / Ho - 1/2 of the input, clamped to 0 ... H - 1 (PyTorch's align_corners=False).

    Returns an array (N, C, Ho, Wo).
    """
    raise NotImplementedError("bilinear_resize is yours to write")


if __name__ == "__main__":
    raise SystemExit(not check("bilinear_resize", bilinear_resize))
