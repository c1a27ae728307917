"""Solution: the slices of im2col, added to instead of read."""

import numpy as np

from minidl.exercises import check


def col2im(cols, size, kernel, stride, padding):
    (N, rows, _), (H, W) = cols.shape, size
    C = rows // kernel**2
    Ho, Wo = ((n + 2 * padding - kernel) // stride + 1 for n in (H, W))
    cols = cols.reshape(N, C, kernel, kernel, Ho, Wo)
    x = np.zeros((N, C, H + 2 * padding, W + 2 * padding), cols.dtype)
    for k in range(kernel):
        for l in range(kernel):
            x[:, :, k : k + (Ho - 1) * stride + 1 : stride, l : l + (Wo - 1) * stride + 1 : stride] += cols[:, :, k, l]
    return x[:, :, padding : padding + H, padding : padding + W]


if __name__ == "__main__":
    raise SystemExit(not check("col2im", col2im))
