"""Wrong answers to depthwise_conv2d."""

import numpy as np


def _conv(x, w, Ho, Wo):
    y = np.zeros((len(x), x.shape[1], Ho, Wo))
    for c in range(x.shape[1]):
        for k in range(w.shape[2]):
            for l in range(w.shape[3]):
                y[:, c] += w[c, 0, k, l] * x[:, c, k : k + Ho, l : l + Wo]
    return y


def _pad(x, a, b=None, **k):
    b = a if b is None else b
    return np.pad(x, ((0, 0), (0, 0), (a, b), (a, b)), **k)


def _size(x, w):
    return x.shape[2] - w.shape[2] + 1, x.shape[3] - w.shape[3] + 1


def mixes(x, w, padding):
    "channels are summed"
    x = _pad(x, padding)
    return _conv(x, w, *_size(x, w)).sum(1, keepdims=True)


def first_kernel(x, w, padding):
    "first kernel | w[0]"
    x = _pad(x, padding)
    return _conv(x, np.repeat(w[:1], len(w), 0), *_size(x, w))


def flipped(x, w, padding):
    "flipped kernel"
    x = _pad(x, padding)
    return _conv(x, w[:, :, ::-1, ::-1], *_size(x, w))


def no_padding(x, w, padding):
    "padding is left out"
    return _conv(x, w, *_size(x, w))


def one_side(x, w, padding):
    "one side"
    x = _pad(x, padding, 0)
    return _conv(x, w, *_size(x, w))


def reflects(x, w, padding):
    "reflected"
    x = _pad(x, padding, mode="reflect")
    return _conv(x, w, *_size(x, w))


def minus_p(x, w, padding):
    "[p:-p]"
    x = _pad(x, padding)
    return _conv(x, w, *_size(x, w))[:, :, padding:-padding, padding:-padding]


def assigned(x, w, padding):
    "+="
    x = _pad(x, padding)
    Ho, Wo = _size(x, w)
    y = np.zeros((len(x), x.shape[1], Ho, Wo))
    for k in range(w.shape[2]):
        for l in range(w.shape[3]):
            y = w[:, 0, k, l][:, None, None] * x[:, :, k : k + Ho, l : l + Wo]
    return y


def mean(x, w, padding):
    "mean | divided"
    x = _pad(x, padding)
    return _conv(x, w, *_size(x, w)) / (w.shape[2] * w.shape[3])


def same(x, w, padding):
    "kernel // 2"
    x = _pad(x, w.shape[2] // 2)
    return _conv(x, w, *_size(x, w))


def relu(x, w, padding):
    "negative results become 0"
    x = _pad(x, padding)
    return np.maximum(_conv(x, w, *_size(x, w)), 0)


def shifted(x, w, padding):
    "one row too far | one column too far | unknown"
    x = _pad(x, padding)
    return np.roll(_conv(x, w, *_size(x, w)), 2, axis=3)


def pads_rows_only(x, w, padding):
    "left out in one axis"
    (N, C, H, W), (Kh, Kw) = (x.shape, w.shape[2:])
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (0, 0)))
    Ho, Wo = (H + 2 * padding - Kh + 1, W - Kw + 1)
    y = np.zeros((N, C, Ho, Wo))
    for k in range(Kh):
        for l in range(Kw):
            y += w[:, 0, k, l][:, None, None] * x[:, :, k : k + Ho, l : l + Wo]
    return y


def first_input(x, w, padding):
    "first channel of x"
    (N, C, H, W), (Kh, Kw) = (x.shape, w.shape[2:])
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    Ho, Wo = (H + 2 * padding - Kh + 1, W + 2 * padding - Kw + 1)
    y = np.zeros((N, C, Ho, Wo))
    for k in range(Kh):
        for l in range(Kw):
            y += w[:, 0, k, l][:, None, None] * x[:, :1, k : k + Ho, l : l + Wo]
    return y
