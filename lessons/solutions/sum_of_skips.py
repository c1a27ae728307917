"""Solution: every coarse pixel paints a 4 x 4 kernel; crop, then add."""

import numpy as np

from minidl.exercises import check


def sum_of_skips(coarse, fine):
    (N, K, h, w), (H, W) = coarse.shape, fine.shape[2:]
    f = np.array([1, 3, 3, 1]) / 4
    wide = np.zeros((N, K, 2 * h + 2, 2 * w + 2))
    for k in range(4):
        for l in range(4):
            wide[:, :, k : k + 2 * h - 1 : 2, l : l + 2 * w - 1 : 2] += f[k] * f[l] * coarse
    return wide[:, :, 1 : 1 + H, 1 : 1 + W] + fine


if __name__ == "__main__":
    raise SystemExit(not check("sum_of_skips", sum_of_skips))
