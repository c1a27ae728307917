"""Exercise: the mask of a box, pasted into the image (lesson 24). Complete the function, then run this file."""

import numpy as np

from minidl.exercises import check


def paste_mask(mask, box, size):
    """mask (M, M) holds the probabilities of one object in its box x1, y1, x2, y2, which need not be whole numbers;
    the image has size = (H, W). Pixel (i, j) has its centre at row i + 1/2, column j + 1/2. Where the centre lies
    in the box (edges included), the pixel reads the mask at row (i + 1/2 - y1) / (y2 - y1) * M - 1/2 and column (j
    + 1/2 - x1) / (x2 - x1) * M - 1/2, clamped to 0 ... M - 1, by bilinear interpolation; elsewhere it is 0. What
    leaves the image is lost.

    Returns an array (H, W).
    """
    raise NotImplementedError("paste_mask is yours to write")


if __name__ == "__main__":
    raise SystemExit(not check("paste_mask", paste_mask))
