"""Solution: what is ignored goes first; 0 / 0 is a class that neither has."""

import numpy as np

from minidl.exercises import check


def mean_iou(prediction, target, classes, ignore):
    keep = target != ignore
    prediction, target = prediction[keep], target[keep]
    iou = np.full(classes, np.nan)
    for k in range(classes):
        inner = ((prediction == k) & (target == k)).sum()
        union = (prediction == k).sum() + (target == k).sum() - inner
        if union:
            iou[k] = inner / union
    return iou, np.nanmean(iou)


if __name__ == "__main__":
    raise SystemExit(not check("mean_iou", mean_iou))
