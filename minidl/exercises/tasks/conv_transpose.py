"""The exercise on transposed convolution."""

import numpy as np

from ... import functional as F
from ...autograd.tensor import Tensor
from ...kernels import reference
from ..exercise import Exercise, numbers
from .windows import geometry


def _expected(y, w, stride, padding, output_padding):
    return F.conv_transpose2d(Tensor(y), Tensor(w), stride=stride, padding=padding, output_padding=output_padding).data


RIGHT = {
    "turn": lambda w: w.swapaxes(0, 1)[..., ::-1, ::-1],  # the kernel of the ordinary convolution
    "pitch": lambda stride: stride,
    "more": lambda output_padding, stride: (0, output_padding),  # rows before and after the pixels with their zeros
    "around": lambda K, padding: K - 1 - padding,
    "values": lambda y: y,
}


def _made(y, w, stride, padding, output_padding, **slips):
    """Zeros between the pixels, then an ordinary convolution with the turned kernel."""
    way = RIGHT | slips
    pitch, y, turned = way["pitch"](stride), way["values"](y), way["turn"](w)
    (before, after), (N, C, H, W) = way["more"](output_padding, stride), y.shape
    spread = np.zeros((N, C, (H - 1) * pitch + 1 + before + after, (W - 1) * pitch + 1 + before + after))
    spread[:, :, before : before + (H - 1) * pitch + 1 : pitch, before : before + (W - 1) * pitch + 1 : pitch] = y
    around = [way["around"](K, padding) for K in turned.shape[2:]]
    edges = [a if isinstance(a, tuple) else (a, a) for a in around]
    wide = np.pad(spread, [(0, 0), (0, 0), *((max(a, 0), max(b, 0)) for a, b in edges)])
    cut = [slice(-min(a, 0), (min(b, 0) or None)) for a, b in edges]
    wide = np.ascontiguousarray(wide[:, :, cut[0], cut[1]])
    return reference.conv2d(wide, np.ascontiguousarray(turned), None, geometry(turned.shape[2:]))


def _pasted(y, w, stride, padding, output_padding, **slips):
    """Scaled kernels pasted into zeros, with mistakes."""
    way = {"crop": None, "combine": np.add, "room": 0, "pitch": stride} | slips
    (N, _, H, W), (Kh, Kw), p, pitch = y.shape, w.shape[2:], padding, way["pitch"]
    more = output_padding + way["room"]
    x = np.zeros((N, w.shape[1], (H - 1) * stride + Kh + more, (W - 1) * stride + Kw + more))
    for i, j in np.ndindex(H, W):
        at = ..., slice(i * pitch, i * pitch + Kh), slice(j * pitch, j * pitch + Kw)
        x[at] = way["combine"](x[at], np.einsum("nc,cokl->nokl", y[:, :, i, j], w))
    if way["crop"]:
        return way["crop"](x, p)
    return x[:, :, p : x.shape[2] - p, p : x.shape[3] - p]


def _taps(y, w, stride, padding, output_padding):
    """Shares of the taps: (C, K, K, N, O, Ho, Wo), NaN where a tap adds nothing."""
    (N, C, H, W), (Kh, Kw), p = y.shape, w.shape[2:], padding
    size = ((H - 1) * stride + Kh + output_padding, (W - 1) * stride + Kw + output_padding)
    parts = np.full((C, Kh, Kw, N, w.shape[1], *size), np.nan)
    for k, l in np.ndindex(Kh, Kw):
        rows, columns = slice(k, k + (H - 1) * stride + 1, stride), slice(l, l + (W - 1) * stride + 1, stride)
        parts[:, k, l, :, :, rows, columns] = np.einsum("ncij,co->cnoij", y, w[:, :, k, l])
    return parts[..., p : size[0] - p, p : size[1] - p], "cklnoij", "noij"


def _case(seed, y, w, *rest):
    sizes = dict(zip(("stride", "padding", "output_padding"), rest))
    return {"y": numbers(seed, *y), "w": numbers(seed + 1, *w)} | sizes


def _draw(rng):
    stride = int(rng.integers(2, 4))
    return {
        "y": numbers(rng, 2, 3, 3, 4),
        "w": numbers(rng, 3, 2, 3, 3),
        "stride": stride,
        "padding": 1,
        "output_padding": 1,
    }


TRANSPOSE = Exercise(
    name="conv_transpose2d",
    signature="y, w, stride, padding, output_padding",
    lesson="03",
    title="a transposed convolution, made from a convolution",
    task="""x[n, o, i * stride + k - padding, j * stride + l - padding] += w[c, o, k, l] y[n, c, i, j] for all indices,
computed with one ordinary convolution of stride 1: F.conv2d from minidl, on minidl.tensor(array), gives it.
y is (N, C, H, W), w (C, O, Kh, Kw). The result has (H - 1) * stride + Kh - 2 * padding + output_padding rows.
Returns an array (or Tensor) (N, O, Ho, Wo).""",
    cases=(
        _case(0, (1, 2, 3, 3), (2, 2, 3, 3), 1, 0, 0),
        _case(2, (2, 2, 4, 3), (2, 2, 3, 3), 2, 1, 1),
        _case(4, (2, 3, 3, 4), (3, 2, 4, 4), 2, 1, 0),
        _case(6, (2, 2, 3, 4), (2, 2, 3, 3), 3, 2, 2),
        _case(8, (2, 3, 4, 3), (3, 3, 3, 3), 2, 0, 1),
        _case(10, (2, 2, 3, 4), (2, 3, 3, 2), 2, 1, 0),
    ),
    draw_case=_draw,
    expected=_expected,
    made=_made,
    terms={"result": _taps},
    library=("conv2d", "tensor"),
    mistakes={
        "a flipped kernel: turn w by 180 degrees, w[:, :, ::-1, ::-1], before conv2d": {
            "turn": lambda w: w.swapaxes(0, 1)
        },
        "the kernel is turned in one axis only": [
            {"turn": lambda w: w.swapaxes(0, 1)[..., ::-1]},
            {"turn": lambda w: w.swapaxes(0, 1)[..., ::-1, :]},
        ],
        "the kernel is transposed, not turned by 180 degrees: k and l are exchanged": [
            {"turn": lambda w: w.swapaxes(0, 1).swapaxes(2, 3)},
            {"turn": lambda w: w.swapaxes(0, 1).swapaxes(2, 3)[..., ::-1, ::-1]},
            {"turn": lambda w: np.rot90(w.swapaxes(0, 1), 1, (2, 3))},
            {"turn": lambda w: np.rot90(w.swapaxes(0, 1), 3, (2, 3))},
        ],
        "in- and output channels are not exchanged: conv2d wants (O, C, Kh, Kw)": {
            "turn": lambda w: w[..., ::-1, ::-1]
        },
        "in- and output channels are not exchanged, and the kernel is not turned: w.swapaxes(0, 1)[:, :, ::-1, ::-1]": {
            "turn": lambda w: w
        },
        "the channels are turned, too: only the last two axes of w are reversed": [
            {"turn": lambda w: w[::-1, ::-1, ::-1, ::-1].swapaxes(0, 1)},
            {"turn": lambda w: w[:, ::-1, ::-1, ::-1].swapaxes(0, 1)},
            {"turn": lambda w: w[::-1, :, ::-1, ::-1].swapaxes(0, 1)},
        ],
        "the padding does not turn around: conv2d needs K - 1 - padding": {"around": lambda K, p: p},
        "the result is not cropped by the padding: the convolution needs K - 1 - padding, not K - 1": [
            {"around": lambda K, p: K - 1},
            lambda **k: _pasted(**k, crop=lambda x, p: x),
        ],
        "the convolution is padded by K - padding: it needs K - 1 - padding": {"around": lambda K, p: K - p},
        "the convolution is padded by K // 2: it needs K - 1 - padding": {"around": lambda K, p: K // 2},
        "the convolution is not padded: it needs K - 1 - padding": {"around": lambda K, p: 0},
        "the convolution is padded on one side only: both sides need K - 1 - padding": [
            {"around": lambda K, p: (2 * (K - 1 - p), 0)},
            {"around": lambda K, p: (0, 2 * (K - 1 - p))},
            {"around": lambda K, p: (K - 1 - p, 0)},
            {"around": lambda K, p: (0, K - 1 - p)},
        ],
        "the padding is counted twice: the result is cropped twice": {"around": lambda K, p: K - 1 - 2 * p},
        "a lost row from floor: output_padding adds rows at the bottom and columns at the right": {
            "more": lambda more, stride: (0, 0)
        },
        "output_padding is added at the top and the left: it belongs to the bottom and the right": {
            "more": lambda more, stride: (more, 0)
        },
        "output_padding is added on both sides: it belongs to the bottom and the right": {
            "more": lambda more, stride: (more, more)
        },
        "output_padding rows hold zeros: they come before the convolution, because the kernel reaches into them": [
            lambda output_padding, **k: np.pad(
                _made(output_padding=0, **k), [(0, 0), (0, 0), (0, output_padding), (0, output_padding)]
            ),
        ],
        "wrong stride: between two pixels of y belong stride - 1 zeros": [
            {"pitch": lambda stride: 1},
            {"pitch": lambda stride: 1, "more": lambda more, stride: (0, 0)},
        ],
        "wrong stride: between two pixels of y belong stride - 1 zeros, one less": {"pitch": lambda stride: stride + 1},
        "zeros after the last pixel: they belong between pixels only": {
            "more": lambda more, stride: (0, more + stride - 1)
        },
        "pasted kernels overwrite each other: where they overlap, add": lambda **k: _pasted(
            **k, combine=lambda there, share: share
        ),
        "the largest of overlapping kernels is kept: add them": lambda **k: _pasted(**k, combine=np.maximum),
        "a slice [p:-p] is empty for padding 0: crop with [p : p + Ho]": lambda **k: _pasted(
            **k, crop=lambda x, p: x[:, :, p:-p, p:-p]
        ),
        "the result is cropped at one side only": [
            lambda **k: _pasted(**k, crop=lambda x, p: x[:, :, 2 * p :, 2 * p :]),
            lambda **k: _pasted(**k, crop=lambda x, p: x[:, :, p:, p:]),
            lambda **k: _pasted(**k, crop=lambda x, p: x[:, :, : x.shape[2] - p, : x.shape[3] - p]),
            lambda **k: _pasted(**k, crop=lambda x, p: x[:, :, : x.shape[2] - 2 * p, : x.shape[3] - 2 * p]),
        ],
    },
    hints=(
        "Look at one pixel of y: it paints a kernel. Seen from the result: each pixel gathers from a window of y, through "
        "the kernel turned by 180 degrees.",
        "A stride spreads the pixels of y: put stride - 1 zeros between them, and output_padding zeros after the last row "
        "and column. The convolution after that has stride 1. Which padding gives it the right size?",
        "Convolve with w.swapaxes(0, 1)[:, :, ::-1, ::-1]; the padding of that convolution is K - 1 - padding.",
    ),
)

EXERCISES = (TRANSPOSE,)
