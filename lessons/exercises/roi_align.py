"""Exercise: ROI Align (lesson 09). Complete the function, then run this file."""

import numpy as np

from minidl.exercises import check


def roi_align(x, boxes, size, ratio):
    """y[k, c, i, j] = the mean of ratio * ratio bilinear samples of x[n, c] in bin (i, j) of box k. Each row of boxes
    (K, 5) is n, x1, y1, x2, y2: the image, then two corners in pixels of x (N, C, H, W), where the first pixel's
    centre is at 1/2; subtract 1/2 from the corners and nothing need be rounded. The box has size = (ph, pw) bins, a
    bin ratio * ratio samples at the centres of equal cells. A sample above -1 or below H (left of -1 or right of W)
    is 0 and still counts; others are clamped to 0 ... H - 1.

    Returns an array (K, C, ph, pw).
    """
    raise NotImplementedError("roi_align is yours to write")


if __name__ == "__main__":
    raise SystemExit(not check("roi_align", roi_align))
