"""Wrong answers to convolutionalize."""

import numpy as np


def _slide(kernel, x, step=1):
    O, _, h, w = kernel.shape
    Ho, Wo = (x.shape[2] - h) // step + 1, (x.shape[3] - w) // step + 1
    y = np.zeros((len(x), O, Ho, Wo))
    for i in range(Ho):
        for j in range(Wo):
            patch = x[:, :, i * step : i * step + h, j * step : j * step + w]
            y[:, :, i, j] = np.tensordot(patch, kernel, ((1, 2, 3), (1, 2, 3)))
    return y


def channels_last(weight, bias, x, size):
    "another order"
    kernel = weight.reshape(len(weight), *size, x.shape[1]).transpose(0, 3, 1, 2)
    return _slide(kernel, x) + bias[:, None, None]


def columns_first(weight, bias, x, size):
    "another order"
    kernel = weight.reshape(len(weight), x.shape[1], size[1], size[0]).swapaxes(2, 3)
    return _slide(kernel, x) + bias[:, None, None]


def no_bias(weight, bias, x, size):
    "bias is left out"
    return _slide(weight.reshape(len(weight), x.shape[1], *size), x)


def flipped(weight, bias, x, size):
    "flipped kernel"
    kernel = weight.reshape(len(weight), x.shape[1], *size)[:, :, ::-1, ::-1]
    return _slide(kernel, x) + bias[:, None, None]


def pads(weight, bias, x, size):
    "padded"
    a, b = size[0] // 2, size[1] // 2
    x = np.pad(x, ((0, 0), (0, 0), (a, a), (b, b)))
    return _slide(weight.reshape(len(weight), x.shape[1], *size), x) + bias[:, None, None]


def bias_at_each_tap(weight, bias, x, size):
    "bias is added once for every"
    N, C, H, W = x.shape
    kernel = weight.reshape(-1, C, *size)
    Ho, Wo = H - size[0] + 1, W - size[1] + 1
    y = np.zeros((N, len(weight), Ho, Wo))
    for k in range(size[0]):
        for l in range(size[1]):
            y += np.einsum("oc,ncij->noij", kernel[:, :, k, l], x[:, :, k : k + Ho, l : l + Wo]) + bias[:, None, None]
    return y


def only_last_tap(weight, bias, x, size):
    "+="
    C, H, W = x.shape[1:]
    kernel = weight.reshape(-1, C, *size)
    Ho, Wo = H - size[0] + 1, W - size[1] + 1
    for k in range(size[0]):
        for l in range(size[1]):
            y = np.einsum("oc,ncij->noij", kernel[:, :, k, l], x[:, :, k : k + Ho, l : l + Wo])
    return y + bias[:, None, None]


def stride_of_the_window(weight, bias, x, size):
    "do not overlap"
    (N, C, H, W), (h, w) = (x.shape, size)
    K = weight.reshape(-1, C, h, w)
    Ho, Wo = (H // h, W // w)
    out = np.zeros((N, len(weight), Ho, Wo)) + bias[:, None, None]
    for i in range(Ho):
        for j in range(Wo):
            out[:, :, i, j] += np.einsum("ockl,nckl->no", K, x[:, :, i * h : i * h + h, j * w : j * w + w])
    return out
