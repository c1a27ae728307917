"""Solution: tap by tap, a matrix product and a strided slice, differentiated."""

import numpy as np

from minidl.exercises import check


def conv2d_backward(g, x, w, stride, padding):
    (H, W), (Ho, Wo), (Kh, Kw) = x.shape[2:], g.shape[2:], w.shape[2:]
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    gx, gw = np.zeros_like(x), np.zeros_like(w)  # as large as the padded image, whatever floor lost
    for k in range(Kh):
        for l in range(Kw):
            window = ..., slice(k, k + (Ho - 1) * stride + 1, stride), slice(l, l + (Wo - 1) * stride + 1, stride)
            gx[window] += np.einsum("noij,oc->ncij", g, w[:, :, k, l])
            gw[:, :, k, l] = np.einsum("noij,ncij->oc", g, x[window])
    return gx[:, :, padding : padding + H, padding : padding + W], gw


if __name__ == "__main__":
    raise SystemExit(not check("conv2d_backward", conv2d_backward))
