"""Exercises on ROI Align and its gradient."""

import numpy as np

from ... import functional as F
from ...kernels import reference
from ..exercise import Exercise, gradients, numbers


def _inside(y, x, H, W):
    return -1 <= y <= H and -1 <= x <= W


RIGHT = {
    "offset": 0.5,  # subtracted from the corners
    "corners": lambda boxes: boxes,
    "bins": lambda size: size,
    "least": 0.0,  # the smallest side of a box
    "cell": lambda p, ratio: (p + 0.5) / ratio,
    "samples": lambda ratio: (ratio, ratio),
    "inside": _inside,
    "clamp": lambda v, n: min(max(v, 0), n - 1),
    "snap": lambda v: v,  # what a position becomes before it is read
    "low": np.floor,
    "fraction": lambda f: f,
    "mix": lambda v, u: (v, u),
    "divide": lambda ratio, inside: ratio * ratio,
    "image": lambda n: n,
}


def _samples(shape, boxes, size, ratio, way):
    """(box, image, bin row, bin column, four (row, column, weight), empty outside) of every sample."""
    H, W = shape[2:]
    for k, (n, x1, y1, x2, y2) in enumerate(way["corners"](boxes)):
        height, width = max(y2 - y1, way["least"]), max(x2 - x1, way["least"])
        rows, columns = way["bins"](size)
        for i, j, p, q in np.ndindex(*size, *way["samples"](ratio)):
            y = y1 - way["offset"] + (i + way["cell"](p, ratio)) * height / rows
            x = x1 - way["offset"] + (j + way["cell"](q, ratio)) * width / columns
            if not way["inside"](y, x, H, W):
                yield k, int(n), i, j, []
                continue
            y, x = way["snap"](way["clamp"](y, H)), way["snap"](way["clamp"](x, W))
            h, w = int(way["low"](y)), int(way["low"](x))
            v, u = way["mix"](way["fraction"](y - h), way["fraction"](x - w))
            h, w = min(max(h, 0), H - 1), min(max(w, 0), W - 1)
            below, beside = min(h + 1, H - 1), min(w + 1, W - 1)
            yield (
                k,
                int(n),
                i,
                j,
                [(h, w, (1 - v) * (1 - u)), (h, beside, (1 - v) * u), (below, w, v * (1 - u)), (below, beside, v * u)],
            )


def _forward(x, boxes, size, ratio, join="mean", **slips):
    way = RIGHT | slips
    values, counts = {}, np.zeros((len(boxes), 1, *size))
    y = np.zeros((len(boxes), x.shape[1], *size))
    for k, n, i, j, taps in _samples(x.shape, boxes, size, ratio, way):
        counts[k, 0, i, j] += bool(taps)
        value = sum((weight * x[way["image"](n), :, h, w] for h, w, weight in taps), np.zeros(x.shape[1]))
        values.setdefault((k, i, j), []).append((value, taps))
    for (k, i, j), samples in values.items():
        y[k, :, i, j] = JOIN[join](np.array([v for v, _ in samples]), [t for _, t in samples])
    return y if join != "mean" else y / np.maximum(way["divide"](ratio, counts), 1)


JOIN = {
    "mean": lambda values, taps: values.sum(0),
    "max": lambda values, taps: values.max(0),
    "max from 0": lambda values, taps: values.max(0).clip(0),
    "last": lambda values, taps: values[-1],
    "last share": lambda values, taps: values[-1] / len(values),
    "first": lambda values, taps: values[0],
    "centre": lambda values, taps: values[len(values) // 2],
}


def _backward(g, x, boxes, size, ratio, overwrite=False, exchanged=False, **slips):
    way = RIGHT | slips
    dx, counts = np.zeros_like(x), np.zeros((len(boxes), 1, *size))
    samples = list(_samples(x.shape, boxes, size, ratio, way))
    for k, _, i, j, taps in samples:
        counts[k, 0, i, j] += bool(taps)
    share = g / np.maximum(way["divide"](ratio, counts), 1)
    for k, n, i, j, taps in samples:
        for h, w, weight in taps:
            n = way["image"](n)
            dx[n, :, h, w] = weight * share[k, :, i, j] + (0 if overwrite else dx[n, :, h, w])
    return dx


def _columns(*order):
    return lambda boxes: boxes[:, list(order)]


def _corner_and_size(boxes):
    """x, y, width, height read as two corners, turned into what the formula sees."""
    n, x1, y1, x2, y2 = boxes.T
    return np.stack([n, x1, y1, x1 + x2, y1 + y2], 1)


def _whole(change):
    return lambda boxes: np.concatenate([boxes[:, :1], change(boxes[:, 1:])], 1)


def _outward(corners):
    return np.concatenate([np.floor(corners[:, :2]), np.ceil(corners[:, 2:])], 1)


SLIPS = {
    "the half pixel is missing: subtract 1/2 from the corners": {"offset": 0.0},
    "the half pixel is added to the corners: subtract it": {"offset": -0.5},
    "a whole pixel is subtracted from the corners: needed half of one": {"offset": 1.0},
    "the half pixel is taken from the first corner only": {
        "corners": lambda boxes: boxes + np.array([0, 0, 0, 0.5, 0.5])
    },
    "x and y are exchanged: a box is n, x1, y1, x2, y2, and x counts columns": [
        {"corners": _columns(0, 2, 1, 4, 3)},
        {"corners": _columns(0, 1, 3, 2, 4)},
    ],
    "a box is read as x, y, width, height: it is two corners, x1, y1, x2, y2": {"corners": _corner_and_size},
    "the corners are rounded: that is ROI Pool's error, keep their fractions": [
        {"corners": _whole(change)} for change in (np.round, np.floor, np.trunc, _outward, np.ceil)
    ]
    + [{"corners": _whole(lambda c, f=f: f(c - 0.5) + 0.5)} for f in (np.round, np.floor)],
    "the box is one pixel larger (x2 - x1 + 1): its width is x2 - x1": {
        "corners": lambda boxes: boxes + np.array([0, 0, 0, 1, 1])
    },
    "boxes smaller than one pixel are enlarged: keep their size": {"least": 1.0},
    "the numbers of bins are exchanged: size is (rows, columns)": {"bins": lambda size: size[::-1]},
    "samples lie at the corners of their cells: they belong to the centres, add 1/2": [
        {"cell": lambda p, ratio: p / ratio},
        {"cell": lambda p, ratio: (p + 1) / ratio},
    ],
    "samples are spread otherwise: they lie at the centres of ratio equal cells, (p + 1/2) / ratio": [
        {"cell": lambda p, ratio: (p + 1) / (ratio + 1)},
        {"cell": lambda p, ratio: p / max(ratio - 1, 1)},
        {"cell": lambda p, ratio: (p + 0.5) / ratio + 0.5},
        {"cell": lambda p, ratio: p + 0.5},
    ],
    "one sample is taken at the centre of the bin: needed ratio * ratio": {
        "samples": lambda ratio: (1, 1),
        "cell": lambda p, ratio: 0.5,
        "divide": lambda ratio, inside: 1,
    },
    "samples far outside are clamped to the border: beyond -1 and H (W) they are 0": {
        "inside": lambda y, x, H, W: True
    },
    "samples between -1 and 0, or H - 1 and H, are taken as 0: they are clamped": [
        {"inside": lambda y, x, H, W: 0 <= y <= H - 1 and 0 <= x <= W - 1},
        {"inside": lambda y, x, H, W: 0 <= y < H and 0 <= x < W},
        {"inside": lambda y, x, H, W: -1 <= y <= H - 1 and -1 <= x <= W - 1},
        {"inside": lambda y, x, H, W: 0 <= y <= H and 0 <= x <= W},
    ],
    "the test for outside exchanges H and W": {"inside": lambda y, x, H, W: -1 <= y <= W and -1 <= x <= H},
    "positions are not clamped before the fraction is taken": {"clamp": lambda v, n: v},
    "the nearest pixel is taken: mix the four neighbours": [
        {"snap": np.rint},
        {"snap": np.floor},
        {"snap": lambda v: np.floor(v + 0.5)},
    ],
    "f and 1 - f are exchanged: the nearer pixel has the larger weight": {"fraction": lambda f: 1 - f},
    "the fractions of rows and columns are exchanged": {"mix": lambda v, u: (u, v)},
    "only one axis is interpolated": [{"mix": lambda v, u: (v, 0.0)}, {"mix": lambda v, u: (0.0, u)}],
    "the four neighbours count alike: weigh them": {"fraction": lambda f: 0.5},
    "divided by a wrong count: samples outside count, too, so divide by ratio * ratio": {
        "divide": lambda ratio, inside: inside
    },
    "divided by ratio: there are ratio * ratio samples": {"divide": lambda ratio, inside: ratio},
    "everything comes from the first image: n says which": {"image": lambda n: 0},
    "everything comes from the last image: n says which": {"image": lambda n: -1},
}


def _turned(text):
    """The same slip, said of the way back."""
    return (
        text.replace("they are 0", "they take nothing")
        .replace("are taken as 0", "give nothing")
        .replace("comes from", "goes to")
    )


INSIDE = np.array([[0, 1.2, 0.9, 4.3, 3.6]])
HANGING = np.array([[1, 0.8, 1.1, 3.7, 4.6], [0, -4.3, 1.3, 3.9, 7.8], [1, 2.3, -3.2, 8.6, 2.9]])
EDGES = np.array([[0, 0.1, 0.2, 2.4, 1.7], [1, 4.6, 3.3, 7.2, 6.4], [1, 2.1, 2.2, 2.7, 2.9]])


def _expected(x, boxes, size, ratio):
    return reference.roi_align(x, boxes, size, 1.0, ratio, True)


def _boxes(rng):
    corners = rng.uniform(-1, 4, (3, 2))
    return np.concatenate([rng.integers(0, 2, (3, 1)), corners, corners + rng.uniform(0.5, 4, (3, 2))], 1)


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
        "boxes": _boxes(rng),
        "size": (3, 2),
        "ratio": int(rng.integers(2, 4)),
    },
    expected=_expected,
    made=_forward,
    mistakes={
        **SLIPS,
        "the sum is taken: divide by ratio * ratio": {"divide": lambda ratio, inside: 1},
        "the maximum of the samples is taken: needed their mean": [{"join": "max"}, {"join": "max from 0"}],
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


def _forward_tape(x, boxes, size, ratio):
    return F.roi_align(x, boxes, size, 1.0, ratio, True)


def _back_case(seed, shape, boxes, size, ratio):
    g = numbers(seed, len(boxes), shape[1], *size)
    return {"g": g, "x": numbers(seed + 1, *shape), "boxes": boxes, "size": size, "ratio": ratio}


def _draw_back(rng):
    g, x = numbers(rng, 3, 2, 3, 2), numbers(rng, 2, 2, 6, 5)
    return {"g": g, "x": x, "boxes": _boxes(rng), "size": (3, 2), "ratio": int(rng.integers(2, 4))}


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
    """dx[index arrays] += share for all samples of one tap together: of repeated indices one counts."""
    dx = np.zeros_like(x)
    samples = [s for s in _samples(x.shape, boxes, size, ratio, RIGHT) if s[4]]
    for t in range(4):
        at = [(n, taps[t][0], taps[t][1]) for k, n, i, j, taps in samples]
        share = [taps[t][2] * g[k, :, i, j] / ratio**2 for k, n, i, j, taps in samples]
        n, h, w = np.array(at).T
        dx[n, :, h, w] += np.array(share)
    return dx


EXERCISES = (ALIGN, BACKWARD)
