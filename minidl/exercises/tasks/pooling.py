"""The exercise on max-pooling by index."""

import numpy as np

from ...kernels import reference
from ..exercise import Exercise, numbers
from .windows import geometry


def pooled(x, kernel, stride):
    """(values, index) of max-pooling."""
    g = geometry(kernel, stride)
    return reference.max_pool2d(x, g, g.output_size(x.shape[2:]))


def _windows(x, kernel, pitch):
    return np.lib.stride_tricks.sliding_window_view(x, (kernel, kernel), (2, 3))[:, :, ::pitch, ::pitch]


def _first(flat):
    return flat.argmax(-1)


def _last(flat):
    return flat.shape[-1] - 1 - flat[..., ::-1].argmax(-1)


RIGHT = {
    "pitch": lambda kernel, stride: stride,
    "value": lambda flat: flat.max(-1),
    "place": _first,
    "turn": lambda windows: windows,
    "number": lambda row, column, i, j, t, shape, kernel: row * shape[3] + column,
    "step": lambda stride, kernel: stride,  # between windows, in the index
}


def _made(x, kernel, stride, **slips):
    way = RIGHT | slips
    windows = way["turn"](_windows(x, kernel, way["pitch"](kernel, stride)))
    flat = windows.reshape(*windows.shape[:4], -1)
    t, step = way["place"](flat), way["step"](stride, kernel)
    i, j = np.arange(t.shape[2])[:, None], np.arange(t.shape[3])
    row, column = i * step + t // kernel, j * step + t % kernel
    return way["value"](flat), way["number"](row, column, i, j, t, (*t.shape[:2], *x.shape[2:], *t.shape[2:]), kernel)


def _number(change):
    return {"number": lambda row, column, i, j, t, shape, kernel: change(row, column, i, j, t, shape, kernel)}


def _value(change):
    return {"value": change}


def _ceil(x, kernel, stride):
    size = tuple(-(-(n - kernel) // stride) + 1 for n in x.shape[2:])
    return reference.max_pool2d(x, geometry(kernel, stride), size)


def _global(row, column, i, j, t, shape, kernel):
    """The number in the whole array."""
    N, C, H, W = shape[:4]
    return np.arange(N)[:, None, None, None] * C * H * W + np.arange(C)[:, None, None] * H * W + row * W + column


MAX_POOL = Exercise(
    name="max_pool2d",
    signature="x, kernel, stride",
    lesson="05",
    title="max-pooling that remembers where",
    task="""y[n, c, i, j] = the largest x[n, c, i * stride + k, j * stride + l] over 0 <= k, l < kernel, and where it is:
index[n, c, i, j] = row * W + column in the plane x[n, c]; of equal values the first, row by row.
Windows that do not fit are left out: Ho = (H - kernel) // stride + 1.
Returns (y, index), both (N, C, Ho, Wo).""",
    cases=(
        {"x": numbers(0, 1, 1, 4, 4), "kernel": 2, "stride": 2},
        {"x": np.round(numbers(1, 2, 3, 7, 6)), "kernel": 3, "stride": 2},
        {"x": np.sign(numbers(2, 1, 2, 5, 6)), "kernel": 2, "stride": 1},
        {"x": -1000 * np.abs(numbers(3, 2, 2, 6, 5)), "kernel": 2, "stride": 2},
        {"x": numbers(4, 2, 2, 8, 9), "kernel": 2, "stride": 3},
    ),
    draw_case=lambda rng: {"x": np.round(numbers(rng, 2, 3, 8, 6)) - 2, "kernel": 3, "stride": int(rng.integers(1, 4))},
    expected=pooled,
    made=_made,
    returns=("y", "index"),
    whole=("index",),
    mistakes={
        "the maximum starts at 0: where all values are negative, it must be the largest of them": [
            lambda x, kernel, stride: (np.maximum(pooled(x, kernel, stride)[0], 0), pooled(x, kernel, stride)[1]),
            lambda x, kernel, stride: (
                np.maximum(pooled(x, kernel, stride)[0], 0),
                np.where(pooled(x, kernel, stride)[0] > 0, pooled(x, kernel, stride)[1], 0),
            ),
            lambda x, kernel, stride: (
                np.maximum(pooled(x, kernel, stride)[0], 0),
                np.where(pooled(x, kernel, stride)[0] > 0, pooled(x, kernel, stride)[1], -1),
            ),
        ],
        "the maximum starts at a small positive number or at -1: start at -infinity, or at the first value": [
            _value(lambda flat, v=v: np.maximum(flat.max(-1), v)) for v in (-1, 1, 1e-9, -10, -100, -999, -1000)
        ],
        "the index counts inside the window: it must count in the plane, row * W + column": _number(
            lambda row, column, i, j, t, shape, kernel: t
        ),
        "the index counts column by column: it is row * W + column": _number(
            lambda row, column, i, j, t, shape, kernel: column * shape[2] + row
        ),
        "the index multiplies the row by H: rows have W cells": _number(
            lambda row, column, i, j, t, shape, kernel: row * shape[2] + column
        ),
        "the index multiplies the row by the width of the result: rows of x have W cells": _number(
            lambda row, column, i, j, t, shape, kernel: row * shape[5] + column
        ),
        "the index counts in the whole array: it must count in the plane x[n, c]": _number(_global),
        "the index starts at 1: the first cell is number 0": _number(
            lambda row, column, i, j, t, shape, kernel: row * shape[3] + column + 1
        ),
        "the index is the window's number: it must be that of the largest value in the plane": _number(
            lambda row, column, i, j, t, shape, kernel: i * shape[5] + j + 0 * t
        ),
        "the index is that of the window's corner: add the place inside the window": [
            _number(lambda row, column, i, j, t, shape, kernel: (row - t // kernel) * shape[3] + column - t % kernel)
        ],
        "the index holds only the row, or only the column": [
            _number(lambda row, column, i, j, t, shape, kernel: row),
            _number(lambda row, column, i, j, t, shape, kernel: column),
        ],
        "row and column inside the window are exchanged: t // kernel is the row": _number(
            lambda row, column, i, j, t, shape, kernel: (
                (row - t // kernel + t % kernel) * shape[3] + column - t % kernel + t // kernel
            )
        ),
        "the index leaves the stride out: the window starts at row i * stride": {"step": lambda stride, kernel: 1},
        "the index takes windows that start every `kernel` pixels: they start every `stride`": {
            "step": lambda stride, kernel: kernel
        },
        "of equal values the last is taken: it must be the first": {"place": _last},
        "of equal values the first column by column is taken: go row by row": [
            {"place": lambda flat: _by_columns(flat)},
        ],
        "an average is taken: needed the maximum": _value(lambda flat: flat.mean(-1)),
        "the sum is taken: needed the maximum": _value(lambda flat: flat.sum(-1)),
        "the minimum is taken: needed the maximum": {
            "value": lambda flat: flat.min(-1),
            "place": lambda flat: flat.argmin(-1),
        },
        "the largest absolute value is taken: needed the largest value": [
            {"value": lambda flat: np.abs(flat).max(-1), "place": lambda flat: np.abs(flat).argmax(-1)},
            {
                "value": lambda flat: np.take_along_axis(flat, np.abs(flat).argmax(-1)[..., None], -1)[..., 0],
                "place": lambda flat: np.abs(flat).argmax(-1),
            },
        ],
        "the first or the last value of the window is taken: needed the largest": [
            _value(lambda flat: flat[..., 0]),
            _value(lambda flat: flat[..., -1]),
        ],
        "wrong stride: windows start every `stride` pixels, not every `kernel`": {
            "pitch": lambda kernel, stride: kernel,
            "step": lambda stride, kernel: kernel,
        },
        "wrong stride: windows are taken at every pixel": [
            {"pitch": lambda kernel, stride: 1, "step": lambda stride, kernel: 1},
            lambda x, kernel, stride: tuple(
                a[:, :, : b.shape[2], : b.shape[3]] for a, b in zip(pooled(x, kernel, 1), pooled(x, kernel, stride))
            ),
        ],
        "the maximum runs over the channels, too": [
            _value(lambda flat: flat.max((1, -1))),
            _value(lambda flat: flat.max(-1).max(1, keepdims=True) + 0 * flat[..., 0]),
        ],
        "the last row and column of each window are left out": {
            "turn": lambda windows: np.where(_inside(windows), windows, -np.inf)
        },
        "a row too many: floor leaves out a window that does not fit": _ceil,
        "a lost row from floor: there are (H - kernel) // stride + 1 rows; the 1 is missing": lambda x, kernel, stride: (
            tuple(
                a[:, :, : (x.shape[2] - kernel) // stride, : (x.shape[3] - kernel) // stride]
                for a in pooled(x, kernel, stride)
            )
        ),
        "too few windows: there are (H - kernel) // stride + 1 rows of them, not H // stride or H // kernel": [
            lambda x, kernel, stride, by=by: tuple(
                a[:, :, : x.shape[2] // by(kernel, stride), : x.shape[3] // by(kernel, stride)]
                for a in pooled(x, kernel, stride)
            )
            for by in (lambda kernel, stride: kernel, lambda kernel, stride: stride, max)
        ],
    },
    hints=(
        "Look at np.lib.stride_tricks.sliding_window_view(x, (kernel, kernel), (2, 3)): it holds the windows at every pixel.",
        "Flatten the last two axes of each window; argmax gives the place t inside the window, the first of equal ones. The "
        "largest of negative numbers is negative.",
        "The row is i * stride + t // kernel, the column j * stride + t % kernel, the index row * W + column.",
    ),
)


def _by_columns(flat):
    """The first of equal values, column by column."""
    kernel = round(flat.shape[-1] ** 0.5)
    t = flat.reshape(*flat.shape[:-1], kernel, kernel).swapaxes(-1, -2).reshape(flat.shape).argmax(-1)
    return t % kernel * kernel + t // kernel


def _inside(windows):
    kernel = windows.shape[-1]
    inside = np.arange(kernel) < kernel - 1
    return inside[:, None] & inside


EXERCISES = (MAX_POOL,)
