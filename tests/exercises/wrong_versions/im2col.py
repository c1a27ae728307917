"""Wrong answers to im2col."""

import numpy as np


def _sizes(x, kernel, stride, padding):
    return [(n + 2 * padding - kernel) // stride + 1 for n in x.shape[2:]]


def _gather(x, kernel, stride, Ho, Wo):
    N, C = x.shape[:2]
    cols = np.zeros((N, C, kernel, kernel, Ho, Wo))
    for i in range(Ho):
        for j in range(Wo):
            cols[..., i, j] = x[:, :, i * stride : i * stride + kernel, j * stride : j * stride + kernel]
    return cols


def _pad(x, p):
    return np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))


def no_padding(x, kernel, stride, padding):
    "padding is left out"
    Ho, Wo = _sizes(x, kernel, stride, 0)
    return _gather(x, kernel, stride, Ho, Wo).reshape(len(x), -1, Ho * Wo)


def pads_twice(x, kernel, stride, padding):
    "counted twice"
    Ho, Wo = _sizes(x, kernel, stride, 2 * padding)
    return _gather(_pad(x, 2 * padding), kernel, stride, Ho, Wo).reshape(len(x), -1, Ho * Wo)


def one_side(x, kernel, stride, padding):
    "one side"
    x = np.pad(x, ((0, 0), (0, 0), (padding, 0), (padding, 0)))
    Ho, Wo = _sizes(x, kernel, stride, 0)
    return _gather(x, kernel, stride, Ho, Wo).reshape(len(x), -1, Ho * Wo)


def edge(x, kernel, stride, padding):
    "nearest"
    Ho, Wo = _sizes(x, kernel, stride, padding)
    wide = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)), mode="edge")
    return _gather(wide, kernel, stride, Ho, Wo).reshape(len(x), -1, Ho * Wo)


def reflect(x, kernel, stride, padding):
    "reflected"
    Ho, Wo = _sizes(x, kernel, stride, padding)
    wide = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)), mode="reflect")
    return _gather(wide, kernel, stride, Ho, Wo).reshape(len(x), -1, Ho * Wo)


def stride_forgotten_in_slice(x, kernel, stride, padding):
    "stride"
    Ho, Wo = _sizes(x, kernel, stride, padding)
    return _gather(_pad(x, padding), kernel, 1, Ho, Wo).reshape(len(x), -1, Ho * Wo)


def taps_first(x, kernel, stride, padding):
    "taps come before the channels"
    Ho, Wo = _sizes(x, kernel, stride, padding)
    cols = _gather(_pad(x, padding), kernel, stride, Ho, Wo)
    return cols.transpose(0, 2, 3, 1, 4, 5).reshape(len(x), -1, Ho * Wo)


def k_l(x, kernel, stride, padding):
    "k and l are exchanged"
    Ho, Wo = _sizes(x, kernel, stride, padding)
    cols = _gather(_pad(x, padding), kernel, stride, Ho, Wo)
    return cols.swapaxes(2, 3).reshape(len(x), -1, Ho * Wo)


def i_j(x, kernel, stride, padding):
    "i and j are exchanged"
    Ho, Wo = _sizes(x, kernel, stride, padding)
    cols = _gather(_pad(x, padding), kernel, stride, Ho, Wo)
    return cols.transpose(0, 1, 2, 3, 5, 4).reshape(len(x), -1, Ho * Wo)


def rows(x, kernel, stride, padding):
    "windows are rows"
    Ho, Wo = _sizes(x, kernel, stride, padding)
    cols = _gather(_pad(x, padding), kernel, stride, Ho, Wo)
    return cols.reshape(len(x), -1, Ho * Wo).transpose(0, 2, 1)


def reshaped_without_transpose(x, kernel, stride, padding):
    "transpose before the reshape"
    Ho, Wo = _sizes(x, kernel, stride, padding)
    padded = _pad(x, padding)
    out = []
    for n in range(len(x)):
        windows = [
            padded[n, :, i * stride : i * stride + kernel, j * stride : j * stride + kernel].ravel()
            for i in range(Ho)
            for j in range(Wo)
        ]
        out.append(np.array(windows).reshape(-1, Ho * Wo))
    return np.array(out)


def floor(x, kernel, stride, padding):
    "lost row from floor"
    Ho, Wo = ((n + 2 * padding - kernel) // stride for n in x.shape[2:])
    return _gather(_pad(x, padding), kernel, stride, Ho, Wo).reshape(len(x), -1, Ho * Wo)


def flipped(x, kernel, stride, padding):
    "flipped kernel"
    Ho, Wo = _sizes(x, kernel, stride, padding)
    cols = _gather(_pad(x, padding), kernel, stride, Ho, Wo)[:, :, ::-1, ::-1]
    return cols.reshape(len(x), -1, Ho * Wo)


def first_image(x, kernel, stride, padding):
    "later images are empty"
    Ho, Wo = _sizes(x, kernel, stride, padding)
    out = np.zeros((len(x), x.shape[1] * kernel**2, Ho * Wo))
    for n in range(len(x)):
        out[n] = _gather(_pad(x[n : n + 1], padding), kernel, stride, Ho, Wo).reshape(-1, Ho * Wo)
        return out


def list_of_lists(x, kernel, stride, padding):
    "is a list"
    Ho, Wo = _sizes(x, kernel, stride, padding)
    return _gather(_pad(x, padding), kernel, stride, Ho, Wo).reshape(len(x), -1, Ho * Wo).tolist()


def whole_numbers(x, kernel, stride, padding):
    "whole numbers"
    Ho, Wo = _sizes(x, kernel, stride, padding)
    cols = np.zeros((len(x), x.shape[1], kernel, kernel, Ho, Wo), int)
    cols[...] = _gather(_pad(x, padding), kernel, stride, Ho, Wo)
    return cols.reshape(len(x), -1, Ho * Wo)


def nothing(x, kernel, stride, padding):
    "returns None"
    Ho, Wo = _sizes(x, kernel, stride, padding)
    print(_gather(_pad(x, padding), kernel, stride, Ho, Wo))


def index_error(x, kernel, stride, padding):
    "IndexError"
    return x[0, 0, 0, 99]


def stride_rows_only(x, kernel, stride, padding):
    "stride is ignored in one axis"
    N, C, H, W = x.shape
    Ho, Wo = ((n + 2 * padding - kernel) // stride + 1 for n in (H, W))
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    cols = np.empty((N, C, kernel, kernel, Ho, Wo))
    for k in range(kernel):
        for l in range(kernel):
            cols[:, :, k, l] = x[:, :, k : k + (Ho - 1) * stride + 1 : stride, l : l + Wo]
    return cols.reshape(N, C * kernel * kernel, Ho * Wo)


def wraps(x, kernel, stride, padding):
    "other pixels are read"
    N, C, H, W = x.shape
    Ho, Wo = ((n + 2 * padding - kernel) // stride + 1 for n in (H, W))
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)), mode="wrap")
    cols = np.empty((N, C, kernel, kernel, Ho, Wo))
    for k in range(kernel):
        for l in range(kernel):
            cols[:, :, k, l] = x[:, :, k : k + (Ho - 1) * stride + 1 : stride, l : l + (Wo - 1) * stride + 1 : stride]
    return cols.reshape(N, C * kernel * kernel, Ho * Wo)
