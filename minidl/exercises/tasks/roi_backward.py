"""The exercise on the gradient of ROI Align."""

import numpy as np

from ... import functional as F
from ..exercise import Exercise, gradients, numbers
from .roi_samples import EDGES, HANGING, INSIDE, RIGHT, SLIPS, boxes_of, samples


def _backward(g, x, boxes, size, ratio, overwrite=False, exchanged=False, **slips):
    way = RIGHT | slips
    dx, counts = np.zeros_like(x), np.zeros((len(boxes), 1, *size))
    places = list(samples(x.shape, boxes, size, ratio, way))
    for k, _, i, j, taps in places:
        counts[k, 0, i, j] += bool(taps)
    share = g / np.maximum(way["divide"](ratio, counts), 1)
    for k, n, i, j, taps in places:
        for h, w, weight in taps:
            n = way["image"](n)
            dx[n, :, h, w] = weight * share[k, :, i, j] + (0 if overwrite else dx[n, :, h, w])
    return dx


def _turned(text):
    """The text of the same mistake for the backward pass."""
    return (
        text.replace("they are 0", "they take nothing")
        .replace("are taken as 0", "give nothing")
        .replace("comes from", "goes to")
    )


def _forward_tape(x, boxes, size, ratio):
    return F.roi_align(x, boxes, size, 1.0, ratio, True)


def _back_case(seed, shape, boxes, size, ratio):
    g = numbers(seed, len(boxes), shape[1], *size)
    return {"g": g, "x": numbers(seed + 1, *shape), "boxes": boxes, "size": size, "ratio": ratio}


def _draw_back(rng):
    g, x = numbers(rng, 3, 2, 3, 2), numbers(rng, 2, 2, 6, 5)
    return {"g": g, "x": x, "boxes": boxes_of(rng), "size": (3, 2), "ratio": int(rng.integers(2, 4))}


BACKWARD = Exercise(
    name="roi_align_backward",
    signature="g, x, boxes, size, ratio",
    lesson="09",
    title="the gradient of ROI Align",
    task="""The gradient of sum(g * y) in x, where y = roi_align(x, boxes, size, ratio) as in the exercise of that name: every
sample took from four pixels, so a share of g goes back to the same four with the same weights. Boxes get no gradient.
g is (K, C, ph, pw), x (N, C, H, W), boxes (K, 5) are n, x1, y1, x2, y2; bins overlap in pixels, and so do boxes.
Returns the gradient in x, (N, C, H, W).""",
    cases=(
        _back_case(0, (1, 1, 5, 5), INSIDE, (2, 2), 2),
        _back_case(10, (2, 3, 6, 7), HANGING, (3, 2), 2),
        _back_case(20, (2, 2, 6, 7), HANGING[:2], (2, 3), 3),
        _back_case(30, (2, 2, 6, 7), EDGES, (2, 3), 2),
    ),
    draw_case=_draw_back,
    forward=_forward_tape,
    expected=lambda **arguments: gradients(_forward_tape, "x")(**arguments)[0],
    made=_backward,
    returns=("x",),
    mistakes={
        **{_turned(text): variant for text, variant in SLIPS.items()},
        "only the last box counts: = stands where += is needed, or the gradient is set to 0 inside the loop over boxes": (
            lambda g, x, boxes, size, ratio: _backward(g[-1:], x, boxes[-1:], size, ratio)
        ),
        "only the first box counts: sum over all": lambda g, x, boxes, size, ratio: _backward(
            g[:1], x, boxes[:1], size, ratio
        ),
        "a sample overwrites what others left in its pixels: add to it": {"overwrite": True},
        "the division by ratio * ratio is missing: each sample has that share of its bin": {
            "divide": lambda ratio, inside: 1
        },
        "x multiplies the shares: the gradient of a sum of weights times x is the weights": lambda g, x, **k: (
            _backward(g, x, **k) * x
        ),
        "repeated indices count once: dx[index] += share adds one of them; use np.add.at": lambda g, x, boxes, size, ratio: (
            _once(g, x, boxes, size, ratio)
        ),
    },
    draws="g",
    hints=(
        "Look at your roi_align: turn its innermost line round. x[...] is read there, dx[...] is added to here.",
        "The share of one sample is g[k, :, i, j] / ratio ** 2, times the weight of each of its four neighbours. "
        "Several samples "
        "share a pixel.",
        "dx[n, :, h, w] += (1 - v) * (1 - u) * share, and so on; with index arrays use np.add.at, which adds repeats.",
    ),
)


def _once(g, x, boxes, size, ratio):
    """dx[index arrays] += share for all samples of one tap together: only one of repeated indices counts."""
    dx = np.zeros_like(x)
    places = [s for s in samples(x.shape, boxes, size, ratio, RIGHT) if s[4]]
    for t in range(4):
        at = [(n, taps[t][0], taps[t][1]) for k, n, i, j, taps in places]
        share = [taps[t][2] * g[k, :, i, j] / ratio**2 for k, n, i, j, taps in places]
        n, h, w = np.array(at).T
        dx[n, :, h, w] += np.array(share)
    return dx


EXERCISES = (BACKWARD,)
