"""Gaussian filtering on the permutohedral lattice (Adams, Baek, Davis 2010), as in Krähenbühl and Koltun's C++ code.

The embedding is float32 for values of any dtype, in that program's order of operations, so that rounding, ranks and
weights are bit-identical in every column; splat, blur and slice have the dtype of the values.
"""

import numpy as np

from ..lattice import Lattice

REACH = 2**22  # larger float32 coordinates have no bits for the position inside a simplex


def elevation(d):
    """(d,) float32 scale of each feature: a unit Gaussian becomes one blur of the lattice."""
    std = np.float32(np.sqrt(2 / 3) * (d + 1))
    i = np.arange(d)
    return (np.float64(std) / np.sqrt((i + 1) * (i + 2))).astype(np.float32)


def check_features(features):
    """Features (d, N) as C-contiguous float32; ValueError for features that a lattice cannot represent."""
    features = np.ascontiguousarray(features, np.float32)
    if features.ndim != 2 or not 1 <= features.shape[0] <= 8 or features.shape[1] < 1:
        raise ValueError(f"permutohedral_lattice: features must be (d, N) with d 1..8, N >= 1; got {features.shape}")
    reach = np.abs(features).max(axis=1) @ elevation(len(features)) * len(features)
    if not reach < REACH:  # also catches NaN and infinity
        raise ValueError(
            "permutohedral_lattice: features must be finite and not too large for lattice keys "
            f"(reach {reach:.3g}, limit {REACH}): use a larger standard deviation"
        )
    return features


def key_strides(features):
    """(d + 1,) int64: the increment of a vertex's code for one step of each key coordinate; the last has no coordinate.

    Mixed radix while the ranges of all coordinates fit 62 bits, neighbours included: codes are then exact. Beyond (very
    small standard deviations), odd random multipliers: M vertices collide with a chance of about M^2 / 2^65.
    """
    d = len(features)
    scale = elevation(d).astype(float)
    ends = np.sort(np.stack([features.min(axis=1), features.max(axis=1)]) * scale, axis=0)  # (2, d): lowest, highest
    stride, total = [], 1
    for j in range(d):
        spread = ends[1, j:].sum() - ends[0, j:].sum() + (j * (ends[1, j - 1] - ends[0, j - 1]) if j else 0)
        stride.append(total)
        total *= int(spread) + 4 * d + 8
    if total >= 2**62:
        stride = np.random.default_rng(d).integers(0, 2**63, d) | 1
    return np.array([*stride, 0], np.int64)


def embed(features):
    """Features (d, N) -> nearest remainder-0 point (d + 1, N), rank of each coordinate (d + 1, N), weight (N, d + 1)."""
    d, N = features.shape
    up, down = np.float32(d + 1), np.float32(1) / np.float32(d + 1)
    x = np.empty((d + 1, N), np.float32)  # the point in the plane where coordinates sum to 0
    total = np.zeros(N, np.float32)
    for j in range(d, 0, -1):
        scaled = features[j - 1] * elevation(d)[j - 1]
        x[j] = total - np.float32(j) * scaled
        total = total + scaled
    x[0] = total

    step = np.rint(down * x)  # half to even
    origin, excess = step * up, step.sum(axis=0)
    offset = x - origin
    rank = np.zeros((d + 1, N), np.float32)
    for i in range(d + 1):
        for j in range(i + 1, d + 1):
            less = offset[i] < offset[j]  # a tie raises the later index
            rank[i] += less
            rank[j] += ~less
    rank += excess  # return to the plane: the coordinates with the largest rounding errors move by d + 1
    shift = up * (rank < 0) - up * (rank >= up)
    rank, origin = (rank + shift).astype(np.int64), origin + shift

    offset = (x - origin) * down
    weight = np.zeros((N, d + 2), np.float32)
    n = np.arange(N)
    for i in range(d + 1):
        weight[n, d - rank[i]] += offset[i]
        weight[n, d - rank[i] + 1] -= offset[i]
    weight[:, 0] += np.float32(1) + weight[:, d + 1]
    return origin.astype(np.int64), rank, weight[:, : d + 1]


def permutohedral_lattice(features):
    """Embed (d, N) points; vertices are numbered in order of appearance, point by point, remainder by remainder."""
    features = check_features(features)
    d, N = features.shape
    origin, rank, weight = embed(features)
    corner = np.arange(d + 1)
    # the vertex of remainder r: add r, and take d + 1 from the r coordinates of highest rank   (d, N, d + 1)
    key = origin[:d, :, None] + corner - (d + 1) * (rank[:d, :, None] > d - corner)
    keys, first, vertex = np.unique(key.reshape(d, -1).T, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    number = np.empty_like(order)
    number[order] = np.arange(len(order))
    keys, vertex = keys[order], number[vertex.reshape(N, d + 1)]

    M = len(keys)
    index = {tuple(k): m for m, k in enumerate(keys.tolist())}
    neighbour = np.empty((d + 1, M, 2), np.int32)
    for j in range(d + 1):
        step = np.full(d, -1)
        step[j : j + 1] = d  # the last axis has no coordinate of its own in the key
        for side, moved in enumerate((keys + step, keys - step)):
            neighbour[j, :, side] = [index.get(tuple(k), M) for k in moved.tolist()]
    return Lattice(vertex.astype(np.int32), np.ascontiguousarray(weight), neighbour)


def permutohedral_filter(values, lattice, reverse):
    """Values (C, N) -> slice(blur(splat(values))): about sum_j exp(-|f_i - f_j|^2 / 2) v_j, the point itself included.

    The blur runs along the axes 0..d, `new = old + (n1 + n2) / 2`; `reverse` runs d..0, which is the exact adjoint.
    """
    values = np.asarray(values)
    d, weight = lattice.dimension, lattice.weight.astype(values.dtype)
    table = np.zeros((lattice.vertices + 1, len(values)), values.dtype)
    for corner in range(d + 1):
        np.add.at(table, lattice.vertex[:, corner], weight[:, corner, None] * values.T)
    for j in range(d, -1, -1) if reverse else range(d + 1):
        n1, n2 = lattice.neighbour[j].T
        table[:-1] = table[:-1] + (table[n1] + table[n2]) / 2
    out = np.einsum("nk,nkc->cn", weight, table[lattice.vertex])
    return out / out.dtype.type(1 + 2.0**-d)
