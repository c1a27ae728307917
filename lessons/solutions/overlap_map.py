"""Solution: each pixel passes its count on to all that it paints."""

import numpy as np

from minidl.exercises import check


def overlap_map(layers, size):
    counts = np.ones(size, int)
    for kernel, stride in layers:
        out = np.zeros((len(counts) - 1) * stride + kernel, int)
        for i, c in enumerate(counts):
            out[i * stride : i * stride + kernel] += c
        counts = out
    return counts


if __name__ == "__main__":
    raise SystemExit(not check("overlap_map", overlap_map))
