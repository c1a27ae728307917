"""The samples of ROI Align, with typical mistakes."""

import numpy as np


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
    "sides": lambda H, W: (H, W),  # to which rows and columns are clamped
    "cut": lambda boxes, H, W: boxes,
    "snap": lambda v: v,  # applied to a position before it is read
    "low": np.floor,
    "fraction": lambda f: f,
    "mix": lambda v, u: (v, u),
    "divide": lambda ratio, inside: ratio * ratio,
    "image": lambda n: n,
}


def samples(shape, boxes, size, ratio, way):
    """(box, image, bin row, bin column, four (row, column, weight), empty outside) of every sample."""
    H, W = shape[2:]
    tall, wide = way["sides"](H, W)
    for k, (n, x1, y1, x2, y2) in enumerate(way["cut"](way["corners"](boxes), H, W)):
        height, width = max(y2 - y1, way["least"]), max(x2 - x1, way["least"])
        rows, columns = way["bins"](size)
        for i, j, p, q in np.ndindex(*size, *way["samples"](ratio)):
            y = y1 - way["offset"] + (i + way["cell"](p, ratio)) * height / rows
            x = x1 - way["offset"] + (j + way["cell"](q, ratio)) * width / columns
            if not way["inside"](y, x, H, W):
                yield k, int(n), i, j, []
                continue
            y, x = way["snap"](way["clamp"](y, tall)), way["snap"](way["clamp"](x, wide))
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


def _columns(*order):
    return lambda boxes: boxes[:, list(order)]


def _corner_and_size(boxes):
    """Boxes in which x, y, width, height are taken for two corners."""
    n, x1, y1, x2, y2 = boxes.T
    return np.stack([n, x1, y1, x1 + x2, y1 + y2], 1)


def _whole(change):
    return lambda boxes: np.concatenate([boxes[:, :1], change(boxes[:, 1:])], 1)


def _outward(corners):
    return np.concatenate([np.floor(corners[:, :2]), np.ceil(corners[:, 2:])], 1)


def _clipped(boxes, H, W):
    return np.concatenate([boxes[:, :1], boxes[:, 1:].clip(0, [W, H, W, H])], 1)


SLIPS = {
    "positions are clamped with H and W exchanged: rows to 0 ... H - 1, columns to 0 ... W - 1": {
        "sides": lambda H, W: (W, H)
    },
    "the boxes are clipped to the image first: only the samples are clamped": {"cut": _clipped},
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


INSIDE = np.array([[0, 1.2, 0.9, 4.3, 3.6]])
HANGING = np.array([[1, 0.8, 1.1, 3.7, 4.6], [0, -4.3, 1.3, 3.9, 7.8], [1, 2.3, -3.2, 8.6, 2.9]])
EDGES = np.array([[0, 0.1, 0.2, 2.4, 1.7], [1, 4.6, 3.3, 7.2, 6.4], [1, 2.1, 2.2, 2.7, 2.9]])


def boxes_of(rng):
    """Three random boxes."""
    corners = rng.uniform(-1, 4, (3, 2))
    return np.concatenate([rng.integers(0, 2, (3, 1)), corners, corners + rng.uniform(0.5, 4, (3, 2))], 1)
