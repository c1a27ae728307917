"""The exact Gaussian filter, a sum over all pairs of points in O(N^2), which the permutohedral lattice approximates."""

import numpy as np


def gaussian_sum(values, features):
    """Values (C, N), features (d, N) -> out[c,i] = sum_j exp(-|f_i - f_j|^2 / 2) v[c,j], j = i included.

    Works on blocks of rows of the N x N matrix, so that memory stays bounded.
    """
    values = np.asarray(values)
    features = np.asarray(features, values.dtype)
    out = np.empty_like(values)
    N = features.shape[1]
    block = max(1, 2**20 // max(N, 1))
    for i in range(0, N, block):
        difference = features[:, i : i + block, None] - features[:, None]  # (d, block, N)
        out[:, i : i + block] = values @ np.exp(-0.5 * np.einsum("dij,dij->ji", difference, difference))
    return out
