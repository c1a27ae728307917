"""Wrong answers to mean_iou."""

import numpy as np


def _iou(p, t, classes, score, keep=None):
    out = np.full(classes, np.nan)
    for k in range(classes):
        a, b = p == k, t == k
        i, u = (a & b).sum(), (a | b).sum()
        if u:
            out[k] = score(i, u, a.sum(), b.sum())
    return out


def absent_is_zero(prediction, target, classes, ignore):
    "counts as 0"
    keep = target != ignore
    iou = np.nan_to_num(_iou(prediction[keep], target[keep], classes, lambda i, u, a, b: i / u))
    return iou, iou.mean()


def counts_ignored(prediction, target, classes, ignore):
    "pixels to ignore"
    iou = _iou(prediction, target, classes, lambda i, u, a, b: i / u)
    return iou, np.nanmean(iou)


def dice(prediction, target, classes, ignore):
    "Dice"
    keep = target != ignore
    iou = _iou(prediction[keep], target[keep], classes, lambda i, u, a, b: 2 * i / (a + b))
    return iou, np.nanmean(iou)


def recall(prediction, target, classes, ignore):
    "recall"
    keep = target != ignore
    with np.errstate(all="ignore"):
        iou = _iou(prediction[keep], target[keep], classes, lambda i, u, a, b: np.float64(i) / b)
    return iou, np.nanmean(iou)


def images_apart(prediction, target, classes, ignore):
    "images are counted apart"
    means = []
    for p, t in zip(prediction, target):
        keep = t != ignore
        means.append(np.nanmean(_iou(p[keep], t[keep], classes, lambda i, u, a, b: i / u)))
    keep = target != ignore
    return _iou(prediction[keep], target[keep], classes, lambda i, u, a, b: i / u), np.mean(means)


def nan_mean(prediction, target, classes, ignore):
    "NaN"
    keep = target != ignore
    iou = _iou(prediction[keep], target[keep], classes, lambda i, u, a, b: i / u)
    return iou, iou.mean()


def no_background(prediction, target, classes, ignore):
    "background"
    keep = target != ignore
    iou = _iou(prediction[keep], target[keep], classes, lambda i, u, a, b: i / u)
    return iou, np.nanmean(iou[1:])


def weighted(prediction, target, classes, ignore):
    "frequency"
    keep = target != ignore
    p, t = prediction[keep], target[keep]
    iou = _iou(p, t, classes, lambda i, u, a, b: i / u)
    share = np.array([(t == k).mean() for k in range(classes)])
    return iou, np.nansum(iou * share)


def accuracy(prediction, target, classes, ignore):
    "pixel accuracy"
    keep = target != ignore
    iou = _iou(prediction[keep], target[keep], classes, lambda i, u, a, b: i / u)
    return iou, (prediction[keep] == target[keep]).mean()


def intersection_twice(prediction, target, classes, ignore):
    "counted twice in the union"
    keep = target != ignore
    iou = _iou(prediction[keep], target[keep], classes, lambda i, u, a, b: i / (a + b))
    return iou, np.nanmean(iou)


def smoothed(prediction, target, classes, ignore):
    "epsilon"
    keep = target != ignore
    iou = _iou(prediction[keep], target[keep], classes, lambda i, u, a, b: i / (u + 1e-6))
    return iou, np.nanmean(iou)


def union_is_sum(prediction, target, classes, ignore):
    "counted twice in the union"
    k = target != ignore
    p, t = (prediction[k], target[k])
    with np.errstate(all="ignore"):
        iou = np.array([((p == c) & (t == c)).sum() / ((p == c).sum() + (t == c).sum()) for c in range(classes)])
    return (iou, np.nanmean(iou))


def ignores_prediction(prediction, target, classes, ignore):
    "whose target"
    k = prediction != ignore
    p, t = (prediction[k], target[k])
    iou = np.full(classes, np.nan)
    for c in range(classes):
        u = ((p == c) | (t == c)).sum()
        if u:
            iou[c] = ((p == c) & (t == c)).sum() / u
    return (iou, np.nanmean(iou))


def precision(prediction, target, classes, ignore):
    "precision"
    k = target != ignore
    p, t = (prediction[k], target[k])
    iou = np.full(classes, np.nan)
    for c in range(classes):
        if (p == c).sum():
            iou[c] = ((p == c) & (t == c)).sum() / (p == c).sum()
    return (iou, np.nanmean(iou))
