"""Solution: the slices of im2col, further apart."""

import numpy as np

from minidl.exercises import check


def dilated_conv2d(x, w, dilation):
    (N, _, H, W), (O, _, Kh, Kw) = x.shape, w.shape
    Ho, Wo = H - dilation * (Kh - 1), W - dilation * (Kw - 1)
    y = np.zeros((N, O, Ho, Wo))
    for k in range(Kh):
        for l in range(Kw):
            i, j = k * dilation, l * dilation
            y += np.einsum("oc,ncij->noij", w[:, :, k, l], x[:, :, i : i + Ho, j : j + Wo])
    return y


if __name__ == "__main__":
    raise SystemExit(not check("dilated_conv2d", dilated_conv2d))
