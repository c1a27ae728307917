"""The exercise on bilinear resizing."""

import numpy as np

from ... import functional as F
from ...autograd.tensor import Tensor
from ..exercise import Exercise, numbers


def _resize(x, size):
    return F.interpolate(Tensor(x), size=size, mode="bilinear", align_corners=False).data


def centres(i, n, m):
    """The position of output pixel i of m in an input of n, with aligned corners of the two images."""
    return (i + 0.5) * n / m - 0.5


RIGHT = {
    "position": centres,
    "clamp": lambda at, n: at.clip(0, n - 1),
    "low": np.floor,
    "fraction": lambda f: f,
    "above": lambda low, n: np.minimum(low + 1, n - 1),
    "sides": lambda x, size: ((2, size[0], x.shape[2]), (3, size[1], x.shape[3])),
}


def _made(x, size, **slips):
    way = RIGHT | slips
    for axis, m, n in way["sides"](x, size):
        at = way["clamp"](way["position"](np.arange(m), n, m), n)
        low = way["low"](at).astype(int)
        f = way["fraction"](at - low).reshape([-1 if d == axis else 1 for d in range(4)])
        high, low = way["above"](low, n), low % n if way["clamp"] is _free else low.clip(0, n - 1)
        high = high % n if way["clamp"] is _free else high.clip(0, n - 1)
        x = (1 - f) * x.take(low, axis) + f * x.take(high, axis)
    return x


def _free(at, n):
    return at


def _extrapolated(x, size):
    """The border is continued as a straight line."""
    for axis, m in ((2, size[0]), (3, size[1])):
        n = x.shape[axis]
        at = centres(np.arange(m), n, m)
        low = np.floor(at).astype(int).clip(0, max(n - 2, 0))
        f = (at - low).reshape([-1 if d == axis else 1 for d in range(4)])
        x = (1 - f) * x.take(low, axis) + f * x.take(np.minimum(low + 1, n - 1), axis)
    return x


def _truncated(x, size):
    """int() cuts towards 0, so that -0.25 lies between 0 and 1."""
    return _made(x, size, clamp=_free, low=np.trunc, above=lambda low, n: np.minimum(low + 1, n - 1))


def _zero_outside(x, size):
    """Cells outside the image count as 0."""
    wide = np.pad(x, [(0, 0), (0, 0), (1, 1), (1, 1)])
    for axis, m, n in ((2, size[0], x.shape[2]), (3, size[1], x.shape[3])):
        at = centres(np.arange(m), n, m) + 1
        low = np.floor(at).astype(int)
        f = (at - low).reshape([-1 if d == axis else 1 for d in range(4)])
        wide = (1 - f) * wide.take(low, axis) + f * wide.take(np.minimum(low + 1, n + 1), axis)
    return wide


def _nearest(place):
    return {"position": place, "fraction": lambda f: 0 * f, "low": np.floor}


def _one_scale(which):
    """A mistake: one scale for both axes."""

    def mistake(x, size):
        scale = x.shape[2 + which] / size[which]
        return _made(x, size, position=lambda i, n, m: (i + 0.5) * scale - 0.5)

    return mistake


RESIZE = Exercise(
    name="bilinear_resize",
    signature="x, size",
    lesson="05",
    title="bilinear resizing",
    task="""Resizes x (N, C, H, W) to size = (Ho, Wo) by linear interpolation along rows and along columns.
Pixels are squares, and the corners of the two images coincide: output pixel i, whose centre is at i + 1/2, looks at position
(i + 1/2) H / Ho - 1/2 of the input, clamped to 0 ... H - 1 (PyTorch's align_corners=False).
Returns an array (N, C, Ho, Wo).""",
    cases=(
        {"x": numbers(0, 1, 1, 3, 3), "size": (6, 6)},
        {"x": numbers(1, 2, 2, 4, 5), "size": (7, 9)},
        {"x": numbers(2, 1, 2, 6, 8), "size": (4, 3)},
        {"x": numbers(3, 2, 3, 3, 5), "size": (8, 4)},
    ),
    draw_case=lambda rng: {"x": numbers(rng, 2, 2, 5, 3), "size": (int(rng.integers(2, 5)), int(rng.integers(6, 9)))},
    expected=_resize,
    made=_made,
    mistakes={
        "the corner pixels' centres are aligned (align_corners=True): the images' corners must be": {
            "position": lambda i, n, m: i * (n - 1) / max(m - 1, 1)
        },
        "the half pixel is missing: centres lie at i + 1/2, so subtract 1/2 after scaling": {
            "position": lambda i, n, m: i * n / m
        },
        "the half pixel is added before scaling and not subtracted after it": {
            "position": lambda i, n, m: (i + 0.5) * n / m
        },
        "the half pixel is subtracted after scaling and not added before it": {
            "position": lambda i, n, m: i * n / m - 0.5
        },
        "the half pixel is added after scaling: subtract it": {"position": lambda i, n, m: (i + 0.5) * n / m + 0.5},
        "the half pixel is subtracted before scaling and added after it: the signs are exchanged": {
            "position": lambda i, n, m: (i - 0.5) * n / m + 0.5
        },
        "half the scale is subtracted: needed 1/2 after scaling": {"position": lambda i, n, m: i * n / m - 0.5 * n / m},
        "the scale uses n - 1 and m - 1 with half pixels: it is H / Ho": {
            "position": lambda i, n, m: (i + 0.5) * (n - 1) / max(m - 1, 1) - 0.5
        },
        "the scale is (H - 1) / Ho: it is H / Ho": [
            {"position": lambda i, n, m: i * (n - 1) / m},
            {"position": lambda i, n, m: (i + 0.5) * (n - 1) / m - 0.5},
            {"position": lambda i, n, m: (i + 0.5) * (n - 1) / m},
        ],
        "the scale is the wrong way round: the position is multiplied by H / Ho, not by Ho / H": [
            {"position": lambda i, n, m: (i + 0.5) * m / n - 0.5},
            {"position": lambda i, n, m: i * m / n},
        ],
        "the scale is a whole number: // drops its fraction": [
            {"position": lambda i, n, m: (i + 0.5) * (n // m) - 0.5},
            {"position": lambda i, n, m: (i + 0.5) / max(m // n, 1) - 0.5},
        ],
        "positions outside are not clamped: the border is extrapolated": [_extrapolated, _truncated],
        "positions outside are not clamped: index -1 reads the other end": [
            {"clamp": _free, "above": lambda low, n: low + 1},
            {"clamp": _free},
        ],
        "outside the image 0 is read: positions must be clamped": _zero_outside,
        "positions are clamped to H - 2: the last pixel belongs to the range": {
            "clamp": lambda at, n: at.clip(0, n - 2)
        },
        "f and 1 - f are exchanged: the nearer pixel has the larger weight": {"fraction": lambda f: 1 - f},
        "f is squared or smoothed: linear interpolation uses f itself": [
            {"fraction": lambda f: f**2},
            {"fraction": lambda f: f * f * (3 - 2 * f)},
        ],
        "the mean of the two neighbours is taken: weigh them with 1 - f and f": {"fraction": lambda f: 0 * f + 0.5},
        "the position is rounded where floor is needed": {"low": np.rint},
        "the nearest pixel is taken: mix the two neighbours": [
            _nearest(lambda i, n, m: np.floor((i + 0.5) * n / m)),
            _nearest(lambda i, n, m: np.rint(centres(i, n, m))),
            _nearest(lambda i, n, m: np.floor(i * n / m)),
            _nearest(lambda i, n, m: np.round(i * n / m)),
        ],
        "the lower neighbour is taken: mix it with the next one": {"fraction": lambda f: 0 * f},
        "rows and columns are exchanged": [
            lambda x, size: _resize(x.swapaxes(2, 3), size),
            lambda x, size: _resize(x.swapaxes(2, 3), size[::-1]),
        ],
        "the scale of the rows is used for the columns, too": _one_scale(0),
        "the scale of the columns is used for the rows, too": _one_scale(1),
        "only the rows are resized": lambda x, size: _made(x, size, sides=lambda x, size: ((2, size[0], x.shape[2]),)),
        "only the columns are resized": lambda x, size: _made(
            x, size, sides=lambda x, size: ((3, size[1], x.shape[3]),)
        ),
        "the neighbours are added, not weighed": lambda x, size: _made(x, size, fraction=lambda f: 0 * f + 0.5) * 4,
    },
    hints=(
        "Look at one axis: resizing is separable, first along rows, then along columns, by the same function.",
        "Where does output pixel i look? Its centre is i + 1/2; scale that, subtract 1/2, and clamp before anything else.",
        "at = np.clip((np.arange(Ho) + 0.5) * H / Ho - 0.5, 0, H - 1); low = floor(at); f = at - low. The result is "
        "(1 - f) * x[low] + f * x[min(low + 1, H - 1)] along that axis.",
    ),
)

EXERCISES = (RESIZE,)
