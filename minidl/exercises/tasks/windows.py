"""Exercises on im2col, its adjoint, and its compiled form."""

import numpy as np

from ...kernels import reference
from ...kernels.geometry import Geometry
from ..exercise import Exercise, numbers


def geometry(kernel, stride=1, padding=0, dilation=1, groups=1):
    """A Geometry; each argument is a number for both axes, or a pair."""
    pairs = (n if isinstance(n, tuple) else (n, n) for n in (kernel, stride, padding, dilation))
    return Geometry(*pairs, groups)


def pad(x, p, mode="constant"):
    """The array with p cells, or (before, after), around the last two axes, filled by np.pad's `mode`, by default zeros."""
    return np.pad(x, [(0, 0)] * (x.ndim - 2) + [p if isinstance(p, tuple) else (p, p)] * 2, mode=mode)


def reading(place, outside="zero", exchanged=False, size=None):
    """A mistake: im2col that reads row place(i, k, stride, padding, kernel), and the column alike.

    `outside`: values outside the image: zero, nearest, or wrapped. `size`: another number of windows.
    """

    def mistake(x, kernel, stride, padding):
        (N, C, H, W), (Ho, Wo) = x.shape, geometry(kernel, stride, padding).output_size(x.shape[2:])
        if size:
            Ho, Wo = (size(n, kernel, stride, padding) for n in (H, W))
        n, c, k, l, i, j = np.indices((N, C, kernel, kernel, Ho, Wo))
        h, w = place(i, k, stride, padding, kernel), place(j, l, stride, padding, kernel)
        inside = (h >= 0) & (h < H) & (w >= 0) & (w < W)
        if outside == "wrapped":
            inside, h, w = (h < H) & (w < W) & (h >= -H) & (w >= -W), h % H, w % W
        h, w = h.clip(0, H - 1), w.clip(0, W - 1)
        read = x.ravel()[((n * C + c) * H + (w if exchanged else h)) * W + (h if exchanged else w)]
        made = np.where(inside | (outside == "nearest"), read, 0)
        return made.reshape(N, C * kernel * kernel, Ho * Wo)

    return mistake


def right_place(i, k, stride, padding, kernel):
    """The row that tap k of window i reads."""
    return i * stride + k - padding


def _im2col(x, kernel, stride, padding):
    return reference.im2col(x, geometry(kernel, stride, padding))


def reordered(*axes, shape=None):
    """A mistake: the entries of im2col with the axes n, c, k, l, i, j of `cols` in another order."""

    def mistake(x, kernel, stride, padding):
        cols, size = _im2col(x, kernel, stride, padding), geometry(kernel, stride, padding).output_size(x.shape[2:])
        turned = cols.reshape(*x.shape[:2], kernel, kernel, *size).transpose(axes)
        return turned.reshape(shape(x, kernel, size) if shape else cols.shape)

    return mistake


def _by_windows(x, kernel, size):
    return len(x), size[0] * size[1], -1


def _padded(mode=None, before=1, after=1):
    """A mistake: the image is padded otherwise, and windows are taken from that."""

    def mistake(x, kernel, stride, padding):
        around = pad(x, (before * padding, after * padding), mode or "constant")
        size = geometry(kernel, stride, padding).output_size(x.shape[2:])
        cols = reference.im2col(around, geometry(kernel, stride, 0))
        there = geometry(kernel, stride, 0).output_size(around.shape[2:])
        made = np.zeros((*cols.shape[:2], *size))
        rows, columns = (min(a, b) for a, b in zip(there, size))
        made[:, :, :rows, :columns] = cols.reshape(*cols.shape[:2], *there)[:, :, :rows, :columns]
        return made.reshape(*cols.shape[:2], -1)

    return mistake


def _one_side(x, kernel, stride, padding):
    return reference.im2col(pad(x, (padding, 0)), geometry(kernel, stride, 0))


def _other_side(x, kernel, stride, padding):
    return reference.im2col(pad(x, (0, padding)), geometry(kernel, stride, 0))


def _one_axis(name, value, axis):
    """A mistake: along one axis the stride or padding is `value`; as many windows as there should be, zeros where none are."""

    def mistake(x, kernel, stride, padding):
        size = geometry(kernel, stride, padding).output_size(x.shape[2:])
        usual = {"stride": stride, "padding": padding}
        pair = tuple(value if d == axis else usual[name] for d in (0, 1))
        way = geometry(kernel, **(usual | {name: pair}))
        there = way.output_size(x.shape[2:])
        cols = reference.im2col(x, way).reshape(len(x), -1, *there)
        if name == "padding":
            return cols.reshape(*cols.shape[:2], -1)
        made = np.zeros((*cols.shape[:2], *size))
        rows, columns = (min(a, b) for a, b in zip(there, size))
        made[:, :, :rows, :columns] = cols[:, :, :rows, :columns]
        return made.reshape(*cols.shape[:2], -1)

    return mistake


WINDOWS = {
    "the padding is counted twice, or all of it stands before the image: subtract it once": [
        reading(lambda i, k, s, p, K: i * s + k - 2 * p),
        lambda x, **k: _im2col(pad(x, k["padding"]), **k),
        lambda x, kernel, stride, padding: _im2col(x, kernel, stride, 2 * padding),
    ],
    "the padding is left out, or all of it stands after the image: subtract it": [
        reading(lambda i, k, s, p, K: i * s + k),
        reading(lambda i, k, s, p, K: i * s + k, outside="wrapped"),
        lambda x, kernel, stride, padding: _im2col(x, kernel, stride, 0),
    ],
    "the padding has the wrong sign: subtract it": reading(lambda i, k, s, p, K: i * s + k + p),
    "the image is padded on one side only: both sides need the padding": [
        _one_side,
        _other_side,
        _padded(None, 1, 0),
    ],
    "the stride is ignored in one axis": [_one_axis("stride", 1, 0), _one_axis("stride", 1, 1)],
    "the padding is left out in one axis": [_one_axis("padding", 0, 0), _one_axis("padding", 0, 1)],
    "outside the image the nearest pixel is read; it must be 0": reading(right_place, outside="nearest"),
    "outside the image other pixels are read (reflected, or wrapped around); it must be 0": [
        _padded("reflect"),
        _padded("symmetric"),
        _padded("wrap"),
        reading(right_place, outside="wrapped"),
    ],
    "wrong stride: windows are taken at every pixel, but window (i, j) starts at row i * stride, column j * stride": [
        reading(lambda i, k, s, p, K: i + k - p),
        lambda x, kernel, stride, padding: _im2col(x, kernel, 1, padding),
    ],
    "wrong stride: it belongs to the window i, not to the tap k": [
        reading(lambda i, k, s, p, K: i + k * s - p),
        reading(lambda i, k, s, p, K: i * s + k * s - p),
    ],
    "wrong stride: windows start every `kernel` pixels, not every `stride`": [
        reading(lambda i, k, s, p, K: i * K + k - p),
        lambda x, kernel, stride, padding: _im2col(x, kernel, kernel, padding),
    ],
    "wrong stride: the padding is multiplied by it": reading(lambda i, k, s, p, K: (i - p) * s + k),
    "a flipped kernel: tap (k, l) must read k rows below the window's top, l columns right of its left": reading(
        lambda i, k, s, p, K: i * s + K - 1 - k - p
    ),
    "a flipped index: row and column of x are exchanged": reading(right_place, exchanged=True),
    "a flipped index: k and l are exchanged; l runs faster": reordered(0, 1, 3, 2, 4, 5),
    "a flipped index: i and j are exchanged; j runs faster": reordered(0, 1, 2, 3, 5, 4),
    "a flipped index: the taps come before the channels; c runs slowest, then k, then l": [
        reordered(0, 2, 3, 1, 4, 5),
        reordered(0, 3, 2, 1, 4, 5),
        reordered(0, 2, 1, 3, 4, 5),
        reordered(0, 3, 1, 2, 4, 5),
    ],
    "windows are rows here; they must be columns": [
        reordered(0, 4, 5, 1, 2, 3, shape=_by_windows),
        reordered(0, 4, 5, 2, 3, 1, shape=_by_windows),
    ],
    "windows come first in memory: transpose before the reshape, so that (i, j) runs fastest": [
        reordered(0, 4, 5, 1, 2, 3),
        reordered(0, 1, 4, 5, 2, 3),
        reordered(0, 4, 5, 2, 3, 1),
    ],
    "the images stand side by side: n is the first axis": [
        reordered(1, 2, 3, 4, 5, 0, shape=lambda x, kernel, size: (x.shape[1] * kernel**2, -1)),
        reordered(1, 2, 3, 0, 4, 5, shape=lambda x, kernel, size: (x.shape[1] * kernel**2, -1)),
        reordered(1, 2, 3, 0, 4, 5),
    ],
    "every image is the first: the plane is n * C + c": lambda x, **k: _im2col(x[:1].repeat(len(x), 0), **k),
    "every channel is the first": lambda x, **k: _im2col(x[:, :1].repeat(x.shape[1], 1), **k),
    "a row of windows too many: floor leaves out a window that does not fit": reading(
        right_place, size=lambda n, K, s, p: -((n + 2 * p - K) // -s) + 1
    ),
    "a lost row from floor: there are (H + 2 padding - kernel) // stride + 1 rows of windows; the 1 is missing": reading(
        right_place, size=lambda n, K, s, p: (n + 2 * p - K) // s
    ),
    "too many or too few windows: there are (H + 2 padding - kernel) // stride + 1 rows of them": [
        reading(right_place, size=lambda n, K, s, p: n // s),
        reading(right_place, size=lambda n, K, s, p: (n + 2 * p) // s),
        reading(right_place, size=lambda n, K, s, p: (n + 2 * p - K + 1) // s),
        reading(right_place, size=lambda n, K, s, p: (n - K) // s + 1),
        reading(right_place, size=lambda n, K, s, p: (n + 2 * p - K) // s + 2),
    ],
}
WINDOW_CASES = (
    {"x": numbers(0, 1, 1, 4, 4), "kernel": 3, "stride": 1, "padding": 0},
    {"x": numbers(1, 2, 3, 7, 6), "kernel": 3, "stride": 2, "padding": 1},
    {"x": numbers(2, 2, 2, 8, 5), "kernel": 2, "stride": 2, "padding": 0},
    {"x": numbers(3, 2, 2, 6, 9), "kernel": 3, "stride": 3, "padding": 2},
    {"x": numbers(4, 2, 3, 5, 7), "kernel": 2, "stride": 1, "padding": 1},
)


def draw_windows(rng):
    """The arguments of one more case."""
    kernel, padding = int(rng.integers(2, 4)), int(rng.integers(1, 3))
    padding = min(padding, kernel - 1)
    return {"x": numbers(rng, 2, 3, 8, 5), "kernel": kernel, "stride": int(rng.integers(2, 4)), "padding": padding}


IM2COL = Exercise(
    name="im2col",
    signature="x, kernel, stride, padding",
    lesson="02",
    title="every window of an image as a column",
    task="""cols[n, (c, k, l), (i, j)] = x[n, c, i * stride + k - padding, j * stride + l - padding], 0 outside the image.
x is (N, C, H, W); kernel, stride and padding are numbers. There are Ho = (H + 2 padding - kernel) // stride + 1 rows of
windows, and Wo likewise.
Returns an array (N, C * kernel * kernel, Ho * Wo).""",
    cases=WINDOW_CASES,
    draw_case=draw_windows,
    expected=_im2col,
    mistakes=WINDOWS,
    hints=(
        "Look at the windows that hang over the edge: if the image is padded first (np.pad), no index lies outside.",
        "Loop over the taps (k, l), not over the windows: all windows' tap (k, l) together are one strided slice.",
        "padded[:, :, k : k + (Ho - 1) * stride + 1 : stride, l : ...] is (N, C, Ho, Wo). Put these into an array "
        "(N, C, kernel, kernel, Ho, Wo), then reshape.",
    ),
)

NUMBA = Exercise(
    name="im2col_numba",
    signature="x, kernel, stride, padding",
    lesson="02",
    title="im2col, compiled",
    task="""im2col again (see that exercise for the formula), as loops that Numba compiles.
Put @numba.njit above the function: plain loops over n, c, k, l, i, j, which would be slow in Python, are then as fast as C.
Returns an array (N, C * kernel * kernel, Ho * Wo).""",
    cases=WINDOW_CASES,
    draw_case=draw_windows,
    expected=_im2col,
    mistakes=WINDOWS,
    compiled=True,
    hints=(
        "Look at the solution of im2col: Numba compiles loops and indices, so no slices and no np.pad are needed.",
        "import numba, write @numba.njit above the function, and six nested loops. The row of the result is "
        "(c * kernel + k) * kernel + l, its column i * Wo + j.",
        "The result starts as np.zeros(..., x.dtype). y = i * stride + k - padding may lie outside, so test 0 <= y < H "
        "before "
        "reading, and leave 0.",
    ),
)

EXERCISES = (IM2COL, NUMBA)
