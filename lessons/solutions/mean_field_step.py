"""Solution: every pixel hears every other one, then the labels are normalised."""

import numpy as np

from minidl.exercises import check


def mean_field_step(q, unary, features, weight):
    difference = features[:, :, None] - features[:, None, :]  # (d, N, N)
    kernel = np.exp(-(difference**2).sum(0) / 2)
    np.fill_diagonal(kernel, 0)
    score = -unary + weight * q @ kernel  # (K, N)
    e = np.exp(score - score.max(0))
    return e / e.sum(0)


if __name__ == "__main__":
    raise SystemExit(not check("mean_field_step", mean_field_step))
