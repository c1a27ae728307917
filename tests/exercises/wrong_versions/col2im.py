"""Wrong answers to col2im."""

import numpy as np


def _taps(cols, size, kernel, stride, padding):
    H, W = size
    Ho, Wo = (H + 2 * padding - kernel) // stride + 1, (W + 2 * padding - kernel) // stride + 1
    return cols.reshape(len(cols), -1, kernel, kernel, Ho, Wo)


def _add(taps, H, W, kernel, stride):
    x = np.zeros((taps.shape[0], taps.shape[1], H, W))
    for i in range(taps.shape[4]):
        for j in range(taps.shape[5]):
            x[:, :, i * stride : i * stride + kernel, j * stride : j * stride + kernel] += taps[..., i, j]
    return x


def assigned_tap_by_tap(cols, size, kernel, stride, padding):
    "overwrite | +="
    t, p = _taps(cols, size, kernel, stride, padding), padding
    Ho, Wo = t.shape[4:]
    x = np.zeros((t.shape[0], t.shape[1], size[0] + 2 * p, size[1] + 2 * p))
    for k in range(kernel):
        for l in range(kernel):
            x[:, :, k : k + Ho * stride : stride, l : l + Wo * stride : stride][:, :, :Ho, :Wo] = t[:, :, k, l]
    return x[:, :, p : p + size[0], p : p + size[1]]


def assigned_window_by_window(cols, size, kernel, stride, padding):
    "overwrite | +="
    t, p = _taps(cols, size, kernel, stride, padding), padding
    x = np.zeros((t.shape[0], t.shape[1], size[0] + 2 * p, size[1] + 2 * p))
    for i in range(t.shape[4]):
        for j in range(t.shape[5]):
            x[:, :, i * stride : i * stride + kernel, j * stride : j * stride + kernel] = t[..., i, j]
    return x[:, :, p : p + size[0], p : p + size[1]]


def averaged(cols, size, kernel, stride, padding):
    "averaged"
    t, p = _taps(cols, size, kernel, stride, padding), padding
    x = _add(t, size[0] + 2 * p, size[1] + 2 * p, kernel, stride)
    count = _add(np.ones_like(t), size[0] + 2 * p, size[1] + 2 * p, kernel, stride)
    return (x / np.maximum(count, 1))[:, :, p : p + size[0], p : p + size[1]]


def minus_p(cols, size, kernel, stride, padding):
    "[p:-p]"
    t, p = _taps(cols, size, kernel, stride, padding), padding
    return _add(t, size[0] + 2 * p, size[1] + 2 * p, kernel, stride)[:, :, p:-p, p:-p]


def not_cropped(cols, size, kernel, stride, padding):
    "crop it"
    t, p = _taps(cols, size, kernel, stride, padding), padding
    return _add(t, size[0] + 2 * p, size[1] + 2 * p, kernel, stride)


def cropped_at_the_end(cols, size, kernel, stride, padding):
    "row `padding`"
    t, p = _taps(cols, size, kernel, stride, padding), padding
    return _add(t, size[0] + 2 * p, size[1] + 2 * p, kernel, stride)[:, :, : size[0], : size[1]]


def naive_size(cols, size, kernel, stride, padding):
    "lost row from floor"
    t, p = _taps(cols, size, kernel, stride, padding), padding
    Ho, Wo = t.shape[4:]
    x = _add(t, (Ho - 1) * stride + kernel, (Wo - 1) * stride + kernel, kernel, stride)
    return x[:, :, p : x.shape[2] - p, p : x.shape[3] - p]


def flipped(cols, size, kernel, stride, padding):
    "flipped kernel"
    t, p = _taps(cols, size, kernel, stride, padding)[:, :, ::-1, ::-1], padding
    return _add(t, size[0] + 2 * p, size[1] + 2 * p, kernel, stride)[:, :, p : p + size[0], p : p + size[1]]


def taps_before_channels(cols, size, kernel, stride, padding):
    "before the channels"
    t, p = _taps(cols, size, kernel, stride, padding), padding
    N, C, _, _, Ho, Wo = t.shape
    t = cols.reshape(N, kernel, kernel, C, Ho, Wo).transpose(0, 3, 1, 2, 4, 5)
    return _add(t, size[0] + 2 * p, size[1] + 2 * p, kernel, stride)[:, :, p : p + size[0], p : p + size[1]]


def stride_one(cols, size, kernel, stride, padding):
    "stride"
    t, p = _taps(cols, size, kernel, stride, padding), padding
    x = _add(t, size[0] + 2 * p, size[1] + 2 * p, kernel, 1)
    return x[:, :, p : p + size[0], p : p + size[1]]


def last_tap_forgotten(cols, size, kernel, stride, padding):
    "last of the kernel's rows is left out"
    t, p = _taps(cols, size, kernel, stride, padding).copy(), padding
    Ho, Wo = t.shape[4:]
    x = np.zeros((t.shape[0], t.shape[1], size[0] + 2 * p, size[1] + 2 * p))
    for k in range(kernel - 1):
        for l in range(kernel):
            rows, columns = slice(k, k + (Ho - 1) * stride + 1, stride), slice(l, l + (Wo - 1) * stride + 1, stride)
            x[:, :, rows, columns] += t[:, :, k, l]
    return x[:, :, p : p + size[0], p : p + size[1]]


def _back(cols, size, kernel, stride, padding, exchanged=False):
    (N, rows, _), (H, W) = (cols.shape, size)
    C = rows // kernel**2
    Ho, Wo = ((n + 2 * padding - kernel) // stride + 1 for n in (H, W))
    cols = cols.reshape(N, C, kernel, kernel, Ho, Wo)
    x = np.zeros((N, C, H + 2 * padding, W + 2 * padding))
    for k in range(kernel):
        for l in range(kernel):
            c = cols[:, :, l, k] if exchanged else cols[:, :, k, l]
            x[:, :, k : k + (Ho - 1) * stride + 1 : stride, l : l + (Wo - 1) * stride + 1 : stride] += c
    return x[:, :, padding : padding + H, padding : padding + W]


def k_l(cols, size, kernel, stride, padding):
    "k and l are exchanged"
    return _back(cols, size, kernel, stride, padding, exchanged=True)


def channel_sum(cols, size, kernel, stride, padding):
    "summed over the channels | unknown"
    x = _back(cols, size, kernel, stride, padding)
    return np.broadcast_to(x.sum(1, keepdims=True), x.shape).copy()
