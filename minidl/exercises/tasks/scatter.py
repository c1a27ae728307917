"""The exercise on col2im, the adjoint of im2col."""

import numpy as np

from ...kernels import reference
from ..exercise import Exercise, numbers
from .windows import geometry


def naive_size(size, kernel, stride, padding):
    """The size computed from the output alone, without the rows that floor drops."""
    return tuple((n - 1) * stride + kernel - 2 * padding for n in geometry(kernel, stride, padding).output_size(size))


def placed(taps, size, kernel, stride, padding):
    """Each tap's share of an image: (K, K, N, C, H, W) from taps (N, C, K, K, Ho, Wo), NaN where it adds nothing."""
    N, C, _, _, Ho, Wo = taps.shape
    p = padding
    image = np.full((kernel, kernel, N, C, size[0] + 2 * p, size[1] + 2 * p), np.nan)
    for k in range(kernel):
        for l in range(kernel):
            rows = slice(k, k + (Ho - 1) * stride + 1, stride), slice(l, l + (Wo - 1) * stride + 1, stride)
            image[k, l][:, :, *rows] = taps[:, :, k, l]
    return image[..., p : p + size[0], p : p + size[1]]


def _taps(cols, size, kernel, stride, padding):
    Ho, Wo = geometry(kernel, stride, padding).output_size(size)
    return cols.reshape(len(cols), -1, kernel, kernel, Ho, Wo)


RIGHT = {
    "order": lambda cols, taps: taps,
    "pitch": lambda stride, kernel: stride,  # between windows
    "cut": lambda x, p, H, W: x[:, :, p : p + H, p : p + W],
    "into": lambda size, kernel, stride, padding: size,
}


def _made(cols, size, kernel, stride, padding, **slips):
    """col2im with mistakes."""
    way = RIGHT | slips
    taps = way["order"](cols, _taps(cols, size, kernel, stride, padding))
    Ho, Wo = taps.shape[4:]
    pitch = way["pitch"](stride, kernel)
    H, W = way["into"](size, kernel, stride, padding)
    x = np.zeros((*taps.shape[:2], H + 2 * padding, W + 2 * padding))
    for k in range(kernel):
        for l in range(kernel):
            rows = slice(k, k + (Ho - 1) * pitch + 1, pitch), slice(l, l + (Wo - 1) * pitch + 1, pitch)
            x[:, :, *rows] += taps[:, :, k, l]
    return way["cut"](x, padding, H, W)


def _averaged(cols, size, **k):
    return _made(cols, size, **k) / np.maximum(_made(np.ones_like(cols), size, **k), 1)


def _overwritten(cols, size, kernel, stride, padding):
    """Window after window is assigned."""
    taps = _taps(cols, size, kernel, stride, padding)
    x = np.zeros((*taps.shape[:2], size[0] + 2 * padding, size[1] + 2 * padding))
    for i, j in np.ndindex(*taps.shape[4:]):
        x[:, :, i * stride : i * stride + kernel, j * stride : j * stride + kernel] = taps[..., i, j]
    return x[:, :, padding : padding + size[0], padding : padding + size[1]]


def _maximum(cols, size, kernel, stride, padding):
    return np.nan_to_num(
        np.fmax.reduce(placed(_taps(cols, size, kernel, stride, padding), size, kernel, stride, padding), (0, 1))
    )


def _shape_of(*axes):
    return lambda cols, taps: cols.reshape([taps.shape[a] for a in axes]).transpose(np.argsort(axes))


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
        {"cols": numbers(3, 2, 27, 8), "size": (6, 10), "kernel": 3, "stride": 3, "padding": 1},
        {"cols": numbers(4, 2, 18, 15), "size": (5, 3), "kernel": 3, "stride": 1, "padding": 1},
    ),
    draw_case=lambda rng: {"cols": numbers(rng, 2, 18, 9), "size": (7, 5), "kernel": 3, "stride": 3, "padding": 2},
    expected=lambda cols, size, kernel, stride, padding: reference.col2im(
        cols, size, geometry(kernel, stride, padding)
    ),
    made=_made,
    terms={
        "result": lambda cols, size, **k: (placed(_taps(cols, size, **k), size, **k), "klncij", "ncij"),
    },
    mistakes={
        "windows overwrite each other: where they overlap, add (+=)": [
            _overwritten,
            lambda cols, size, **k: np.nan_to_num(_last_of(placed(_taps(cols, size, **k), size, **k))),
        ],
        "overlaps are averaged: the adjoint adds": _averaged,
        "the largest of the overlapping values is kept: the adjoint adds": _maximum,
        "a lost row from floor: the output's size does not tell the image's, so use `size`": {"into": naive_size},
        "the padding is cropped twice": {"cut": lambda x, p, H, W: x[:, :, 2 * p : H, 2 * p : W]},
        "a slice [p:-p] is empty for padding 0: crop with [p : p + H]": {"cut": lambda x, p, H, W: x[:, :, p:-p, p:-p]},
        "the padding is still there: crop it": {"cut": lambda x, p, H, W: x},
        "the padding is left out, or cropped at the end only: the image starts at row `padding`, not at 0": {
            "cut": lambda x, p, H, W: x[:, :, :H, :W]
        },
        "the padding is cropped on one side only": [
            {"cut": lambda x, p, H, W: x[:, :, p:, p:]},
            {"cut": lambda x, p, H, W: x[:, :, : p + H, : p + W]},
        ],
        "the wrong part is cropped: the padding is taken from one side": {
            "cut": lambda x, p, H, W: x[:, :, 2 * p :, 2 * p :]
        },
        "a flipped kernel: tap (k, l) must go k rows below the window's top, l columns right of its left": {
            "order": lambda cols, taps: taps[:, :, ::-1, ::-1]
        },
        "a flipped index: k and l are exchanged; l runs faster": {"order": lambda cols, taps: taps.swapaxes(2, 3)},
        "a flipped index: the taps are read before the channels; c runs slowest, then k, then l": [
            {"order": _shape_of(0, 2, 3, 1, 4, 5)},
            {"order": _shape_of(0, 3, 2, 1, 4, 5)},
        ],
        "the windows are read before the taps: (i, j) runs fastest": {"order": _shape_of(0, 4, 5, 1, 2, 3)},
        "a flipped index: i and j are exchanged; j runs faster": {"order": _shape_of(0, 1, 2, 3, 5, 4)},
        "wrong stride: windows are put at every pixel, but window (i, j) starts at row i * stride, column j * stride": {
            "pitch": lambda stride, kernel: 1
        },
    },
    hints=(
        "Look at your im2col: the same slices, with the assignment the other way round.",
        "Several windows hold the same pixel, so their shares add up. What floor left out is a row of zeros, and `size` "
        "knows of it.",
        "Start from zeros of the padded size; padded[:, :, k : k + (Ho - 1) * stride + 1 : stride, l : ...] += "
        "cols.reshape(N, C, kernel, kernel, Ho, Wo)[:, :, k, l]; crop with [padding : padding + H] at the end.",
    ),
)


def _last_of(shares):
    """The last of the taps' shares (K, K, ...) that is not NaN."""
    flat = shares.reshape(-1, *shares.shape[2:])
    last = np.full(flat.shape[1:], np.nan)
    for share in flat:
        last = np.where(np.isnan(share), last, share)
    return last


EXERCISES = (COL2IM,)
