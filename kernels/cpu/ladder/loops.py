"""Step 1, loops: convolution as it is defined.

    y[o, i, j] = sum_(c, k, l) w[o, c, k, l] x[c, i + k, j + l]

The reduction is the innermost loop: one multiply-add after another into one accumulator. Each waits for the one before it, so
the processor's vectors and most of its multipliers stand idle.
"""

import numpy as np

from ..runtime.jit import njit


@njit(cache=True)
def _convolve(x, w, y):
    for o in range(y.shape[0]):
        for i in range(y.shape[1]):
            for j in range(y.shape[2]):
                total = np.float32(0)
                for c in range(w.shape[1]):
                    for k in range(w.shape[2]):
                        for l in range(w.shape[3]):
                            total += w[o, c, k, l] * x[c, i + k, j + l]
                y[o, i, j] = total


def conv2d(x, w):
    """x (C, H, W), w (O, C, kh, kw) -> (O, H - kh + 1, W - kw + 1)."""
    (O, _, kh, kw), (_, H, W) = w.shape, x.shape
    y = np.empty((O, H - kh + 1, W - kw + 1), x.dtype)
    _convolve(x, w, y)
    return y
