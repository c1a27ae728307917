"""Exercise: U-Net's copy: crop the middle, then concatenate (lesson 22). Complete the function, then run this file."""

import numpy as np

from minidl.exercises import check


def crop_and_concatenate(up, skip):
    """The skip connection of U-Net: skip (N, D, H, W) is cropped to the size of up (N, C, h, w), and both are
    concatenated along the channels, skip first. The crop starts at row (H - h) // 2 and column (W - w) // 2, which
    is the middle; where H - h is odd, one row more is lost at the bottom. H = h and W = w are possible.

    Returns an array (N, D + C, h, w).
    """
    raise NotImplementedError("crop_and_concatenate is yours to write")


if __name__ == "__main__":
    raise SystemExit(not check("crop_and_concatenate", crop_and_concatenate))
