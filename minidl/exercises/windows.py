"""Exercises on im2col, its adjoint, and its compiled form."""

import numpy as np

from ..kernels import reference
from ..kernels.geometry import Geometry
from .exercise import Exercise, numbers


def geometry(kernel, stride=1, padding=0, dilation=1, groups=1):
    """A square Geometry."""
    pairs = ((n, n) for n in (kernel, stride, padding, dilation))
    return Geometry(*pairs, groups)


def pad(x, p):
    """Zeros around the last two axes."""
    return np.pad(x, [(0, 0)] * (x.ndim - 2) + [(p, p)] * 2)


def _im2col(x, kernel, stride, padding):
    return reference.im2col(x, geometry(kernel, stride, padding))


def _col2im(cols, size, kernel, stride, padding):
    return reference.col2im(cols, size, geometry(kernel, stride, padding))


def _taps_first(x, kernel, stride, padding):
    cols, (N, C) = _im2col(x, kernel, stride, padding), x.shape[:2]
    return cols.reshape(N, C, kernel * kernel, -1).swapaxes(1, 2).reshape(cols.shape)


def _dense_windows(x, kernel, stride, padding):
    Ho, Wo = geometry(kernel, stride, padding).output_size(x.shape[2:])
    H1, W1 = geometry(kernel, 1, padding).output_size(x.shape[2:])
    cols = _im2col(x, kernel, 1, padding)
    return cols.reshape(*cols.shape[:2], H1, W1)[:, :, :Ho, :Wo].reshape(*cols.shape[:2], Ho * Wo)


def _flipped_taps(x, kernel, stride, padding):
    cols, (N, C) = _im2col(x, kernel, stride, padding), x.shape[:2]
    return cols.reshape(N, C, kernel * kernel, -1)[:, :, ::-1].reshape(cols.shape)


WINDOWS = {
    "padding counted twice: the image is padded by 2 p": lambda x, **k: _im2col(pad(x, k["padding"]), **k),
    "the padding is left out": lambda x, kernel, stride, padding: _im2col(x, kernel, stride, 0),
    "wrong stride: window (i, j) must start at row i * stride, column j * stride": _dense_windows,
    "wrong stride: windows are taken at every pixel": lambda x, kernel, stride, padding: _im2col(x, kernel, 1, padding),
    "the rows are in another order: channel first, then kernel row, then kernel column": _taps_first,
    "a flipped kernel: tap (k, l) must read k rows below the window's top, l columns right of its left": _flipped_taps,
    "windows are rows here; they must be columns": lambda **k: _im2col(**k).swapaxes(1, 2),
}
WINDOW_CASES = (
    {"x": numbers(0, 1, 1, 4, 4), "kernel": 3, "stride": 1, "padding": 0},
    {"x": numbers(1, 2, 3, 7, 6), "kernel": 3, "stride": 2, "padding": 1},
    {"x": numbers(2, 2, 2, 8, 5), "kernel": 2, "stride": 2, "padding": 0},
)
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
    expected=_im2col,
    mistakes=WINDOWS,
    hints=(
        "Pad the image first (np.pad); then no index lies outside.",
        "Loop over the taps (k, l), not over the windows: all windows' tap (k, l) together are one strided slice.",
        "padded[:, :, k : k + (Ho - 1) * stride + 1 : stride, l : ...] is (N, C, Ho, Wo). Stack these along a new axis 2, "
        "then reshape.",
    ),
)


def _overwritten(cols, size, kernel, stride, padding):
    return _scattered(cols, size, kernel, stride, padding, lambda view, tap: tap)


def _scattered(cols, size, kernel, stride, padding, combine):
    Ho, Wo = geometry(kernel, stride, padding).output_size(size)
    taps = cols.reshape(len(cols), -1, kernel, kernel, Ho, Wo)
    x = pad(np.zeros((*taps.shape[:2], *size)), padding)
    for k in range(kernel):
        for l in range(kernel):
            rows = slice(k, k + (Ho - 1) * stride + 1, stride), slice(l, l + (Wo - 1) * stride + 1, stride)
            x[:, :, *rows] = combine(x[:, :, *rows], taps[:, :, k, l])
    return x[:, :, padding : padding + size[0], padding : padding + size[1]]


def _averaged(cols, size, **k):
    counts = _col2im(np.ones_like(cols), size, **k)
    return _col2im(cols, size, **k) / np.maximum(counts, 1)


def naive_size(size, kernel, stride, padding):
    """The size that the output alone suggests: what floor lost is missing."""
    return tuple((n - 1) * stride + kernel - 2 * padding for n in geometry(kernel, stride, padding).output_size(size))


def _reversed(cols, size, kernel, stride, padding):
    taps = cols.reshape(len(cols), -1, kernel * kernel, cols.shape[2])[:, :, ::-1]
    return _col2im(taps.reshape(cols.shape), size, kernel, stride, padding)


def _cropped_twice(cols, size, kernel, stride, padding):
    x = _col2im(cols, size, kernel, stride, padding)
    return x[:, :, padding : x.shape[2] - padding, padding : x.shape[3] - padding]


COL2IM = Exercise(
    name="col2im",
    signature="cols, size, kernel, stride, padding",
    lesson="02",
    title="the adjoint of im2col",
    task="""Adds cols[n, (c, k, l), (i, j)] to x[n, c, i * stride + k - padding, j * stride + l - padding].
cols is (N, C * kernel * kernel, Ho * Wo), size the (H, W) of the image that im2col was given. What falls on the padding is
dropped. For every x and cols, sum(im2col(x) * cols) equals sum(x * col2im(cols)).
Returns an array (N, C, H, W).""",
    cases=(
        {"cols": numbers(0, 1, 9, 4), "size": (4, 4), "kernel": 3, "stride": 1, "padding": 0},
        {"cols": numbers(1, 2, 18, 12), "size": (8, 6), "kernel": 3, "stride": 2, "padding": 1},
        {"cols": numbers(2, 2, 8, 8), "size": (8, 5), "kernel": 2, "stride": 2, "padding": 0},
    ),
    expected=_col2im,
    mistakes={
        "windows overwrite each other: where they overlap, add (+=)": _overwritten,
        "overlaps are averaged: the adjoint adds": _averaged,
        "a lost row from floor: the output's size does not tell the image's, so use `size`": (
            lambda cols, size, **k: _col2im(cols, naive_size(size, **k), **k)
        ),
        "padding counted twice: it is cropped twice": _cropped_twice,
        "the padding is still there: crop it": (
            lambda cols, size, kernel, stride, padding: _col2im(
                cols, (size[0] + 2 * padding, size[1] + 2 * padding), kernel, stride, 0
            )
        ),
        "a flipped kernel: tap (k, l) must go k rows below the window's top, l columns right of its left": _reversed,
    },
    hints=(
        "The same slices as in im2col, with the assignment the other way round.",
        "Start from zeros of the padded size, add tap by tap, and crop the padding at the end.",
        "padded[:, :, k : k + (Ho - 1) * stride + 1 : stride, l : ...] += cols.reshape(N, C, kernel, kernel, Ho, Wo)"
        "[:, :, k, l].",
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
    expected=_im2col,
    mistakes=WINDOWS,
    compiled=True,
    hints=(
        "import numba, and write @numba.njit above the function. The result starts as np.zeros(..., x.dtype).",
        "Six nested loops. The row of the result is (c * kernel + k) * kernel + l, its column i * Wo + j.",
        "Do not pad: y = i * stride + k - padding may lie outside, so test 0 <= y < H before reading, and leave 0.",
    ),
)

EXERCISES = (IM2COL, COL2IM, NUMBA)
