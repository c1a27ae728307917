"""Exercises on convolution: its gradients, its transpose, and its dilated and depthwise forms."""

import numpy as np

from .. import functional as F
from ..autograd.tensor import Tensor
from ..kernels import reference
from .exercise import Exercise, gradients, numbers
from .windows import geometry, naive_size, pad


def _forward(x, w, stride, padding):
    return F.conv2d(x, w, stride=stride, padding=padding)


def _gx(g, size, w, stride, padding):
    """The gradient in an image of the given size."""
    return reference.conv_transpose2d(g, w, None, size, geometry(w.shape[2], stride, padding))


def _gw(g, padded, kernel, stride):
    """The weight gradient from an image that is padded already, one (O, C, k, k) per image."""
    Ho, Wo = g.shape[2:]
    taps = [
        padded[:, :, k : k + (Ho - 1) * stride + 1 : stride, l : l + (Wo - 1) * stride + 1 : stride]
        for k in range(kernel)
        for l in range(kernel)
    ]
    return np.einsum("noij,tncij->noct", g, np.stack(taps)).reshape(len(g), g.shape[1], padded.shape[1], kernel, kernel)


def _per_image(g, x, w, stride, padding):
    return _gw(g, pad(x, padding), w.shape[2], stride)


def _both(g, x, w, stride, padding):
    return _gx(g, x.shape[2:], w, stride, padding), _per_image(g, x, w, stride, padding).sum(0)


def _flipped(g, x, w, stride, padding):
    gx, gw = _both(g, x, w[..., ::-1, ::-1], stride, padding)
    return gx, gw[..., ::-1, ::-1]


def _lost_row(g, x, w, stride, padding):
    return _gx(g, naive_size(x.shape[2:], w.shape[2], stride, padding), w, stride, padding), None


def _padding_twice(g, x, w, stride, padding):
    gx = _gx(g, x.shape[2:], w, stride, padding)
    return gx[:, :, padding : gx.shape[2] - padding, padding : gx.shape[3] - padding], _gw(
        g, pad(x, 2 * padding), w.shape[2], stride
    ).sum(0)


def _padding_kept(g, x, w, stride, padding):
    size = tuple(n + 2 * padding for n in x.shape[2:])
    return _gx(g, size, w, stride, 0), None


def _wrong_stride(g, x, w, stride, padding):
    dense = np.zeros((*g.shape[:2], *(n + 2 * padding - w.shape[2] + 1 for n in x.shape[2:])))
    dense[:, :, : g.shape[2], : g.shape[3]] = g
    return _gx(dense, x.shape[2:], w, 1, padding), _gw(g, pad(x, padding), w.shape[2], 1).sum(0)


CONV2D = Exercise(
    name="conv2d_backward",
    signature="g, x, w, stride, padding",
    lesson="03",
    title="both gradients of a convolution",
    task="""The gradients of sum(g * conv2d(x, w)) in x and in w.
y[n, o, i, j] = sum over c, k, l of w[o, c, k, l] x[n, c, i * stride + k - padding, j * stride + l - padding], x being 0
outside the image. x is (N, C, H, W), w (O, C, K, K), g (N, O, Ho, Wo). Beware of sizes where the last row of x is not
reached by any window.
Returns (gradient in x, gradient in w).""",
    cases=(
        {
            "g": numbers(0, 2, 2, 5, 5),
            "x": numbers(1, 2, 2, 5, 5),
            "w": numbers(2, 2, 2, 3, 3),
            "stride": 1,
            "padding": 1,
        },
        {
            "g": numbers(3, 2, 2, 4, 4),
            "x": numbers(4, 2, 1, 8, 7),
            "w": numbers(5, 2, 1, 3, 3),
            "stride": 2,
            "padding": 1,
        },
        {
            "g": numbers(6, 3, 3, 3, 2),
            "x": numbers(7, 3, 2, 7, 5),
            "w": numbers(8, 3, 2, 2, 2),
            "stride": 2,
            "padding": 0,
        },
    ),
    forward=_forward,
    expected=gradients(_forward, "x", "w"),
    returns=("x", "w"),
    mistakes={
        "a flipped kernel: tap (k, l) sends g back to where it read, k rows below the window's top": _flipped,
        "a missing sum over the batch: every image contributes to the one kernel": (
            lambda **k: (None, _per_image(**k))
        ),
        "a missing sum over the batch: only the last image counts": lambda **k: (None, _per_image(**k)[-1]),
        "a missing sum over the batch: only the first image counts": lambda **k: (None, _per_image(**k)[0]),
        "the gradient is averaged over the batch: it must be summed": lambda **k: (None, _per_image(**k).mean(0)),
        "a lost row from floor: the gradient in x must have the size of x, rows that no window reached included": _lost_row,
        "padding counted twice": _padding_twice,
        "the padding is still there: the gradient in x must be cropped": _padding_kept,
        "wrong stride: output (i, j) belongs to the window at (i * stride, j * stride)": _wrong_stride,
    },
    draws="x",
    cost=lambda g, x, w, stride, padding: 2 * g.size * w[0].size,
    hints=(
        "Write y as a sum over the taps (k, l) of a matrix times a strided slice of the padded image. Differentiate one tap.",
        "For w: gw[:, :, k, l] = einsum('noij,ncij->oc', g, slice). For x: add einsum('noij,oc->ncij', g, w[:, :, k, l]) "
        "into the same slice of zeros, then crop.",
        "The slice is padded[:, :, k : k + (Ho - 1) * stride + 1 : stride, l : l + (Wo - 1) * stride + 1 : stride]. "
        "Take the size of the zeros from x, not from g.",
    ),
)


def _transposed(y, w, stride, padding, output_padding):
    return F.conv_transpose2d(Tensor(y), Tensor(w), stride=stride, padding=padding, output_padding=output_padding).data


def _by_conv2d(y, w, stride, output_padding, padding):
    """Zeros between the pixels, then an ordinary convolution with the flipped kernel."""
    N, C, H, W = y.shape
    spread = np.zeros((N, C, (H - 1) * stride + 1 + output_padding, (W - 1) * stride + 1 + output_padding))
    spread[:, :, : (H - 1) * stride + 1 : stride, : (W - 1) * stride + 1 : stride] = y
    return reference.conv2d(spread, w.swapaxes(0, 1)[..., ::-1, ::-1].copy(), None, geometry(w.shape[2], 1, padding))


TRANSPOSE = Exercise(
    name="conv_transpose2d",
    signature="y, w, stride, padding, output_padding",
    lesson="03",
    title="a transposed convolution, made from a convolution",
    task="""x[n, o, i * stride + k - padding, j * stride + l - padding] += w[c, o, k, l] y[n, c, i, j] for all indices,
computed with one ordinary convolution of stride 1: F.conv2d from minidl, on minidl.tensor(array), gives it.
y is (N, C, H, W), w (C, O, K, K). The result has (H - 1) * stride + K - 2 * padding + output_padding rows.
Returns an array (or Tensor) (N, O, Ho, Wo).""",
    cases=(
        {"y": numbers(0, 1, 2, 3, 3), "w": numbers(1, 2, 2, 3, 3), "stride": 1, "padding": 0, "output_padding": 0},
        {"y": numbers(2, 2, 2, 4, 3), "w": numbers(3, 2, 2, 3, 3), "stride": 2, "padding": 1, "output_padding": 1},
        {"y": numbers(4, 2, 3, 3, 4), "w": numbers(5, 3, 2, 4, 4), "stride": 2, "padding": 1, "output_padding": 0},
    ),
    expected=_transposed,
    mistakes={
        "a flipped kernel: turn w by 180 degrees, w[:, :, ::-1, ::-1], before conv2d": (
            lambda w, **k: _transposed(w=w[..., ::-1, ::-1].copy(), **k)
        ),
        "in- and output channels are not swapped: conv2d wants (O, C, K, K)": (
            lambda w, **k: _transposed(w=w.swapaxes(0, 1).copy(), **k)
        ),
        "the padding does not turn around: conv2d needs K - 1 - padding": lambda **k: _by_conv2d(**k),
        "padding counted twice: the result is cropped twice": (
            lambda padding, **k: _transposed(padding=2 * padding, **k)
        ),
        "a lost row from floor: output_padding adds rows at the bottom and columns at the right": (
            lambda output_padding, **k: _transposed(output_padding=0, **k)
        ),
        "wrong stride: between two pixels of y belong stride - 1 zeros": lambda stride, **k: _transposed(
            stride=1, **(k | {"output_padding": 0})
        ),
        "wrong stride: between two pixels of y belong stride - 1 zeros, one less than you put": (
            lambda stride, **k: _transposed(stride=stride + 1, **k)
        ),
    },
    hints=(
        "Each pixel of y paints a kernel. Seen from the result: each pixel gathers from a window of y, through the kernel "
        "turned by 180 degrees.",
        "Put stride - 1 zeros between the pixels of y, and output_padding zeros after the last row and column. Then convolve "
        "with w.swapaxes(0, 1)[:, :, ::-1, ::-1].",
        "The padding of that convolution is K - 1 - padding.",
    ),
)


def _dilated(x, w, dilation):
    return reference.conv2d(x, w, None, geometry(w.shape[2], dilation=dilation))


DILATED = Exercise(
    name="dilated_conv2d",
    signature="x, w, dilation",
    lesson="07",
    title="a dilated convolution",
    task="""y[n, o, i, j] = sum over c, k, l of w[o, c, k, l] x[n, c, i + k * dilation, j + l * dilation].
No padding, stride 1: the result has H - dilation * (K - 1) rows. The score counts multiplications: a dilated kernel needs no
more than the kernel itself.
Returns an array (N, O, Ho, Wo).""",
    cases=(
        {"x": numbers(0, 1, 1, 7, 7), "w": numbers(1, 1, 1, 3, 3), "dilation": 2},
        {"x": numbers(4, 2, 2, 5, 6), "w": numbers(5, 3, 2, 2, 2), "dilation": 1},
        {"x": numbers(2, 2, 3, 10, 9), "w": numbers(3, 2, 3, 3, 3), "dilation": 3},
    ),
    expected=_dilated,
    mistakes={
        "a flipped kernel: deep learning's convolution does not turn the kernel": (
            lambda x, w, dilation: _dilated(x, w[..., ::-1, ::-1], dilation)
        ),
        "taps are dilation + 1 apart: dilation 2 leaves one pixel between them": (
            lambda x, w, dilation: _dilated(x, w, dilation + 1)
        ),
        "the dilation is ignored": lambda x, w, dilation: _dilated(x, w, 1),
        "wrong stride: dilation spreads the taps, it does not move the windows": (
            lambda x, w, dilation: reference.conv2d(x, w, None, geometry(w.shape[2], stride=dilation))
        ),
    },
    cost=lambda x, w, dilation: _dilated(x, w, dilation).size * w[0].size,
    hints=(
        "Loop over the taps (k, l), as in im2col.",
        "Tap (k, l) reads the slice that starts at (k * dilation, l * dilation) and has the size of the result.",
        "y += np.einsum('oc,ncij->noij', w[:, :, k, l], slice).",
    ),
)


def _depthwise(x, w, padding):
    return reference.conv2d(x, w, None, geometry(w.shape[2], 1, padding, groups=x.shape[1]))


DEPTHWISE = Exercise(
    name="depthwise_conv2d",
    signature="x, w, padding",
    lesson="08",
    title="a depthwise convolution",
    task="""y[n, c, i, j] = sum over k, l of w[c, 0, k, l] x[n, c, i + k - padding, j + l - padding], 0 outside the image.
Each channel has its own kernel, and channels do not mix. The score counts multiplications.
Returns an array (N, C, Ho, Wo).""",
    cases=(
        {"x": numbers(0, 1, 2, 5, 5), "w": numbers(1, 2, 1, 3, 3), "padding": 1},
        {"x": numbers(2, 2, 3, 6, 7), "w": numbers(3, 3, 1, 3, 3), "padding": 0},
    ),
    expected=_depthwise,
    mistakes={
        "channels are summed: each keeps its own result": lambda x, w, padding: reference.conv2d(
            x, w.swapaxes(0, 1), None, geometry(w.shape[2], 1, padding)
        ),
        "every channel uses the first kernel": lambda x, w, padding: _depthwise(x, w[:1] + 0 * w, padding),
        "a flipped kernel: deep learning's convolution does not turn the kernel": (
            lambda x, w, padding: _depthwise(x, w[..., ::-1, ::-1], padding)
        ),
        "padding counted twice": lambda x, w, padding: _depthwise(x, w, 2 * padding),
        "the padding is left out": lambda x, w, padding: _depthwise(x, w, 0),
    },
    cost=lambda x, w, padding: _depthwise(x, w, padding).size * w[0].size,
    hints=(
        "Loop over the taps (k, l) only.",
        "The kernel's tap (k, l) is a vector over channels: w[:, 0, k, l].",
        "y += w[:, 0, k, l][:, None, None] * padded[:, :, k : k + Ho, l : l + Wo].",
    ),
)

EXERCISES = (CONV2D, TRANSPOSE, DILATED, DEPTHWISE)
