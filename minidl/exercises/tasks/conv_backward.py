"""The exercise on both gradients of a convolution."""

import numpy as np

from ... import functional as F
from ..exercise import Exercise, gradients, numbers
from .windows import pad

RIGHT = {
    "pitch": lambda stride: stride,  # between windows
    "around": lambda padding: padding,  # cells around x when the gradient in w is taken
    "crop": lambda dx, padding, H, W: dx[:, :, padding : padding + H, padding : padding + W],
    "room": lambda H, g, K, stride, padding: H + 2 * padding,  # rows of the image that the gradient in x is added to
    "add": np.add,  # of what is there and one tap's share
    "turn_x": lambda w: w,  # the kernel for the gradient in x
    "turn_w": lambda gw: gw,
    "sum_w": lambda per_image: per_image.sum(0),
    "share": lambda g, x: 1.0,
    "channels": "noij,oc->ncij",
}


def _slices(k, l, Ho, Wo, pitch):
    return slice(k, k + (Ho - 1) * pitch + 1, pitch), slice(l, l + (Wo - 1) * pitch + 1, pitch)


def _made(g, x, w, stride, padding, **slips):
    way = RIGHT | slips
    (H, W), (Ho, Wo), (Kh, Kw) = x.shape[2:], g.shape[2:], w.shape[2:]
    pitch = way["pitch"](stride)
    wx, around = way["turn_x"](w), pad(x, way["around"](padding))
    dx = np.zeros((*x.shape[:2], way["room"](H, Ho, Kh, stride, padding), way["room"](W, Wo, Kw, stride, padding)))
    dw = np.zeros((len(x), *w.shape))
    for k, l in np.ndindex(Kh, Kw):
        window = (..., *_slices(k, l, Ho, Wo, pitch))
        share = np.einsum(way["channels"], g, wx[:, :, k, l])
        dx[window] = way["add"](dx[window], share)
        dw[:, :, :, k, l] = np.einsum("noij,ncij->noc", g, around[window][:, :, :Ho, :Wo])
    dx = way["crop"](dx, padding, H, W)
    return dx * way["share"](g, x), way["turn_w"](way["sum_w"](dw)) * way["share"](g, x)


def _x_alone(**slips):
    """A mistake in the gradient of x alone."""
    return lambda **arguments: (_made(**arguments, **slips)[0], None)


def _w_alone(**slips):
    return lambda **arguments: (None, _made(**arguments, **slips)[1])


def _window_by_window(g, x, w, stride, padding):
    """Each output pixel assigns its share of the gradient in x to its window."""
    (H, W), (Kh, Kw), p = x.shape[2:], w.shape[2:], padding
    dx = np.zeros((*x.shape[:2], H + 2 * p, W + 2 * p))
    for i, j in np.ndindex(*g.shape[2:]):
        rows, columns = slice(i * stride, i * stride + Kh), slice(j * stride, j * stride + Kw)
        dx[:, :, rows, columns] = np.einsum("no,ockl->nckl", g[:, :, i, j], w)
    return dx[:, :, p : p + H, p : p + W], None


def _terms_x(g, x, w, stride, padding):
    """Shares of the gradient in x: (O, K, K, N, C, H, W), NaN where a tap adds nothing."""
    (H, W), (Ho, Wo), p = x.shape[2:], g.shape[2:], padding
    parts = np.full((w.shape[0], *w.shape[2:], *x.shape[:2], H + 2 * p, W + 2 * p), np.nan)
    for k, l in np.ndindex(*w.shape[2:]):
        rows, columns = _slices(k, l, Ho, Wo, stride)
        parts[:, k, l, :, :, rows, columns] = np.einsum("noij,oc->oncij", g, w[:, :, k, l])
    return parts[..., p : p + H, p : p + W], "oklncij", "ncij"


def _terms_w(g, x, w, stride, padding):
    (Ho, Wo), around = g.shape[2:], pad(x, padding)
    parts = np.zeros((len(x), Ho, Wo, *w.shape))
    for k, l in np.ndindex(*w.shape[2:]):
        window = around[(..., *_slices(k, l, Ho, Wo, stride))]
        parts[..., k, l] = np.einsum("noij,ncij->nijoc", g, window)
    return parts, "nijockl", "ockl"


def _naive(H, Ho, K, stride, padding):
    return (Ho - 1) * stride + K


def _crop_all(dx, padding, H, W):
    return dx[:, :, padding : dx.shape[2] - padding, padding : dx.shape[3] - padding]


def _case(seed, x, w, stride, padding):
    Ho, Wo = ((n + 2 * padding - k) // stride + 1 for n, k in zip(x[2:], w[2:]))
    g = numbers(seed, x[0], w[0], Ho, Wo)
    return {"g": g, "x": numbers(seed + 1, *x), "w": numbers(seed + 2, *w), "stride": stride, "padding": padding}


def _draw(rng):
    stride = int(rng.integers(1, 4))
    case = _case(0, (2, 3, 7, 5), (2, 3, 3, 3), stride, 1)
    return {n: numbers(rng, *a.shape) if isinstance(a, np.ndarray) else a for n, a in case.items()}


CONV2D = Exercise(
    name="conv2d_backward",
    signature="g, x, w, stride, padding",
    lesson="03",
    title="both gradients of a convolution",
    task="""The gradients of sum(g * conv2d(x, w)) in x and in w.
y[n, o, i, j] = sum over c, k, l of w[o, c, k, l] x[n, c, i * stride + k - padding, j * stride + l - padding], x being 0
outside the image. x is (N, C, H, W), w (O, C, Kh, Kw), g (N, O, Ho, Wo). Beware of sizes where the last row of x is not
reached by any window.
Returns (gradient in x, gradient in w).""",
    cases=(
        _case(0, (1, 1, 4, 4), (1, 1, 3, 3), 1, 0),
        _case(10, (2, 2, 5, 5), (3, 2, 3, 3), 1, 1),
        _case(20, (3, 2, 6, 7), (2, 2, 3, 3), 2, 1),
        _case(30, (2, 2, 7, 6), (2, 2, 2, 2), 2, 0),
        _case(40, (2, 3, 8, 6), (2, 3, 3, 3), 3, 0),
        _case(50, (2, 2, 5, 6), (3, 2, 3, 2), 1, 1),
    ),
    draw_case=_draw,
    forward=lambda x, w, stride, padding: F.conv2d(x, w, stride=stride, padding=padding),
    expected=gradients(lambda x, w, stride, padding: F.conv2d(x, w, stride=stride, padding=padding), "x", "w"),
    made=_made,
    terms={"x": _terms_x, "w": _terms_w},
    returns=("x", "w"),
    mistakes={
        "a missing sum over the batch: w serves every image": {"sum_w": lambda d: d},
        "only the last image counts: += became =": {"sum_w": lambda d: d[-1]},
        "images and gradients are summed before they are multiplied: multiply image by image, then sum": (
            lambda g, x, w, stride, padding: (
                None,
                _made(g.sum(0, keepdims=True), x.sum(0, keepdims=True), w, stride, padding)[1],
            )
        ),
        "only the first image counts: sum over all": {"sum_w": lambda d: d[0]},
        "the gradient is averaged over the batch: it must be summed": {"sum_w": lambda d: d.mean(0)},
        "the gradient is averaged over the pixels: it must be summed": _w_alone(share=lambda g, x: 1 / g[0, 0].size),
        "the gradient is averaged over the batch and the pixels: it must be summed": _w_alone(
            share=lambda g, x: 1 / (len(g) * g[0, 0].size)
        ),
        "a flipped kernel: the tap that reads row i * stride + k gets its gradient from there, and gives it back there": [
            {"turn_x": lambda w: w[..., ::-1, ::-1]},
            {"turn_w": lambda gw: gw[..., ::-1, ::-1]},
            {"turn_x": lambda w: w[..., ::-1, ::-1], "turn_w": lambda gw: gw[..., ::-1, ::-1]},
        ],
        "a flipped kernel in one axis only": [
            {"turn_x": lambda w: w[..., ::-1]},
            {"turn_x": lambda w: w[..., ::-1, :]},
            {"turn_w": lambda gw: gw[..., ::-1]},
            {"turn_w": lambda gw: gw[..., ::-1, :]},
        ],
        "the kernel indices k and l are exchanged": [
            {"turn_x": lambda w: w.swapaxes(2, 3)},
            {"turn_w": lambda gw: gw.swapaxes(2, 3)},
        ],
        "input and output channels are exchanged": [
            {"turn_w": lambda gw: gw.swapaxes(0, 1)},
            {"turn_x": lambda w: w.swapaxes(0, 1)},
        ],
        "a share overwrites what other taps left in the pixel: add to it (+=)": [
            _x_alone(add=lambda there, share: share),
            _window_by_window,
        ],
        "the largest share is kept: shares add up": _x_alone(add=np.maximum),
        "a lost row from floor: the size of the gradient is that of x, not what g suggests": _x_alone(
            room=_naive, crop=_crop_all
        ),
        "the padding is counted twice, or stands at the start only": [
            _w_alone(around=lambda p: 2 * p),
            _x_alone(crop=lambda dx, p, H, W: dx[:, :, 2 * p : H, 2 * p : W]),
        ],
        "a slice [p:-p] is empty for padding 0: crop with [p : p + H]": _x_alone(
            crop=lambda dx, p, H, W: dx[:, :, p:-p, p:-p]
        ),
        "the padding is not cropped: the gradient in x has the size of x": _x_alone(crop=lambda dx, p, H, W: dx),
        "the wrong part is cropped: x starts at row `padding` of the padded image, not at 2 padding": _x_alone(
            crop=lambda dx, p, H, W: dx[:, :, 2 * p :, 2 * p :]
        ),
        "the padding is cropped on one side only": [
            _x_alone(crop=lambda dx, p, H, W: dx[:, :, p:, p:]),
            _x_alone(crop=lambda dx, p, H, W: dx[:, :, : p + H, : p + W]),
        ],
        "the padding is left out, or stands at the end only: x starts at row `padding` of the padded image": [
            _w_alone(around=lambda p: (0, 2 * p)),
            _x_alone(crop=lambda dx, p, H, W: dx[:, :, :H, :W]),
        ],
        "wrong stride: window (i, j) lies at row i * stride, column j * stride": [
            {"pitch": lambda stride: 1},
            _x_alone(pitch=lambda stride: 1),
            _w_alone(pitch=lambda stride: 1),
        ],
        "only the first output channel counts in the gradient of x: sum over o": _x_alone(
            turn_x=lambda w: np.concatenate([w[:1], 0 * w[1:]])
        ),
    },
    cost=lambda g, x, w, stride, padding: 2 * g.size * w[0].size,
    hints=(
        "Look at the sum over the taps (k, l) by which y is made: a matrix times a strided slice of the padded image. "
        "Differentiate one tap.",
        "What a tap reads in the forward pass gets its share of the gradient in the backward pass: the same slice. Shares "
        "add up; w is shared by all images. Take the size of the zeros from x, not from g.",
        "With slice = padded[:, :, k : k + (Ho - 1) * stride + 1 : stride, l : ...]: gw[:, :, k, l] = "
        "einsum('noij,ncij->oc', g, slice), and einsum('noij,oc->ncij', g, w[:, :, k, l]) is added to the same slice of "
        "zeros, which is cropped at the end.",
    ),
)

EXERCISES = (CONV2D,)
