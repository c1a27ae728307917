"""The exercise on pasting the mask of a box into the image."""

import numpy as np

from ...exercise import Exercise, numbers

RIGHT = {
    "corners": lambda box: box,
    "position": lambda i, start, end, M: (i + 0.5 - start) / (end - start) * M - 0.5,
    "clamp": lambda at, M: at.clip(0, M - 1),
    "inside": lambda i, start, end: (i + 0.5 >= start) & (i + 0.5 <= end),
    "fraction": lambda f: f,
    "low": np.floor,
    "cell": lambda low, M: low.clip(0, M - 1),
    "values": lambda mask: mask,
    "finish": lambda image: image,
}


def _made(mask, box, size, **slips):
    way, M = RIGHT | slips, len(mask)
    mask, (x1, y1, x2, y2) = way["values"](mask), way["corners"](box)
    taps = []
    for n, start, end in ((size[0], y1, y2), (size[1], x1, x2)):
        i = np.arange(n)
        at = way["clamp"](way["position"](i, start, end, M), M)
        low = way["low"](at).astype(int)
        f = way["fraction"](at - low)
        taps.append((way["cell"](low, M), way["cell"](low + 1, M), f, way["inside"](i, start, end)))
    (h, below, v, rows), (w, beside, u, columns) = taps
    v, h, below = v[:, None], h[:, None], below[:, None]
    top, bottom = (1 - u) * mask[h, w] + u * mask[h, beside], (1 - u) * mask[below, w] + u * mask[below, beside]
    return way["finish"](((1 - v) * top + v * bottom) * (rows[:, None] & columns))


def _numbers(seed, M):
    return np.abs(numbers(seed, M, M)) / 4


def _drawn(rng):
    corner = rng.uniform(-2, 4, 2)
    return {"mask": _numbers(rng, 4), "box": np.concatenate([corner, corner + rng.uniform(3, 7, 2)]), "size": (9, 8)}


PASTE = Exercise(
    name="paste_mask",
    signature="mask, box, size",
    lesson="24",
    title="the mask of a box, pasted into the image",
    task="""mask (M, M) holds the probabilities of one object in its box x1, y1, x2, y2, which need not be whole numbers;
the image has size = (H, W). Pixel (i, j) has its centre at row i + 1/2, column j + 1/2. Where the centre lies in the box
(edges included), the pixel reads the mask at row (i + 1/2 - y1) / (y2 - y1) * M - 1/2 and column (j + 1/2 - x1) / (x2 - x1)
* M - 1/2, clamped to 0 ... M - 1, by bilinear interpolation; elsewhere it is 0. What leaves the image is lost.
Returns an array (H, W).""",
    cases=(
        {"mask": _numbers(0, 2), "box": np.array([1.0, 1.0, 5.0, 4.0]), "size": (6, 6)},
        {"mask": _numbers(1, 4), "box": np.array([1.7, 0.6, 6.9, 8.3]), "size": (9, 8)},
        {"mask": _numbers(2, 3), "box": np.array([-2.4, 2.2, 4.3, 9.1]), "size": (7, 9)},
        {"mask": _numbers(3, 5), "box": np.array([2.6, 1.4, 5.2, 4.8]), "size": (6, 10)},
    ),
    draw_case=_drawn,
    expected=_made,
    made=_made,
    mistakes={
        "x and y are exchanged: the box is x1, y1, x2, y2, and x counts columns": [
            {"corners": lambda b: b[[1, 0, 3, 2]]},
            {"corners": lambda b: b[[0, 2, 1, 3]]},
        ],
        "the mask is transposed": {"values": lambda m: m.T},
        "the mask is turned over": [{"values": lambda m: m[::-1]}, {"values": lambda m: m[:, ::-1]}],
        "the box is read as x, y, width, height: it is two corners": {
            "corners": lambda b: np.array([b[0], b[1], b[0] + b[2], b[1] + b[3]])
        },
        "the corners are rounded: keep their fractions": [
            {"corners": np.round},
            {"corners": np.floor},
            {"corners": np.trunc},
            {"corners": np.ceil},
            {"corners": lambda b: np.concatenate([np.floor(b[:2]), np.ceil(b[2:])])},
        ],
        "the box is one pixel larger (x2 - x1 + 1): its width is x2 - x1": {
            "position": lambda i, start, end, M: (i + 0.5 - start) / (end - start + 1) * M - 0.5
        },
        "both half pixels are missing: the centre is i + 1/2, and 1/2 is subtracted in the mask": [
            {"position": lambda i, s, e, M: (i - s) / (e - s) * M, "inside": lambda i, s, e: (i >= s) & (i <= e)},
            {"position": lambda i, s, e, M: (i - s) / (e - s) * M},
        ],
        "the half pixel of the image is missing: the pixel's centre is i + 1/2": [
            {"position": lambda i, s, e, M: (i - s) / (e - s) * M - 0.5},
            {"position": lambda i, s, e, M: (i - s) / (e - s) * M - 0.5, "inside": lambda i, s, e: (i >= s) & (i <= e)},
        ],
        "the half pixel of the mask is missing: subtract 1/2 after scaling": {
            "position": lambda i, s, e, M: (i + 0.5 - s) / (e - s) * M
        },
        "the half pixel is missing in the test for inside: it is the pixel's centre that must lie in the box": [
            {"inside": lambda i, s, e: (i >= s) & (i <= e)},
            {"inside": lambda i, s, e: (i >= np.floor(s)) & (i < np.ceil(e))},
            {"inside": lambda i, s, e: (i >= s) & (i < e)},
        ],
        "corners are aligned: the scale is M, not M - 1": [
            {"position": lambda i, s, e, M: (i + 0.5 - s) / (e - s) * (M - 1)},
            {"position": lambda i, s, e, M: (i + 0.5 - s) / (e - s) * (M - 1) - 0.5},
            {"position": lambda i, s, e, M: (i - s) / (e - s) * (M - 1)},
        ],
        "the scale is missing: the mask is read pixel by pixel": {"position": lambda i, s, e, M: i + 0.5 - s - 0.5},
        "the scale is the wrong way round": {"position": lambda i, s, e, M: (i + 0.5 - s) * (e - s) / M - 0.5},
        "the nearest cell is taken: interpolate": [
            {"position": lambda i, s, e, M: np.floor((i + 0.5 - s) / (e - s) * M)},
            {"position": lambda i, s, e, M: np.rint((i + 0.5 - s) / (e - s) * M - 0.5)},
        ],
        "f and 1 - f are exchanged: the nearer cell has the larger weight": {"fraction": lambda f: 1 - f},
        "the mean of the four cells is taken: weigh them": {"fraction": lambda f: 0 * f + 0.5},
        "the upper left cell is taken: interpolate": {"fraction": lambda f: 0 * f},
        "positions are not clamped: the border is extrapolated": [
            {"clamp": lambda at, M: at, "low": np.trunc},
            {"clamp": lambda at, M: at, "low": lambda at: np.floor(at).clip(0)},
        ],
        "positions are not clamped: index -1 reads the other end": [
            {"clamp": lambda at, M: at, "cell": lambda low, M: low % M},
            {"clamp": lambda at, M: at, "cell": lambda low, M: np.minimum(low, M - 1) % M},
        ],
        "outside the box the mask's border is repeated: there the image is 0": {"inside": lambda i, s, e: i > -1},
        "the mask is pasted at the top left of the image": {"corners": lambda b: b - b[[0, 1, 0, 1]]},
        "a threshold is applied: the probabilities are asked for": [
            {"finish": lambda image, t=t: (image > t) + 0.0} for t in (0, 0.5)
        ]
        + [{"finish": lambda image: (image >= 0.5) + 0.0}, {"finish": lambda image: image * (image >= 0.5)}],
        "the result is (W, H): size is (H, W)": lambda mask, box, size: _made(mask, box, size[::-1]),
        "the result is transposed": lambda mask, box, size: _made(mask, box, size).T,
    },
    hints=(
        "Look at one pixel of the image, not at one cell of the mask: where in the mask does its centre lie?",
        "The position follows bilinear_resize with the box in place of the whole image. Rows and columns are "
        "independent, and the "
        "centre decides whether a pixel is inside.",
        "y = np.arange(H) + 0.5; at = np.clip((y - y1) / (y2 - y1) * M - 0.5, 0, M - 1); inside = (y >= y1) & (y <= y2); "
        "columns alike; interpolate and multiply by inside[:, None] & inside_columns.",
    ),
)

EXERCISES = (PASTE,)
