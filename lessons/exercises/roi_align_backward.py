"""Exercise: the gradient of ROI Align (lesson 09). Complete the function, then run this file."""

import numpy as np

from minidl.exercises import check


def roi_align_backward(g, x, boxes, size, ratio):
    """The gradient of sum(g * y) in x, where y = roi_align(x, boxes, size, ratio) as in the exercise of that name:
    every sample took from four pixels, so a share of g goes back to the same four with the same weights. Boxes get
    no gradient. g is (K, C, ph, pw), x (N, C, H, W), boxes (K, 5) are n, x1, y1, x2, y2; bins overlap in pixels,
    and so do boxes.

    Returns the gradient in x, (N, C, H, W).
    """
    raise NotImplementedError("roi_align_backward is yours to write")


if __name__ == "__main__":
    raise SystemExit(not check("roi_align_backward", roi_align_backward))
