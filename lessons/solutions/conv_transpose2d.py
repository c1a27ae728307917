"""Solution: zeros between the pixels, then an ordinary convolution with the kernel turned around."""

import numpy as np

import minidl
from minidl import functional as F
from minidl.exercises import check


def conv_transpose2d(y, w, stride, padding, output_padding):
    (N, C, H, W), (Kh, Kw) = y.shape, w.shape[2:]
    spread = np.zeros((N, C, (H - 1) * stride + 1 + output_padding, (W - 1) * stride + 1 + output_padding))
    spread[:, :, : (H - 1) * stride + 1 : stride, : (W - 1) * stride + 1 : stride] = y
    turned = w.swapaxes(0, 1)[:, :, ::-1, ::-1]  # (O, C, Kh, Kw)
    return F.conv2d(minidl.tensor(spread), minidl.tensor(turned), padding=(Kh - 1 - padding, Kw - 1 - padding))


if __name__ == "__main__":
    raise SystemExit(not check("conv_transpose2d", conv_transpose2d))
