"""Exercises on max-pooling by index and its way back."""

import numpy as np

from ...kernels import reference
from ..exercise import Exercise, numbers
from .windows import geometry


def _pool(x, kernel, stride):
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
    expected=_pool,
    made=_made,
    returns=("y", "index"),
    whole=("index",),
    mistakes={
        "the maximum starts at 0: where all values are negative, it must be the largest of them": [
            lambda x, kernel, stride: (np.maximum(_pool(x, kernel, stride)[0], 0), _pool(x, kernel, stride)[1]),
            lambda x, kernel, stride: (
                np.maximum(_pool(x, kernel, stride)[0], 0),
                np.where(_pool(x, kernel, stride)[0] > 0, _pool(x, kernel, stride)[1], 0),
            ),
            lambda x, kernel, stride: (
                np.maximum(_pool(x, kernel, stride)[0], 0),
                np.where(_pool(x, kernel, stride)[0] > 0, _pool(x, kernel, stride)[1], -1),
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
                a[:, :, : b.shape[2], : b.shape[3]] for a, b in zip(_pool(x, kernel, 1), _pool(x, kernel, stride))
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
                for a in _pool(x, kernel, stride)
            )
        ),
        "too few windows: there are (H - kernel) // stride + 1 rows of them, not H // stride or H // kernel": [
            lambda x, kernel, stride, by=by: tuple(
                a[:, :, : x.shape[2] // by(kernel, stride), : x.shape[3] // by(kernel, stride)]
                for a in _pool(x, kernel, stride)
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


def _unpool(y, index, size):
    return reference.plane_scatter(y, index, size)


def _at(place, into=None):
    """A mistake: values go to place(index, size, shape of y) of the plane."""

    def mistake(y, index, size):
        return _unpool(y, place(index, size, y.shape), into(y, size) if into else size)

    return mistake


def _spread(change):
    """A mistake: no use of the index; `change` spreads y over windows of (sh, sw)."""

    def mistake(y, index, size):
        sh, sw = size[0] // y.shape[2], size[1] // y.shape[3]
        x = np.zeros((*y.shape[:2], *size))
        part = x[:, :, : sh * y.shape[2], : sw * y.shape[3]]
        change(part, y, sh, sw)
        return x

    return mistake


def _repeat(part, y, sh, sw):
    part[...] = y.repeat(sh, 2).repeat(sw, 3)


def _corner(part, y, sh, sw):
    part[:, :, ::sh, ::sw] = y


def _flat_batch(y, index, size):
    x = np.zeros((*y.shape[:2], *size))
    x.ravel()[index.ravel()] = y.ravel()
    return x


def _twice(y, size):
    return 2 * y.shape[2], 2 * y.shape[3]


def _unpool_case(seed, shape, rng=None):
    y, index = _pool(numbers(seed if rng is None else rng, *shape), 2, 2)
    return {"y": y, "index": index, "size": shape[2:]}


UNPOOL = Exercise(
    name="max_unpool2d",
    signature="y, index, size",
    lesson="05",
    title="unpooling: every maximum back to where it was",
    task="""x[n, c] is zero but for x[n, c].flat[index[n, c, i, j]] = y[n, c, i, j].
y and index (N, C, Ho, Wo) come from a max-pooling of windows that did not overlap, size = (H, W) is that of its input: 7 rows
pooled by 2 are 3, and the way back from 3 must be 7, not 6.
Returns an array (N, C, H, W).""",
    cases=(
        _unpool_case(0, (1, 1, 4, 4)),
        _unpool_case(1, (2, 3, 7, 4)),
        _unpool_case(2, (1, 2, 4, 6)),
        _unpool_case(3, (2, 2, 5, 7)),
    ),
    draw_case=lambda rng: _unpool_case(0, (2, 2, 6, 9), rng),
    expected=_unpool,
    mistakes={
        "a lost row from floor: the result must have the given size, not twice that of y": [
            _at(lambda index, size, shape: index // size[1] * 2 * shape[3] + index % size[1], _twice),
            lambda y, index, size: np.take(
                _unpool(y, index, size).reshape(*y.shape[:2], -1), range(4 * y.shape[2] * y.shape[3]), 2
            ).reshape(*y.shape[:2], *_twice(y, size)),
        ],
        "the index is read column by column: it is row * W + column": [
            _at(lambda index, size, shape: index // size[1] + index % size[1] * size[0]),
            _at(lambda index, size, shape: index % size[0] * size[1] + index // size[0]),
            _at(lambda index, size, shape: index % size[1] * size[1] + index // size[1]),
        ],
        "the index counts in the plane x[n, c]: it is used in the whole array": _flat_batch,
        "every channel uses the index of the first": lambda y, index, size: _unpool(y, index[:, :1] + 0 * index, size),
        "every image uses the index of the first": lambda y, index, size: _unpool(y, index[:1] + 0 * index, size),
        "values are repeated over the window: all but the place of the maximum must be 0": _spread(_repeat),
        "values are put in the window's corner: index says where they are": _spread(_corner),
        "the index is one too large or too small": [
            _at(lambda index, size, shape: (index + 1) % (size[0] * size[1])),
            _at(lambda index, size, shape: (index - 1) % (size[0] * size[1])),
        ],
        "1 is written in place of the values": lambda y, index, size: _unpool(np.ones_like(y), index, size),
        "the index is written in place of the values": lambda y, index, size: _unpool(index + 0.0, index, size),
    },
    hints=(
        "Look at one plane as a flat list of H * W cells: reshape to (N, C, H * W).",
        "np.put_along_axis writes at given indices along an axis. The size is given, because y alone does not tell it.",
        "x = np.zeros((N, C, H * W)); np.put_along_axis(x, index.reshape(N, C, -1), y.reshape(N, C, -1), 2).",
    ),
)

EXERCISES = (MAX_POOL, UNPOOL)
