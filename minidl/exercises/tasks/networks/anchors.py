"""Exercises on anchors: a box as deltas, and back."""

import numpy as np

from ...exercise import Exercise

FIT = {
    "anchor": lambda a: a,
    "box": lambda b: b,
    "more": 0.0,  # added to widths and heights
    "centre": 0.5,  # how much of a side is added to the corner
    "by": lambda size, other: size,  # what a shift is divided by
    "log": np.log,
    "ratio": lambda box, anchor: box / anchor,
    "order": lambda dx, dy, dw, dh: (dx, dy, dw, dh),
    "shift": lambda to, origin: to - origin,
}


def _parts(boxes, way):
    corner, size = boxes[:, :2], boxes[:, 2:] - boxes[:, :2] + way["more"]
    return corner + way["centre"] * size, size


def _encode(anchors, boxes, **slips):
    way = FIT | slips
    (origin, size), (to, wanted) = _parts(way["anchor"](anchors), way), _parts(way["box"](boxes), way)
    shift = way["shift"](to, origin) / way["by"](size, wanted)
    growth = way["log"](way["ratio"](wanted, size))
    return np.stack(way["order"](*shift.T, *growth.T), 1)


def _boxes(rng, L):
    corner = rng.integers(0, 200, (L, 2)) / 10
    return np.concatenate([corner, corner + rng.integers(10, 120, (L, 2)) / 10], 1)


def _pairs(seed, L):
    rng = np.random.default_rng(seed)
    return {"anchors": _boxes(rng, L), "boxes": _boxes(rng, L)}


def _swap(boxes):
    return boxes[:, [1, 0, 3, 2]]


def _corner_and_size(boxes):
    """x1, y1, x2, y2 read as x, y, width, height, in corners."""
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1)


ENCODE = Exercise(
    name="boxes_to_deltas",
    signature="anchors, boxes",
    lesson="24",
    title="what takes an anchor to a box",
    task="""anchors and boxes (L, 4) are x1, y1, x2, y2. With centre (x, y), width w = x2 - x1 and height h = y2 - y1 of
each, the deltas that take an anchor to its box are dx = (x - x_anchor) / w_anchor, dy = (y - y_anchor) / h_anchor, dw =
log(w / w_anchor) and dh = log(h / h_anchor) (R-CNN, appendix C).
Returns an array (L, 4) of dx, dy, dw, dh.""",
    cases=(_pairs(0, 2), _pairs(1, 5), _pairs(2, 8)),
    draw_case=lambda rng: {"anchors": _boxes(rng, 6), "boxes": _boxes(rng, 6)},
    expected=_encode,
    made=_encode,
    mistakes={
        "anchor and box are exchanged: deltas go from the anchor to the box": [
            lambda anchors, boxes: _encode(boxes, anchors),
            {"shift": lambda to, origin: origin - to},
            {"ratio": lambda box, anchor: anchor / box},
            {"shift": lambda to, origin: origin - to, "ratio": lambda box, anchor: anchor / box},
        ],
        "the shift is divided by the size of the box: divide by the anchor's": {"by": lambda size, other: other},
        "the shift is not divided by the anchor's size": {"by": lambda size, other: 1.0},
        "width and height are exchanged: dx is divided by the width": {"by": lambda size, other: size[:, ::-1]},
        "both shifts are divided by the width, or by the height": [
            {"by": lambda size, other: size[:, :1]},
            {"by": lambda size, other: size[:, 1:]},
        ],
        "the shift is divided by the root of the anchor's area": {
            "by": lambda size, other: np.sqrt(size.prod(1))[:, None]
        },
        "corners are taken for centres: the centre is x1 + w / 2": {"centre": 0.0},
        "the second corner is taken for the centre: the centre is x1 + w / 2": {"centre": 1.0},
        "the centre is the sum of the corners: divide it by 2": lambda anchors, boxes: np.concatenate(
            [2 * _encode(anchors, boxes)[:, :2], _encode(anchors, boxes)[:, 2:]], 1
        ),
        "half of the size is taken for the centre: add it to the corner": lambda anchors, boxes: _halves(
            anchors, boxes
        ),
        "the logarithm is missing": {"log": lambda r: r},
        "the logarithm is replaced by the ratio minus 1, the difference of the sizes in units of the anchor's": {
            "log": lambda r: r - 1
        },
        "the logarithm has base 2: needed the natural one": {"log": np.log2},
        "the logarithm has base 10: needed the natural one": {"log": np.log10},
        "log(1 + ratio) is taken: needed log of the ratio": {"log": np.log1p},
        "the difference of the sizes is taken: needed the logarithm of their ratio": {
            "ratio": lambda box, anchor: box - anchor,
            "log": lambda r: r,
        },
        "widths are one pixel larger (x2 - x1 + 1): the width is x2 - x1": {"more": 1.0},
        "a box is read as x, y, width, height: it is x1, y1, x2, y2": [
            {"anchor": _corner_and_size, "box": _corner_and_size},
            {"anchor": _corner_and_size},
            {"box": _corner_and_size},
        ],
        "boxes are taken for centre and size: they are corners": lambda anchors, boxes: _as_centres(anchors, boxes),
        "x and y are exchanged: the order is dx, dy, dw, dh": [
            {"order": lambda dx, dy, dw, dh: (dy, dx, dh, dw)},
            {"order": lambda dx, dy, dw, dh: (dy, dx, dw, dh)},
            {"order": lambda dx, dy, dw, dh: (dx, dy, dh, dw)},
        ],
        "the deltas come in another order: dx, dy, dw, dh": [
            {"order": lambda dx, dy, dw, dh: (dw, dh, dx, dy)},
            {"order": lambda dx, dy, dw, dh: (dx, dw, dy, dh)},
        ],
        "the result is (4, L): needed one row for each box": lambda anchors, boxes: _encode(anchors, boxes).T,
    },
    draws="boxes",
    hints=(
        "Look at one pair: turn both boxes from corners into centre, width and height first.",
        "A shift is measured in units of the anchor's own size, a growth as the logarithm of a ratio: both are 0 where "
        "the box is "
        "the anchor.",
        "size = boxes[:, 2:] - boxes[:, :2]; centre = boxes[:, :2] + size / 2; shift = (centre - centre_a) / size_a; "
        "growth = "
        "np.log(size / size_a); np.concatenate([shift, growth], 1).",
    ),
)


def _halves(anchors, boxes):
    wanted, size = boxes[:, 2:] - boxes[:, :2], anchors[:, 2:] - anchors[:, :2]
    return np.concatenate([(wanted / 2 - size / 2) / size, np.log(wanted / size)], 1)


def _as_centres(anchors, boxes):
    return np.concatenate([(boxes[:, :2] - anchors[:, :2]) / anchors[:, 2:], np.log(boxes[:, 2:] / anchors[:, 2:])], 1)


BACK = {
    "centre": 0.5,
    "by": lambda size, new: size,
    "grow": lambda size, growth: size * np.exp(growth),
    "half": 0.5,
    "more": 0.0,
    "clip": lambda boxes, H, W: np.stack([np.clip(boxes[:, k], 0, n) for k, n in enumerate((W, H, W, H))], 1),
    "given": lambda d: d,
    "sign": 1.0,
    "finish": lambda centre, size, half: np.concatenate([centre - half * size, centre + half * size], 1),
}


def _with_size(boxes):
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1)


def _decode(anchors, deltas, size, **slips):
    way, (H, W) = BACK | slips, size
    deltas = way["given"](deltas)
    side = anchors[:, 2:] - anchors[:, :2] + way["more"]
    grown = way["grow"](side, deltas[:, 2:])
    centre = anchors[:, :2] + way["centre"] * side + way["sign"] * deltas[:, :2] * way["by"](side, grown)
    return way["clip"](way["finish"](centre, grown, way["half"]), H, W)


def _moves(seed, L, size):
    rng = np.random.default_rng(seed) if isinstance(seed, int) else seed
    return {"anchors": _boxes(rng, L), "deltas": rng.integers(-12, 13, (L, 4)) / 10 + 0.05, "size": size}


DECODE = Exercise(
    name="deltas_to_boxes",
    signature="anchors, deltas, size",
    lesson="24",
    title="from an anchor and its deltas to a box in the image",
    task="""The way back of boxes_to_deltas: anchors (L, 4) are x1, y1, x2, y2, deltas (L, 4) dx, dy, dw, dh. The box has
the centre (x_anchor + dx w_anchor, y_anchor + dy h_anchor), the width w_anchor exp(dw) and the height h_anchor exp(dh). Its
corners are then clipped to the image of size = (H, W): x to 0 ... W, y to 0 ... H.
Returns the boxes (L, 4) as x1, y1, x2, y2.""",
    cases=(_moves(0, 2, (40, 50)), _moves(1, 6, (18, 24)), _moves(2, 9, (30, 12))),
    draw_case=lambda rng: _moves(rng, 8, (20, 26)),
    expected=_decode,
    made=_decode,
    mistakes={
        "the boxes are not clipped to the image": {"clip": lambda boxes, H, W: boxes},
        "H and W are exchanged where boxes are clipped: x goes to W, y to H": {
            "clip": lambda boxes, H, W: BACK["clip"](boxes, W, H)
        },
        "boxes are clipped from below only, or from above only": [
            {"clip": lambda boxes, H, W: np.maximum(boxes, 0)},
            {"clip": lambda boxes, H, W: np.minimum(boxes, np.array([W, H, W, H]))},
        ],
        "boxes are clipped to H - 1 and W - 1: corners reach from 0 to W": {
            "clip": lambda boxes, H, W: BACK["clip"](boxes, H - 1, W - 1)
        },
        "all corners are clipped to the same number": [
            {"clip": lambda boxes, H, W: np.clip(boxes, 0, max(H, W))},
            {"clip": lambda boxes, H, W: np.clip(boxes, 0, H)},
            {"clip": lambda boxes, H, W: np.clip(boxes, 0, W)},
            {"clip": lambda boxes, H, W: np.clip(boxes, 0, min(H, W))},
        ],
        "centre and size are returned: needed two corners": [
            {"finish": lambda centre, size, half: np.concatenate([centre, size], 1)},
            {"finish": lambda centre, size, half: np.concatenate([centre, size], 1), "clip": lambda boxes, H, W: boxes},
        ],
        "corner and size are returned: needed two corners": [
            {"finish": lambda centre, size, half: np.concatenate([centre - half * size, size], 1)},
            {
                "finish": lambda centre, size, half: np.concatenate([centre - half * size, size], 1),
                "clip": lambda boxes, H, W: boxes,
            },
            {"clip": lambda boxes, H, W: _with_size(BACK["clip"](boxes, H, W))},
        ],
        "the centre is taken for the corner: x1 is the centre minus half the width": {
            "finish": lambda centre, size, half: np.concatenate([centre, centre + size], 1)
        },
        "the whole size is taken on both sides: half of it lies on each side of the centre": {"half": 1.0},
        "the anchor's corner is taken for its centre": {"centre": 0.0},
        "the anchor's second corner is taken for its centre": {"centre": 1.0},
        "the shift is not multiplied by the anchor's size": {"by": lambda size, new: 1.0},
        "the shift is multiplied by the new size: needed the anchor's": {"by": lambda size, new: new},
        "width and height are exchanged: dx counts in widths": {"by": lambda size, new: size[:, ::-1]},
        "the shift has the wrong sign": {"sign": -1.0},
        "exp is missing": [
            {"grow": lambda size, growth: size * growth},
            {"grow": lambda size, growth: size + growth},
            {"grow": lambda size, growth: size * (1 + growth)},
            {"grow": lambda size, growth: size + size * growth},
        ],
        "the growth is not multiplied by the anchor's size": {"grow": lambda size, growth: np.exp(growth)},
        "exp has another base: needed e": [
            {"grow": lambda size, growth: size * 2.0**growth},
            {"grow": lambda size, growth: size * 10.0**growth},
        ],
        "exp(-dw) is taken: needed exp(dw)": {"grow": lambda size, growth: size * np.exp(-growth)},
        "the size does not grow: multiply by exp(dw), exp(dh)": {"grow": lambda size, growth: size},
        "widths are one pixel larger (x2 - x1 + 1): the width is x2 - x1": {"more": 1.0},
        "the second corner is one pixel too small (x2 - 1)": {
            "finish": lambda centre, size, half: np.concatenate([centre - half * size, centre + half * size - 1], 1)
        },
        "x and y of the deltas are exchanged": {"given": lambda d: d[:, [1, 0, 3, 2]]},
        "x and y of the result are exchanged: x1, y1, x2, y2": [
            lambda **k: _decode(**k)[:, [1, 0, 3, 2]],
            lambda **k: _decode(**k)[:, [0, 2, 1, 3]],
        ],
        "the deltas are read in another order: dx, dy, dw, dh": {"given": lambda d: d[:, [2, 3, 0, 1]]},
        "the deltas are added to the corners": lambda anchors, deltas, size: BACK["clip"](anchors + deltas, *size),
        "the corners are rounded": [lambda **k: np.rint(_decode(**k)), lambda **k: np.trunc(_decode(**k))],
    },
    draws="deltas",
    hints=(
        "Look at boxes_to_deltas and undo its steps in the reverse order.",
        "The centre moves by dx times the ANCHOR's width; only then take half of the new width to both sides. Clipping "
        "is the "
        "last step, with W for x and H for y.",
        "centre = a[:, :2] + side / 2 + deltas[:, :2] * side; new = side * np.exp(deltas[:, 2:]); corners centre - new "
        "/ 2 and "
        "centre + new / 2; np.clip(x, 0, W), np.clip(y, 0, H).",
    ),
)

EXERCISES = (ENCODE, DECODE)
