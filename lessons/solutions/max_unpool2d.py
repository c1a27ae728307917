"""Solution: write the maxima at their indices in flattened planes."""

import numpy as np

from minidl.exercises import check


def max_unpool2d(y, index, size):
    (N, C, _, _), (H, W) = y.shape, size
    x = np.zeros((N, C, H * W), y.dtype)
    np.put_along_axis(x, index.reshape(N, C, -1), y.reshape(N, C, -1), 2)
    return x.reshape(N, C, H, W)


if __name__ == "__main__":
    raise SystemExit(not check("max_unpool2d", max_unpool2d))
