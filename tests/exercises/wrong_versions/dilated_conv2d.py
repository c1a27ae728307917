"""Wrong answers to dilated_conv2d."""

import numpy as np


def _conv(x, w, dk, dl, Ho, Wo, assign=False):
    y = np.zeros((len(x), len(w), Ho, Wo))
    for n in range(len(x)):
        for o in range(len(w)):
            for c in range(x.shape[1]):
                for k in range(w.shape[2]):
                    for l in range(w.shape[3]):
                        part = w[o, c, k, l] * x[n, c, k * dk : k * dk + Ho, l * dl : l * dl + Wo]
                        if assign:
                            y[n, o] = part
                        else:
                            y[n, o] += part
    return y


def _size(x, w, d):
    return x.shape[2] - d * (w.shape[2] - 1), x.shape[3] - d * (w.shape[3] - 1)


def ignored(x, w, dilation):
    "dilation is ignored"
    return _conv(x, w, 1, 1, *_size(x, w, 1))


def ignored_in_the_slices(x, w, dilation):
    "ignored in the slices"
    return _conv(x, w, 1, 1, *_size(x, w, dilation))


def one_axis(x, w, dilation):
    "one axis"
    return _conv(x, w, dilation, 1, *_size(x, w, dilation))


def one_more(x, w, dilation):
    "dilation + 1"
    return _conv(x, w, dilation + 1, dilation + 1, *_size(x, w, dilation + 1))


def flipped(x, w, dilation):
    "flipped kernel"
    return _conv(x, w[:, :, ::-1, ::-1], dilation, dilation, *_size(x, w, dilation))


def assigned(x, w, dilation):
    "+="
    return _conv(x, w, dilation, dilation, *_size(x, w, dilation), assign=True)


def first_channel(x, w, dilation):
    "first input channel | first of the input channels"
    return _conv(x[:, :1], w[:, :1], dilation, dilation, *_size(x, w, dilation))


def mean_of_channels(x, w, dilation):
    "mean over the channels | mean over the input channels"
    return _conv(x, w, dilation, dilation, *_size(x, w, dilation)) / x.shape[1]


def as_stride(x, w, dilation):
    "stride"
    d = dilation
    Ho, Wo = (x.shape[2] - w.shape[2]) // d + 1, (x.shape[3] - w.shape[3]) // d + 1
    y = np.zeros((len(x), len(w), Ho, Wo))
    for i in range(Ho):
        for j in range(Wo):
            patch = x[:, :, i * d : i * d + w.shape[2], j * d : j * d + w.shape[3]]
            y[:, :, i, j] = np.einsum("nckl,ockl->no", patch, w)
    return y


def endless(x, w, dilation):
    "still running"
    k = 0
    while k < w.shape[2]:
        pass


def range_too_short(x, w, dilation):
    "last of the kernel's rows is left out"
    Ho, Wo = _size(x, w, dilation)
    return _conv(x, w[:, :, :-1], dilation, dilation, Ho, Wo)


def float32_inside(x, w, dilation):
    "digits are lost"
    y = _conv(x.astype(np.float32), w.astype(np.float32), dilation, dilation, *_size(x, w, dilation)).astype(np.float32)
    return y.astype(np.float64)


def _dil(x, w, dk, dl, Ho, Wo):
    y = np.zeros((x.shape[0], w.shape[0], Ho, Wo))
    for k in range(w.shape[2]):
        for l in range(w.shape[3]):
            y += np.einsum("oc,ncij->noij", w[:, :, k, l], x[:, :, k * dk : k * dk + Ho, l * dl : l * dl + Wo])
    return y


def channels_exchanged(x, w, dilation):
    "channels are exchanged"
    d = dilation
    Ho, Wo = (x.shape[2] - d * (w.shape[2] - 1), x.shape[3] - d * (w.shape[3] - 1))
    return _dil(x, np.ascontiguousarray(w.swapaxes(0, 1)), d, d, Ho, Wo)


def centred(x, w, dilation):
    "off by one | unknown"
    d = dilation
    Ho, Wo = (x.shape[2] - d * (w.shape[2] - 1), x.shape[3] - d * (w.shape[3] - 1))
    full = _dil(np.pad(x, ((0, 0), (0, 0), (d, d), (d, d))), w, d, d, Ho + 2 * d, Wo + 2 * d)
    return full[:, :, d - 1 : d - 1 + Ho, d - 1 : d - 1 + Wo]
