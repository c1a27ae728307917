"""The exercise on ROI Align."""

import numpy as np

from ...kernels import reference
from ..exercise import Exercise, numbers
from .roi_samples import EDGES, HANGING, INSIDE, RIGHT, SLIPS, boxes_of, samples


def _forward(x, boxes, size, ratio, join="mean", **slips):
    way = RIGHT | slips
    values, counts = {}, np.zeros((len(boxes), 1, *size))
    y = np.zeros((len(boxes), x.shape[1], *size))
    for k, n, i, j, taps in samples(x.shape, boxes, size, ratio, way):
        counts[k, 0, i, j] += bool(taps)
        value = sum((weight * x[way["image"](n), :, h, w] for h, w, weight in taps), np.zeros(x.shape[1]))
        values.setdefault((k, i, j), []).append((value, taps))
    for (k, i, j), of_bin in values.items():
        y[k, :, i, j] = JOIN[join](np.array([v for v, _ in of_bin]), [t for _, t in of_bin])
    return y if join != "mean" else y / np.maximum(way["divide"](ratio, counts), 1)


def _max_inside(values, taps):
    """The largest of the samples that lie inside; 0 where none does."""
    there = [bool(t) for t in taps]
    return values[there].max(0) if any(there) else 0 * values[0]


JOIN = {
    "mean": lambda values, taps: values.sum(0),
    "max": lambda values, taps: values.max(0),
    "max inside": _max_inside,
    "max from 0": lambda values, taps: values.max(0).clip(0),
    "last": lambda values, taps: values[-1],
    "last share": lambda values, taps: values[-1] / len(values),
    "first": lambda values, taps: values[0],
    "centre": lambda values, taps: values[len(values) // 2],
}


def _expected(x, boxes, size, ratio):
    return reference.roi_align(x, boxes, size, 1.0, ratio, True)


ALIGN = Exercise(
    name="roi_align",
    signature="x, boxes, size, ratio",
    lesson="09",
    title="ROI Align",
    task="""y[k, c, i, j] = the mean of ratio * ratio bilinear samples of x[n, c] in bin (i, j) of box k. Each row of boxes
(K, 5) is n, x1, y1, x2, y2: the image, then two corners in pixels of x (N, C, H, W), where the first pixel's centre is at
1/2; subtract 1/2 from the corners and nothing need be rounded. The box has size = (ph, pw) bins, a bin ratio * ratio
samples at the centres of equal cells. A sample above -1 or below H (left of -1 or right of W) is 0 and still counts;
others are clamped to 0 ... H - 1.
Returns an array (K, C, ph, pw).""",
    cases=(
        {"x": numbers(0, 1, 1, 5, 5), "boxes": INSIDE, "size": (2, 2), "ratio": 2},
        {"x": numbers(1, 2, 3, 6, 7), "boxes": HANGING, "size": (3, 2), "ratio": 2},
        {"x": numbers(2, 2, 2, 6, 7), "boxes": HANGING[:2], "size": (2, 3), "ratio": 3},
        {"x": numbers(3, 2, 2, 6, 7), "boxes": EDGES, "size": (2, 3), "ratio": 2},
    ),
    draw_case=lambda rng: {
        "x": numbers(rng, 2, 2, 6, 5),
        "boxes": boxes_of(rng),
        "size": (3, 2),
        "ratio": int(rng.integers(2, 4)),
    },
    expected=_expected,
    made=_forward,
    mistakes={
        **SLIPS,
        "the sum is taken: divide by ratio * ratio": {"divide": lambda ratio, inside: 1},
        "the maximum of the samples is taken: needed their mean": [
            {"join": "max"},
            {"join": "max from 0"},
            {"join": "max inside"},
        ],
        "one sample of each bin overwrites the others: add them, then divide": [
            {"join": "last"},
            {"join": "last share"},
            {"join": "first"},
        ],
    },
    hints=(
        "Look at one bin: sample p of bin i lies at y1 - 1/2 + (i + (p + 1/2) / ratio) * (y2 - y1) / ph. Columns "
        "alike; loops "
        "are fine.",
        "Test for -1 <= y <= H first, then clamp y to 0 ... H - 1. A sample outside adds nothing, and the division stays.",
        "h = int(y), below = min(h + 1, H - 1), v = y - h. Add (1-v)(1-u) x[h, w] + (1-v) u x[h, beside] + v (1-u) "
        "x[below, w] + "
        "v u x[below, beside]; divide by ratio ** 2.",
    ),
)

EXERCISES = (ALIGN,)
