"""The exercise on mean intersection over union."""

import numpy as np

from ...exercise import Exercise

RIGHT = {
    "keep": lambda prediction, target, ignore: target != ignore,
    "score": lambda inner, p, t: inner / (p + t - inner),
    "empty": lambda iou, inner, p, t: iou,
    "mean": lambda iou, inner, p, t: np.nanmean(iou),
    "first": 0,  # the first class that counts
}


def _counts(prediction, target, classes, ignore, way):
    keep = way["keep"](prediction, target, ignore)
    p, t = prediction[keep], target[keep]
    inner = np.array([((p == k) & (t == k)).sum() for k in range(classes)], float)
    return (
        inner,
        np.array([(p == k).sum() for k in range(classes)], float),
        np.array([(t == k).sum() for k in range(classes)], float),
    )


def _made(prediction, target, classes, ignore, **slips):
    way = RIGHT | slips
    counts = _counts(prediction, target, classes, ignore, way)
    iou = way["empty"](way["score"](*counts), *counts)
    return iou[way["first"] :], way["mean"](iou[way["first"] :], *(c[way["first"] :] for c in counts))


def _apart(prediction, target, classes, ignore):
    """Images counted apart, then averaged."""
    each = np.array([_made(p, t, classes, ignore)[0] for p, t in zip(prediction, target)])
    there = ~np.isnan(each)
    iou = np.where(there.any(0), np.nansum(each, 0) / np.maximum(there.sum(0), 1), np.nan)
    return iou, np.nanmean(iou)


def _mean_of_images(prediction, target, classes, ignore):
    return None, np.mean([_made(p, t, classes, ignore)[1] for p, t in zip(prediction, target)])


def _labels(seed, shape, classes, absent=(), only_predicted=(), missed=()):
    rng = np.random.default_rng(seed) if isinstance(seed, int) else seed
    there = [k for k in range(classes) if k not in absent]
    target = rng.choice([k for k in there if k not in only_predicted], shape)
    prediction = np.where(rng.random(shape) < 0.6, target, rng.choice(there, shape))
    prediction = np.where(np.isin(target, missed) & (prediction == target), 0, prediction)
    target[rng.random(shape) < 0.15] = 255
    target[0, 0, 0] = 255
    prediction[0, 0, 0] = there[0]
    prediction[0, 0, 1] = target[0, 0, 1] = there[0]
    return {"prediction": prediction, "target": target, "classes": classes, "ignore": 255}


def _with(epsilon, both, kept):
    """A score with an epsilon below, or above and below; `kept`: an empty class stays NaN."""

    def score(inner, p, t):
        union = p + t - inner
        made = (inner + epsilon * both) / (union + epsilon)
        return np.where(union > 0, made, np.nan) if kept else made

    return score


def _fill(value):
    return {"empty": lambda iou, inner, p, t: np.where(np.isnan(iou), value, iou)}


IOU = Exercise(
    name="mean_iou",
    signature="prediction, target, classes, ignore",
    lesson="25",
    title="intersection over union per class, and its mean",
    task="""prediction and target (N, H, W) hold labels 0 ... classes - 1. Pixels whose target is `ignore` do not count at
all. The IoU of a class is the number of pixels where both have the class, divided by the number where at least one has it,
both counted over all images together. A class that neither has is NaN and stays out of the mean; one that only the
prediction has scores 0.
Returns (the IoU of every class, (classes,); their mean, a number).""",
    cases=(
        _labels(0, (1, 3, 4), 2),
        _labels(1, (2, 5, 6), 4, absent=(2,)),
        _labels(2, (3, 4, 5), 5, absent=(4,), only_predicted=(3,)),
        _labels(3, (2, 6, 5), 3, missed=(1,)),
    ),
    draw_case=lambda rng: _labels(rng, (3, 5, 4), 6, absent=(1,), only_predicted=(5,), missed=(3,)),
    expected=_made,
    made=_made,
    returns=("iou", "mean"),
    mistakes={
        "a class that neither has counts as 0: it is NaN and stays out of the mean": [
            _fill(0.0),
            {"mean": lambda iou, inner, p, t: np.nansum(iou) / len(iou)},
        ],
        "a class that neither has counts as 1: it is NaN and stays out of the mean": _fill(1.0),
        "a class that only the prediction has is left out: its IoU is 0": {
            "empty": lambda iou, inner, p, t: np.where(t == 0, np.nan, iou)
        },
        "a class that the target has and the prediction never meets is left out: its IoU is 0": {
            "mean": lambda iou, inner, p, t: iou[iou > 0].mean()
        },
        "pixels to ignore are counted: they are those whose target, not whose prediction, is `ignore`": {
            "keep": lambda p, t, ignore: t == t
        },
        "pixels to ignore count as class 0": [
            lambda prediction, target, classes, ignore: _made(
                prediction, np.where(target == ignore, 0, target), classes, ignore
            )
        ],
        "twice the intersection over the sum of both: that is the Dice score, not IoU": {
            "score": lambda inner, p, t: 2 * inner / (p + t)
        },
        "the intersection is counted twice in the union: subtract it": {"score": lambda inner, p, t: inner / (p + t)},
        "divided by the pixels of the target: that is recall, the accuracy of a class, not IoU": [
            {"score": lambda inner, p, t: inner / t},
            {"mean": lambda iou, inner, p, t: np.nanmean(inner / t)},
        ],
        "divided by the pixels of the prediction: that is precision, not IoU": {"score": lambda inner, p, t: inner / p},
        "divided by the smaller or the larger of both: divide by the union": [
            {"score": lambda inner, p, t: inner / np.maximum(p, t)},
            {"score": lambda inner, p, t: inner / np.minimum(p, t)},
        ],
        "divided by the pixels that differ: divide by the union": {
            "score": lambda inner, p, t: inner / (p + t - 2 * inner)
        },
        "the pixel accuracy is returned: needed the IoU": {"mean": lambda iou, inner, p, t: inner.sum() / t.sum()},
        "the intersections of all classes are divided by all unions: take the mean of the classes' IoU": {
            "mean": lambda iou, inner, p, t: inner.sum() / (p + t - inner).sum()
        },
        "classes are weighted by their frequency: the mean counts every class alike": {
            "mean": lambda iou, inner, p, t: np.nansum(iou * t) / t.sum()
        },
        "images are counted apart and then averaged: count over all images together": [_apart, _mean_of_images],
        "only the first image counts": lambda prediction, target, classes, ignore: _made(
            prediction[:1], target[:1], classes, ignore
        ),
        "only the last image counts: += became =": lambda prediction, target, classes, ignore: _made(
            prediction[-1:], target[-1:], classes, ignore
        ),
        "NaN makes the mean NaN: leave undefined classes out (np.nanmean)": {
            "mean": lambda iou, inner, p, t: iou.mean()
        },
        "the sum over the classes is returned: needed the mean": {"mean": lambda iou, inner, p, t: np.nansum(iou)},
        "the background is left out: class 0 counts, too": [
            {"first": 1},
            {"mean": lambda iou, inner, p, t: np.nanmean(iou[1:])},
        ],
        "the last class is left out": [
            lambda prediction, target, classes, ignore: _made(prediction, target, classes - 1, ignore)
        ],
        "an epsilon changes the score": [
            {"score": _with(e, both, kept)}
            for e in (1.0, 0.1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8)
            for both in (0, 1)
            for kept in (False, True)
        ],
        "the median is taken: needed the mean": {"mean": lambda iou, inner, p, t: np.nanmedian(iou)},
        "the smallest or the largest IoU is returned: needed the mean": [
            {"mean": lambda iou, inner, p, t: np.nanmin(iou)},
            {"mean": lambda iou, inner, p, t: np.nanmax(iou)},
        ],
    },
    draws="target",
    hints=(
        "Look at the pixels to ignore first: take them out of prediction and target before anything is counted.",
        "For one class: how many pixels do both have, how many the prediction, how many the target? The union is the "
        "last two, "
        "minus the first. 0 / 0 is a class that neither has.",
        "keep = target != ignore; inner = ((p == k) & (t == k)).sum(); union = (p == k).sum() + (t == k).sum() - "
        "inner; iou = "
        "inner / union or NaN; np.nanmean(iou).",
    ),
)

EXERCISES = (IOU,)
