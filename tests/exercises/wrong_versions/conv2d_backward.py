"""Wrong answers to conv2d_backward."""

import numpy as np


def _loop(g, x, w, stride, padding):
    """Yields index, slice of the padded image for each output pixel."""
    for i in range(g.shape[2]):
        for j in range(g.shape[3]):
            rows = slice(i * stride, i * stride + w.shape[2])
            yield i, j, (slice(None), slice(None), rows, slice(j * stride, j * stride + w.shape[3]))


def _padded(x, p):
    return np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))


def _gx(g, x, w, stride, padding, add=True):
    gx = np.zeros_like(_padded(x, padding))
    for i, j, at in _loop(g, x, w, stride, padding):
        share = np.einsum("no,ockl->nckl", g[:, :, i, j], w)
        gx[at] = gx[at] + share if add else share
    return gx


def _gw(g, x, w, stride, padding):
    xp, gw = _padded(x, padding), np.zeros_like(w)
    for i, j, at in _loop(g, x, w, stride, padding):
        gw += np.einsum("no,nckl->ockl", g[:, :, i, j], xp[at])
    return gw


def _crop(gx, x, p):
    return gx[:, :, p : p + x.shape[2], p : p + x.shape[3]]


def assigned(g, x, w, stride, padding):
    "+="
    return _crop(_gx(g, x, w, stride, padding, add=False), x, padding), _gw(g, x, w, stride, padding)


def flipped_w(g, x, w, stride, padding):
    "flipped kernel"
    return _crop(_gx(g, x, w[:, :, ::-1, ::-1], stride, padding), x, padding), _gw(g, x, w, stride, padding)


def flipped_gw(g, x, w, stride, padding):
    "flipped kernel"
    return _crop(_gx(g, x, w, stride, padding), x, padding), _gw(g, x, w, stride, padding)[:, :, ::-1, ::-1]


def k_l_exchanged(g, x, w, stride, padding):
    "k and l are exchanged | square"
    w2 = w.swapaxes(2, 3)
    return _crop(_gx(g, x, w2, stride, padding), x, padding), _gw(g, x, w, stride, padding)


def last_image(g, x, w, stride, padding):
    "last image"
    for n in range(len(x)):
        gw = _gw(g[n : n + 1], x[n : n + 1], w, stride, padding)
    return _crop(_gx(g, x, w, stride, padding), x, padding), gw


def no_batch_sum(g, x, w, stride, padding):
    "missing sum over the batch"
    gw = np.stack([_gw(g[n : n + 1], x[n : n + 1], w, stride, padding) for n in range(len(x))])
    return _crop(_gx(g, x, w, stride, padding), x, padding), gw


def batch_mean(g, x, w, stride, padding):
    "averaged over the batch"
    gw = np.mean([_gw(g[n : n + 1], x[n : n + 1], w, stride, padding) for n in range(len(x))], 0)
    return _crop(_gx(g, x, w, stride, padding), x, padding), gw


def not_cropped(g, x, w, stride, padding):
    "not cropped"
    return _gx(g, x, w, stride, padding), _gw(g, x, w, stride, padding)


def minus_p(g, x, w, stride, padding):
    "[p:-p]"
    return _gx(g, x, w, stride, padding)[:, :, padding:-padding, padding:-padding], _gw(g, x, w, stride, padding)


def wrong_crop(g, x, w, stride, padding):
    "row `padding`"
    gx = _gx(g, x, w, stride, padding)[:, :, : x.shape[2], : x.shape[3]]
    return gx, _gw(g, x, w, stride, padding)


def order(g, x, w, stride, padding):
    "wrong order"
    return _gw(g, x, w, stride, padding), _crop(_gx(g, x, w, stride, padding), x, padding)


def floor(g, x, w, stride, padding):
    "lost row from floor"
    Ho, Wo = g.shape[2:]
    gx = np.zeros((*x.shape[:2], (Ho - 1) * stride + w.shape[2], (Wo - 1) * stride + w.shape[3]))
    for i, j, at in _loop(g, x, w, stride, padding):
        gx[at] += np.einsum("no,ockl->nckl", g[:, :, i, j], w)
    p = padding
    return gx[:, :, p : gx.shape[2] - p, p : gx.shape[3] - p], _gw(g, x, w, stride, padding)


def square_kernel(g, x, w, stride, padding):
    "square"
    K, p = w.shape[2], padding
    gx, gw, xp = np.zeros_like(_padded(x, p)), np.zeros_like(w), _padded(x, p)
    for i in range(g.shape[2]):
        for j in range(g.shape[3]):
            at = ..., slice(i * stride, i * stride + K), slice(j * stride, j * stride + min(K, w.shape[3]))
            gx[at] += np.einsum("no,ockl->nckl", g[:, :, i, j], w)
            gw += np.einsum("no,nckl->ockl", g[:, :, i, j], xp[at])
    if w.shape[3] != K:
        gw[:, :, :, -1] = 0
        gx[:, :, -1] = 0
    return _crop(gx, x, p), gw


def first_channel(g, x, w, stride, padding):
    "first of the output channels | first output channel"
    return _crop(_gx(g[:, :1], x, w[:1], stride, padding), x, padding), _gw(g, x, w, stride, padding)


def calls_the_library(g, x, w, stride, padding):
    "it calls"
    import minidl
    from minidl import functional as F

    a, b = minidl.tensor(x).requires_grad_(), minidl.tensor(w).requires_grad_()
    (F.conv2d(a, b, stride=stride, padding=padding) * minidl.tensor(g)).sum().backward()
    return a.grad.data, b.grad.data


def _both(g, x, w, stride, padding, gx_stride=None, gw_scale=1.0):
    (H, W), (Ho, Wo), (Kh, Kw) = (x.shape[2:], g.shape[2:], w.shape[2:])
    xp = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    gx, gw = (np.zeros_like(xp), np.zeros_like(w))
    s = stride if gx_stride is None else gx_stride
    for k in range(Kh):
        for l in range(Kw):
            window = (..., slice(k, k + (Ho - 1) * stride + 1, stride), slice(l, l + (Wo - 1) * stride + 1, stride))
            at = (..., slice(k, k + (Ho - 1) * s + 1, s), slice(l, l + (Wo - 1) * s + 1, s))
            gx[at] += np.einsum("noij,oc->ncij", g, w[:, :, k, l])
            gw[:, :, k, l] = np.einsum("noij,ncij->oc", g, xp[window]) * gw_scale
    return (gx[:, :, padding : padding + H, padding : padding + W], gw)


def stride_ignored_in_gx(g, x, w, stride, padding):
    "stride"
    return _both(g, x, w, stride, padding, gx_stride=1)


def mean_over_pixels(g, x, w, stride, padding):
    "averaged over the pixels"
    return _both(g, x, w, stride, padding, gw_scale=1 / (g.shape[2] * g.shape[3]))


def summed_first(g, x, w, stride, padding):
    "summed before they are multiplied"
    gx, _ = _both(g, x, w, stride, padding)
    _, gw = _both(g.sum(0, keepdims=True), x.sum(0, keepdims=True), w, stride, padding)
    return (gx, gw)


def unpadded_for_gw(g, x, w, stride, padding):
    "padding is left out"
    gx, _ = _both(g, x, w, stride, padding)
    (Ho, Wo), (Kh, Kw) = (g.shape[2:], w.shape[2:])
    gw = np.zeros_like(w)
    for k in range(Kh):
        for l in range(Kw):
            part = x[:, :, k : k + (Ho - 1) * stride + 1 : stride, l : l + (Wo - 1) * stride + 1 : stride]
            gw[:, :, k, l] = np.einsum("noij,ncij->oc", g[:, :, : part.shape[2], : part.shape[3]], part)
    return (gx, gw)
