"""Exercises on dilated and depthwise convolution."""

import numpy as np

from ...kernels import reference
from ..exercise import Exercise, numbers
from .windows import geometry, pad


def _dilated(x, w, dilation):
    return reference.conv2d(x, w, None, geometry(w.shape[2:], dilation=dilation))


def _patches(x, shape, spread, size, pitch=1):
    """x at every tap: (N, C, Kh, Kw, Ho, Wo)."""
    Ho, Wo = size
    parts = np.zeros((*x.shape[:2], *shape, Ho, Wo))
    for k, l in np.ndindex(*shape):
        i, j = k * spread[0], l * spread[1]
        part = x[:, :, i : i + (Ho - 1) * pitch + 1 : pitch, j : j + (Wo - 1) * pitch + 1 : pitch]
        parts[:, :, k, l, : part.shape[2], : part.shape[3]] = part
    return parts


DILATED_RIGHT = {
    "spread": lambda dilation: (dilation, dilation),
    "size": None,
    "turn": lambda w: w,
    "pitch": 1,
    "around": lambda dilation, K: 0,
    "channels": "nckluv,ockl->nouv",
}


def _dilated_made(x, w, dilation, **slips):
    """A dilated convolution with mistakes."""
    way, K = DILATED_RIGHT | slips, w.shape[2:]
    spread, pitch, wrong_size = way["spread"](dilation), way["pitch"], way["size"]
    x, w = pad(x, way["around"](dilation, K[0])), way["turn"](w)
    size = [
        wrong_size(n, k, dilation) if wrong_size else (n - s * (k - 1) - 1) // pitch + 1
        for n, k, s in zip(x.shape[2:], K, spread)
    ]
    return np.einsum(way["channels"], _patches(x, w.shape[2:], spread, size, pitch), w)


def _dilated_terms(x, w, dilation):
    size = [n - dilation * (k - 1) for n, k in zip(x.shape[2:], w.shape[2:])]
    parts = _patches(x, w.shape[2:], (dilation, dilation), size)
    return np.einsum("nckluv,ockl->nouvckl", parts, w), "noijckl", "noij"


def _as_stride(x, w, dilation):
    return reference.conv2d(x, w, None, geometry(w.shape[2:], stride=dilation))


DILATED = Exercise(
    name="dilated_conv2d",
    signature="x, w, dilation",
    lesson="07",
    title="a dilated convolution",
    task="""y[n, o, i, j] = sum over c, k, l of w[o, c, k, l] x[n, c, i + k * dilation, j + l * dilation].
x is (N, C, H, W), w (O, C, Kh, Kw). No padding, stride 1: the result has H - dilation * (Kh - 1) rows. The score counts
multiplications: a dilated kernel needs no more than the kernel itself.
Returns an array (N, O, Ho, Wo).""",
    cases=(
        {"x": numbers(0, 1, 1, 7, 7), "w": numbers(1, 1, 1, 3, 3), "dilation": 2},
        {"x": numbers(4, 2, 2, 5, 6), "w": numbers(5, 3, 2, 2, 2), "dilation": 1},
        {"x": numbers(2, 2, 3, 10, 9), "w": numbers(3, 2, 3, 3, 3), "dilation": 3},
        {"x": numbers(6, 2, 2, 8, 9), "w": numbers(7, 2, 2, 3, 3), "dilation": 2},
        {"x": numbers(8, 2, 2, 7, 9), "w": numbers(9, 3, 2, 2, 3), "dilation": 2},
    ),
    draw_case=lambda rng: {
        "x": numbers(rng, 2, 3, 9, 8),
        "w": numbers(rng, 2, 3, 3, 3),
        "dilation": int(rng.integers(2, 4)),
    },
    expected=_dilated,
    made=_dilated_made,
    terms={"result": _dilated_terms},
    mistakes={
        "a flipped kernel: deep learning's convolution does not turn the kernel": {
            "turn": lambda w: w[..., ::-1, ::-1]
        },
        "a flipped kernel in one axis": [{"turn": lambda w: w[..., ::-1]}, {"turn": lambda w: w[..., ::-1, :]}],
        "the kernel indices k and l are exchanged": {"turn": lambda w: w.swapaxes(2, 3)},
        "input and output channels are exchanged": {"turn": lambda w: w.swapaxes(0, 1)},
        "taps are dilation + 1 apart: dilation 2 leaves one pixel between them": [
            {"spread": lambda d: (d + 1, d + 1)},
            {"spread": lambda d: (d + 1, d + 1), "size": lambda n, k, d: n - d * (k - 1)},
        ],
        "the dilation is ignored": {"spread": lambda d: (1, 1)},
        "the dilation is ignored in the slices, though not in the size": {
            "spread": lambda d: (1, 1),
            "size": lambda n, k, d: n - d * (k - 1),
        },
        "the dilation is ignored in one axis": [
            {"spread": lambda d: (d, 1)},
            {"spread": lambda d: (1, d)},
            {"spread": lambda d: (d, 1), "size": lambda n, k, d: n - d * (k - 1)},
            {"spread": lambda d: (1, d), "size": lambda n, k, d: n - d * (k - 1)},
        ],
        "the size leaves the dilation out: the result has H - dilation * (Kh - 1) rows": {
            "size": lambda n, k, d: n - k + 1
        },
        "the size is wrong: the result has H - dilation * (Kh - 1) rows": [
            {"size": lambda n, k, d: n - d * k + 1},
            {"size": lambda n, k, d: n - d * k},
            {"size": lambda n, k, d: n - d * (k - 1) - 1},
            {"size": lambda n, k, d: n},
        ],
        "the image is padded: no padding is asked for": [
            {"around": lambda d, k: d * (k - 1) // 2},
            {"around": lambda d, k: d},
            {"around": lambda d, k: 1},
        ],
        "wrong stride: dilation spreads the taps, it does not move the windows": [
            _as_stride,
            {"pitch": 2},
            lambda x, w, dilation: _dilated_made(x, w, dilation, pitch=dilation),
        ],
        "only the first input channel counts: sum over c": {
            "turn": lambda w: np.concatenate([w[:, :1], 0 * w[:, 1:]], 1)
        },
        "every output channel uses the first kernel": {"turn": lambda w: w[:1] + 0 * w},
        "the mean over the channels is taken: sum over c": {"turn": lambda w: w / w.shape[1]},
        "the mean over the taps is taken: sum over k and l": {"turn": lambda w: w / w[0, 0].size},
        "the mean over channels and taps is taken: sum over c, k and l": {"turn": lambda w: w / w[0].size},
    },
    cost=lambda x, w, dilation: _dilated(x, w, dilation).size * w[0].size,
    hints=(
        "Look at im2col: loop over the taps (k, l) in the same way. Only the place where a tap reads changes.",
        "Which pixels does tap (k, l) read? Its slice has the size of the result and starts where its first window does.",
        "i, j = k * dilation, l * dilation; y += np.einsum('oc,ncij->noij', w[:, :, k, l], x[:, :, i : i + Ho, j : j + Wo]).",
    ),
)


def _depthwise(x, w, padding):
    return reference.conv2d(x, w, None, geometry(w.shape[2:], 1, padding, groups=x.shape[1]))


DEPTHWISE_RIGHT = {
    "turn": lambda w: w,
    "around": lambda padding, K: padding,
    "mode": "constant",
    "cut": lambda y, padding: y,
    "size": lambda n, k, padding: n - k + 1,
    "sub": "nckluv,ckl->ncuv",
}


def _depthwise_made(x, w, padding, **slips):
    """A depthwise convolution with mistakes."""
    way = DEPTHWISE_RIGHT | slips
    w = way["turn"](w[:, 0])
    wide = pad(x, way["around"](padding, w.shape[1]), way["mode"])
    size = [way["size"](n, k, padding) for n, k in zip(wide.shape[2:], w.shape[1:])]
    return way["cut"](np.einsum(way["sub"], _patches(wide, w.shape[1:], (1, 1), size), w), padding)


def _depthwise_terms(x, w, padding):
    wide = pad(x, padding)
    size = [n - k + 1 for n, k in zip(wide.shape[2:], w.shape[2:])]
    return np.einsum("nckluv,ckl->ncuvkl", _patches(wide, w.shape[2:], (1, 1), size), w[:, 0]), "ncijkl", "ncij"


DEPTHWISE = Exercise(
    name="depthwise_conv2d",
    signature="x, w, padding",
    lesson="08",
    title="a depthwise convolution",
    task="""y[n, c, i, j] = sum over k, l of w[c, 0, k, l] x[n, c, i + k - padding, j + l - padding], 0 outside the image.
x is (N, C, H, W), w (C, 1, Kh, Kw). Each channel has its own kernel, and channels do not mix. The score counts
multiplications.
Returns an array (N, C, Ho, Wo).""",
    cases=(
        {"x": numbers(0, 1, 2, 5, 5), "w": numbers(1, 2, 1, 3, 3), "padding": 1},
        {"x": numbers(2, 2, 3, 6, 7), "w": numbers(3, 3, 1, 3, 3), "padding": 0},
        {"x": numbers(4, 2, 3, 5, 6), "w": numbers(5, 3, 1, 3, 3), "padding": 2},
        {"x": numbers(6, 3, 2, 5, 4), "w": numbers(7, 2, 1, 2, 2), "padding": 1},
        {"x": numbers(8, 2, 2, 6, 5), "w": numbers(9, 2, 1, 2, 3), "padding": 1},
    ),
    draw_case=lambda rng: {
        "x": numbers(rng, 2, 4, 7, 5),
        "w": numbers(rng, 4, 1, 3, 3),
        "padding": int(rng.integers(1, 3)),
    },
    expected=_depthwise,
    made=_depthwise_made,
    terms={"result": _depthwise_terms},
    mistakes={
        "channels are summed: each keeps its own result": [
            lambda x, w, padding: _depthwise(x, w, padding).sum(1, keepdims=True),
            lambda x, w, padding: _depthwise(x, w, padding).sum(1),
            lambda x, w, padding: _depthwise(x, w, padding).sum(1, keepdims=True).repeat(len(w), 1),
            lambda x, w, padding: _depthwise_made(x, w, padding, sub="nckluv,dkl->nduv"),
        ],
        "every channel uses the first kernel": {"turn": lambda w: w[:1] + 0 * w},
        "every channel uses the sum or mean of all kernels": [
            {"turn": lambda w: w.sum(0, keepdims=True) + 0 * w},
            {"turn": lambda w: w.mean(0, keepdims=True) + 0 * w},
        ],
        "every channel reads the first channel of x": lambda x, w, padding: _depthwise(x[:, :1] + 0 * x, w, padding),
        "the kernels are in reverse order": {"turn": lambda w: w[::-1]},
        "a flipped kernel: deep learning's convolution does not turn the kernel": {
            "turn": lambda w: w[..., ::-1, ::-1]
        },
        "a flipped kernel in one axis": [{"turn": lambda w: w[..., ::-1]}, {"turn": lambda w: w[..., ::-1, :]}],
        "the kernel indices k and l are exchanged": {"turn": lambda w: w.swapaxes(1, 2)},
        "the padding is counted twice": {"around": lambda p, K: 2 * p},
        "the padding is left out, or cropped again at the end: the result has H + 2 padding - Kh + 1 rows": {
            "around": lambda p, K: 0
        },
        "the padding is left out in one axis": [
            lambda x, w, padding: _depthwise(x, w, padding)[:, :, :, padding : padding + x.shape[3] - w.shape[3] + 1],
            lambda x, w, padding: _depthwise(x, w, padding)[:, :, padding : padding + x.shape[2] - w.shape[2] + 1],
        ],
        "all of the padding stands after the image: both sides need it": {"around": lambda p, K: (0, 2 * p)},
        "the image is padded on one side only: both sides need the padding": [
            {"around": lambda p, K: (p, 0)},
            {"around": lambda p, K: (0, p)},
            {"around": lambda p, K: (2 * p, 0)},
        ],
        "the padding is kernel // 2 instead of the argument": {"around": lambda p, K: K // 2},
        "outside the image other pixels are read (nearest, reflected or wrapped around); it must be 0": [
            {"mode": "edge"},
            {"mode": "reflect"},
            {"mode": "symmetric"},
            {"mode": "wrap"},
        ],
        "a slice [p:-p] is empty for padding 0": {"cut": lambda y, p: y[:, :, p:-p, p:-p]},
        "the size is wrong: the result has H + 2 padding - Kh + 1 rows": [
            {"size": lambda n, k, p: n - 2 * p},
            {"size": lambda n, k, p: n - k},
            {"size": lambda n, k, p: n - 2 * p - k + 1},
            {"size": lambda n, k, p: n},
        ],
    },
    cost=lambda x, w, padding: _depthwise(x, w, padding).size * w[0].size,
    hints=(
        "Look at the dilated convolution: loop over the taps (k, l) only. The channels need no loop and no sum.",
        "The kernel's tap (k, l) is a vector over channels, w[:, 0, k, l]; it multiplies a slice of the padded image.",
        "y += w[:, 0, k, l][:, None, None] * padded[:, :, k : k + Ho, l : l + Wo].",
    ),
)

EXERCISES = (DILATED, DEPTHWISE)
