"""Solution: argmax inside each window, translated to a place in the plane."""

import numpy as np

from minidl.exercises import check


def max_pool2d(x, kernel, stride):
    W = x.shape[3]
    windows = np.lib.stride_tricks.sliding_window_view(x, (kernel, kernel), (2, 3))[:, :, ::stride, ::stride]
    flat = windows.reshape(*windows.shape[:4], kernel * kernel)  # (N, C, Ho, Wo, K K)
    place = flat.argmax(-1)
    Ho, Wo = place.shape[2:]
    row = np.arange(Ho)[:, None] * stride + place // kernel
    column = np.arange(Wo) * stride + place % kernel
    return flat.max(-1), row * W + column


if __name__ == "__main__":
    raise SystemExit(not check("max_pool2d", max_pool2d))
