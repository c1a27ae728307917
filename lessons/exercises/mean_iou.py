"""Exercise: intersection over union per class, and its mean (lesson 25). Complete the function, then run this file."""

import numpy as np

from minidl.exercises import check


def mean_iou(prediction, target, classes, ignore):
    """prediction and target (N, H, W) hold labels 0 ... classes - 1. Pixels whose target is `ignore` do not count at
    all. The IoU of a class is the number of pixels where both have the class, divided by the number where at least
    one has it, both counted over all images together. A class that neither has is NaN and stays out of the mean;
    one that only the prediction has scores 0.

    Returns (the IoU of every class, (classes,); their mean, a number).
    """
    raise NotImplementedError("mean_iou is yours to write")


if __name__ == "__main__":
    raise SystemExit(not check("mean_iou", mean_iou))
