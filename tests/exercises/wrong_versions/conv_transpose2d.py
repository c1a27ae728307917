"""Wrong answers to conv_transpose2d."""

import numpy as np

import minidl
from minidl import functional as F


def _spread(y, stride, more):
    N, C, H, W = y.shape
    z = np.zeros((N, C, (H - 1) * stride + 1 + more, (W - 1) * stride + 1 + more))
    z[:, :, : (H - 1) * stride + 1 : stride, : (W - 1) * stride + 1 : stride] = y
    return z


def _conv(z, w, padding):
    return F.conv2d(minidl.tensor(z), minidl.tensor(np.ascontiguousarray(w)), padding=padding).data


def _turned(w):
    return w.swapaxes(0, 1)[:, :, ::-1, ::-1]


def not_flipped(y, w, stride, padding, output_padding):
    "flipped kernel"
    p = (w.shape[2] - 1 - padding, w.shape[3] - 1 - padding)
    return _conv(_spread(y, stride, output_padding), w.swapaxes(0, 1), p)


def one_axis(y, w, stride, padding, output_padding):
    "one axis"
    p = (w.shape[2] - 1 - padding, w.shape[3] - 1 - padding)
    return _conv(_spread(y, stride, output_padding), w.swapaxes(0, 1)[:, :, ::-1], p)


def no_output_padding(y, w, stride, padding, output_padding):
    "output_padding"
    p = (w.shape[2] - 1 - padding, w.shape[3] - 1 - padding)
    return _conv(_spread(y, stride, 0), _turned(w), p)


def output_padding_of_zeros(y, w, stride, padding, output_padding):
    "output_padding rows hold zeros"
    p = (w.shape[2] - 1 - padding, w.shape[3] - 1 - padding)
    out = _conv(_spread(y, stride, 0), _turned(w), p)
    return np.pad(out, ((0, 0), (0, 0), (0, output_padding), (0, output_padding)))


def padding_as_it_is(y, w, stride, padding, output_padding):
    "K - 1 - padding"
    return _conv(_spread(y, stride, output_padding), _turned(w), padding)


def not_cropped(y, w, stride, padding, output_padding):
    "not cropped"
    return _conv(_spread(y, stride, output_padding), _turned(w), (w.shape[2] - 1, w.shape[3] - 1))


def square_kernel(y, w, stride, padding, output_padding):
    "square"
    return _conv(_spread(y, stride, output_padding), _turned(w), w.shape[2] - 1 - padding)


def overwrites(y, w, stride, padding, output_padding):
    "overwrite"
    (N, _, H, W), (_, O, Kh, Kw) = y.shape, w.shape
    x = np.zeros((N, O, (H - 1) * stride + Kh + output_padding, (W - 1) * stride + Kw + output_padding))
    for i in range(H):
        for j in range(W):
            paint = np.einsum("nc,cokl->nokl", y[:, :, i, j], w)
            x[:, :, i * stride : i * stride + Kh, j * stride : j * stride + Kw] = paint
    return x[:, :, padding : x.shape[2] - padding, padding : x.shape[3] - padding]


def minus_p(y, w, stride, padding, output_padding):
    "[p:-p]"
    (N, _, H, W), (_, O, Kh, Kw) = y.shape, w.shape
    x = np.zeros((N, O, (H - 1) * stride + Kh + output_padding, (W - 1) * stride + Kw + output_padding))
    for i in range(H):
        for j in range(W):
            x[:, :, i * stride : i * stride + Kh, j * stride : j * stride + Kw] += np.einsum(
                "nc,cokl->nokl", y[:, :, i, j], w
            )
    return x[:, :, padding:-padding, padding:-padding]


def only_last_channel(y, w, stride, padding, output_padding):
    "= stands where += is needed: only the last of the input channels"
    p = (w.shape[2] - 1 - padding, w.shape[3] - 1 - padding)
    for c in range(y.shape[1]):
        out = _conv(_spread(y[:, c : c + 1], stride, output_padding), _turned(w[c : c + 1]), p)
    return out


def calls_it(y, w, stride, padding, output_padding):
    "it calls"
    out = F.conv_transpose2d(
        minidl.tensor(y), minidl.tensor(w), stride=stride, padding=padding, output_padding=output_padding
    )
    return out.data


def stride_plus_one(y, w, stride, padding, output_padding):
    "stride"
    p = (w.shape[2] - 1 - padding, w.shape[3] - 1 - padding)
    return _conv(_spread(y, stride + 1, output_padding), _turned(w), p)


def axes_of_w(y, w, stride, padding, output_padding):
    "not exchanged"
    import minidl
    from minidl import functional as F

    (N, C, H, W), (Kh, Kw) = (y.shape, w.shape[2:])
    spread = np.zeros((N, C, (H - 1) * stride + 1 + output_padding, (W - 1) * stride + 1 + output_padding))
    spread[:, :, : (H - 1) * stride + 1 : stride, : (W - 1) * stride + 1 : stride] = y
    turned = w[:, :, ::-1, ::-1]
    return F.conv2d(minidl.tensor(spread), minidl.tensor(turned.copy()), padding=(Kh - 1 - padding, Kw - 1 - padding))


def crops_one_side(y, w, stride, padding, output_padding):
    "one side"
    (N, _, H, W), (O, Kh, Kw) = y.shape, w.shape[1:]
    x = np.zeros((N, O, (H - 1) * stride + Kh + output_padding, (W - 1) * stride + Kw + output_padding))
    for k in range(Kh):
        for l in range(Kw):
            x[:, :, k : k + (H - 1) * stride + 1 : stride, l : l + (W - 1) * stride + 1 : stride] += np.einsum(
                "co,ncij->noij", w[:, :, k, l], y
            )
    return x[:, :, padding:, padding:]


def averages_overlaps(y, w, stride, padding, output_padding):
    "needed the sum"
    (N, _, H, W), (O, Kh, Kw) = y.shape, w.shape[1:]
    Ho, Wo = (
        (H - 1) * stride + Kh - 2 * padding + output_padding,
        (W - 1) * stride + Kw - 2 * padding + output_padding,
    )
    x = np.zeros((N, O, Ho + 2 * padding, Wo + 2 * padding))
    n = np.zeros(x.shape)
    for k in range(Kh):
        for l in range(Kw):
            at = (..., slice(k, k + (H - 1) * stride + 1, stride), slice(l, l + (W - 1) * stride + 1, stride))
            x[at] += np.einsum("co,ncij->noij", w[:, :, k, l], y)
            n[at] += 1
    return (x / np.maximum(n, 1))[:, :, padding : padding + Ho, padding : padding + Wo]
