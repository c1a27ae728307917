"""The exercise on a fully connected layer as a convolution."""

import numpy as np

from ...exercise import Exercise, numbers

RIGHT = {
    "kernel": lambda weight, C, h, w: weight.reshape(-1, C, h, w),
    "offset": lambda bias: bias,
    "pitch": lambda h, w: (1, 1),
    "image": lambda x, h, w: x,
    "join": lambda patches, kernel: np.einsum("ncuvhw,ochw->nouv", patches, kernel),
}


def _made(weight, bias, x, size, **slips):
    way, (h, w), C = RIGHT | slips, size, x.shape[1]
    x = way["image"](x, h, w)
    patches = np.lib.stride_tricks.sliding_window_view(x, size, (2, 3))  # (N, C, Ho, Wo, h, w)
    rows, columns = way["pitch"](h, w)
    scores = way["join"](patches[:, :, ::rows, ::columns], way["kernel"](weight, C, h, w))
    return scores + way["offset"](bias)[:, None, None]


def _case(seed, O, x, size):
    weight = numbers(seed, O, x[1] * size[0] * size[1])
    return {"weight": weight, "bias": numbers(seed + 1, O), "x": numbers(seed + 2, *x), "size": size}


CONVOLUTIONALIZE = Exercise(
    name="convolutionalize",
    signature="weight, bias, x, size",
    lesson="04",
    title="a fully connected layer at every place of a larger map",
    task="""A fully connected layer takes maps (C, h, w), size = (h, w), flattened channel by channel and row by row; its
weight is (O, C * h * w), its bias (O,). The same layer as a convolution without padding gives its scores for every window
of a larger map x (N, C, H, W): scores[n, o, i, j] = bias[o] + sum over c, k, l of weight[o, (c, k, l)] x[n, c, i + k, j +
l].
Returns an array (N, O, H - h + 1, W - w + 1).""",
    cases=(
        _case(0, 2, (1, 1, 4, 4), (2, 2)),
        _case(3, 3, (2, 2, 5, 6), (3, 3)),
        _case(6, 2, (2, 3, 6, 5), (2, 3)),
        _case(9, 4, (2, 2, 3, 4), (3, 4)),
    ),
    draw_case=lambda rng: {
        "weight": numbers(rng, 3, 18),
        "bias": numbers(rng, 3),
        "x": numbers(rng, 2, 3, 6, 5),
        "size": (3, 2),
    },
    expected=_made,
    made=_made,
    mistakes={
        "the weight is reshaped in another order: channels first, then rows, then columns": [
            {"kernel": lambda weight, C, h, w: weight.reshape(-1, h, w, C).transpose(0, 3, 1, 2)},
            {"kernel": lambda weight, C, h, w: weight.reshape(-1, C, w, h).swapaxes(2, 3)},
            {"kernel": lambda weight, C, h, w: weight.reshape(-1, w, h, C).transpose(0, 3, 2, 1)},
            {"kernel": lambda weight, C, h, w: weight.reshape(-1, h, C, w).swapaxes(1, 2)},
        ],
        "the outputs are taken for the columns of the weight: it is (O, C * h * w)": {
            "kernel": lambda weight, C, h, w: weight.reshape(C, h, w, -1).transpose(3, 0, 1, 2)
        },
        "a flipped kernel: deep learning's convolution does not turn the kernel": {
            "kernel": lambda weight, C, h, w: weight.reshape(-1, C, h, w)[..., ::-1, ::-1]
        },
        "a flipped kernel in one axis": [
            {"kernel": lambda weight, C, h, w: weight.reshape(-1, C, h, w)[..., ::-1]},
            {"kernel": lambda weight, C, h, w: weight.reshape(-1, C, h, w)[..., ::-1, :]},
        ],
        "the kernel indices k and l are exchanged": {
            "kernel": lambda weight, C, h, w: weight.reshape(-1, C, h, w).swapaxes(2, 3)
        },
        "the bias is left out": {"offset": lambda bias: 0 * bias},
        "the bias has the wrong sign": {"offset": lambda bias: -bias},
        "the bias is added once for every channel, pixel or tap: add it once": [
            lambda weight, bias, x, size: _made(weight, bias * x.shape[1], x, size),
            lambda weight, bias, x, size: _made(weight, bias * size[0] * size[1], x, size),
            lambda weight, bias, x, size: _made(weight, bias * weight.shape[1], x, size),
        ],
        "windows do not overlap: the layer looks at every place, one pixel further each time": {
            "pitch": lambda h, w: (h, w)
        },
        "the map is padded: no padding is asked for": [
            {"image": lambda x, h, w: np.pad(x, [(0, 0), (0, 0), (h // 2, h // 2), (w // 2, w // 2)])},
            {"image": lambda x, h, w: np.pad(x, [(0, 0), (0, 0), (h - 1, h - 1), (w - 1, w - 1)])},
        ],
        "only the first window is computed: the layer looks at every place": [
            {"pitch": lambda h, w: (10**6, 10**6)},
            lambda weight, bias, x, size: _made(weight, bias, x[:, :, : size[0], : size[1]], size)[:, :, 0, 0],
        ],
        "the channels are averaged: sum over c": {
            "join": lambda p, k: np.einsum("ncuvhw,ochw->nouv", p, k) / k.shape[1]
        },
        "the taps are averaged: sum over k and l": {
            "join": lambda p, k: np.einsum("ncuvhw,ochw->nouv", p, k) / k[0, 0].size
        },
        "everything is averaged: sum over c, k and l": {
            "join": lambda p, k: np.einsum("ncuvhw,ochw->nouv", p, k) / k[0].size
        },
        "a 1x1 convolution with the mean of the taps: the layer has one weight for each tap": {
            "join": lambda p, k: np.einsum("ncuvhw,ochw->nouv", p, k.mean((2, 3), keepdims=True) + 0 * k)
        },
        "= stands where += is needed: only the last tap counts": {
            "join": lambda p, k: np.einsum("ncuv,oc->nouv", p[..., -1, -1], k[..., -1, -1])
        },
        "= stands where += is needed: only the last channel counts": {
            "join": lambda p, k: np.einsum("nuvhw,ohw->nouv", p[:, -1], k[:, -1])
        },
        "a row of windows is lost: there are H - h + 1": lambda **k: _made(**k)[:, :, :-1, :-1],
        "a ReLU is applied: the scores are asked for": lambda **k: np.maximum(_made(**k), 0),
    },
    draws="x",
    hints=(
        "Look at one window of x: flattened, it is what the fully connected layer took.",
        "A row of the weight holds C * h * w numbers: reshaped to (C, h, w), it is a kernel as large as the map.",
        "kernel = weight.reshape(O, C, h, w); add np.einsum('oc,ncij->noij', kernel[:, :, k, l], x[:, :, k : k + Ho, "
        "l : l + Wo]) for all taps, then bias[:, None, None].",
    ),
)

EXERCISES = (CONVOLUTIONALIZE,)
