"""Exercises on max-pooling by index and its way back."""

import numpy as np

from ..kernels import reference
from .exercise import Exercise, numbers
from .windows import geometry


def _pool(x, kernel, stride):
    g = geometry(kernel, stride)
    return reference.max_pool2d(x, g, g.output_size(x.shape[2:]))


def _windows(x, kernel, stride):
    return np.lib.stride_tricks.sliding_window_view(x, (kernel, kernel), (2, 3))[:, :, ::stride, ::stride]


def _last_maximum(x, kernel, stride):
    windows = _windows(x, kernel, stride)
    flat = windows.reshape(*windows.shape[:4], -1)
    last = kernel * kernel - 1 - flat[..., ::-1].argmax(-1)
    return flat.max(-1), _in_plane(last, x.shape[3], kernel, stride)


def _in_window(x, kernel, stride):
    windows = _windows(x, kernel, stride)
    flat = windows.reshape(*windows.shape[:4], -1)
    return flat.max(-1), flat.argmax(-1)


def _in_plane(index, W, kernel, stride):
    Ho, Wo = index.shape[2:]
    rows = np.arange(Ho)[:, None] * stride + index // kernel
    return rows * W + np.arange(Wo) * stride + index % kernel


def _ceil(x, kernel, stride):
    size = tuple(-(-(n - kernel) // stride) + 1 for n in x.shape[2:])
    return reference.max_pool2d(x, geometry(kernel, stride), size)


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
    ),
    expected=_pool,
    returns=("y", "index"),
    mistakes={
        "the index counts inside the window: it must count in the plane, row * W + column": _in_window,
        "of equal values the last was taken: it must be the first": _last_maximum,
        "an average was taken": lambda x, kernel, stride: (_windows(x, kernel, stride).mean((-2, -1)), None),
        "wrong stride: windows start every `stride` pixels, not every `kernel`": (
            lambda x, kernel, stride: _pool(x, kernel, kernel)
        ),
        "wrong stride: windows are taken at every pixel": lambda x, kernel, stride: _pool(x, kernel, 1),
        "a row too many: floor leaves out a window that does not fit": _ceil,
    },
    hints=(
        "np.lib.stride_tricks.sliding_window_view(x, (kernel, kernel), (2, 3))[:, :, ::stride, ::stride] holds all windows.",
        "Flatten the last two axes; argmax gives the place t inside the window, the first of equal ones.",
        "The row is i * stride + t // kernel, the column j * stride + t % kernel.",
    ),
)


def _unpool(y, index, size):
    return reference.plane_scatter(y, index, size)


def _by_columns(y, index, size):
    return _unpool(y, index // size[1] + index % size[1] * size[0], size)


def _nearest(y, index, size):
    x = np.repeat(np.repeat(y, size[0] // y.shape[2], 2), size[1] // y.shape[3], 3)
    return np.pad(x, [(0, 0), (0, 0), (0, size[0] - x.shape[2]), (0, size[1] - x.shape[3])])


def _corner(y, index, size):
    x = np.zeros((*y.shape[:2], *size))
    H, W = y.shape[2:]
    sh, sw = size[0] // H, size[1] // W
    x[:, :, : H * sh : sh, : W * sw : sw] = y
    return x


def _unpool_case(seed, shape):
    y, index = _pool(numbers(seed, *shape), 2, 2)
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
    cases=(_unpool_case(0, (1, 1, 4, 4)), _unpool_case(1, (2, 3, 7, 4)), _unpool_case(2, (1, 2, 4, 6))),
    expected=_unpool,
    mistakes={
        "a lost row from floor: the result must have the given size, not twice that of y": (
            lambda y, index, size: _unpool(y, index // size[1] * 2 * y.shape[3] + index % size[1], _twice(y))
        ),
        "the index is read column by column: it is row * W + column": _by_columns,
        "values are repeated over the window: all but the place of the maximum must be 0": _nearest,
        "values are put in the window's corner: index says where they were": _corner,
    },
    hints=(
        "A plane is flat for this purpose: reshape to (N, C, H * W).",
        "np.put_along_axis writes at given indices along an axis.",
        "x = np.zeros((N, C, H * W)); np.put_along_axis(x, index.reshape(N, C, -1), y.reshape(N, C, -1), 2).",
    ),
)


def _twice(y):
    return 2 * y.shape[2], 2 * y.shape[3]


EXERCISES = (MAX_POOL, UNPOOL)
