"""The exercise on unpooling: every maximum back to where it was."""

import numpy as np

from ...kernels import reference
from ..exercise import Exercise, numbers
from .pooling import pooled


def _unpool(y, index, size):
    return reference.plane_scatter(y, index, size)


def _at(place, into=None):
    """A mistake: values go to place(index, size, shape of y) of the plane."""

    def mistake(y, index, size):
        return _unpool(y, place(index, size, y.shape), into(y, size) if into else size)

    return mistake


def _spread(change):
    """A mistake: without the index; `change` distributes y over windows of (sh, sw)."""

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
    y, index = pooled(numbers(seed if rng is None else rng, *shape), 2, 2)
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

EXERCISES = (UNPOOL,)
