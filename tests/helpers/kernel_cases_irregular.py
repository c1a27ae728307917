"""Drawn cases for the rows of the kernel table whose reads or writes go where data says: lattices, regions, points."""

import numpy as np
from kernel_cases_dense import normal, pair
from minidl.kernels import reference


def points(r, most=60):
    """Features (d, N), float32 as the lattice keeps them."""
    d, N = int(r.integers(1, 9)), int(r.integers(1, most))
    return (r.standard_normal((d, N)) * r.choice([0.0, 0.1, 1, 7, 3e3])).astype(np.float32)


def case_permutohedral_lattice(r, t):
    return (points(r, 300),)


def case_permutohedral_filter(r, t):
    f = points(r, 200)
    return (
        normal(r, t, r.choice([1, 2, 5, 21, 40]), f.shape[1]),
        reference.permutohedral_lattice(f),
        bool(r.integers(2)),
    )


def case_gaussian_sum(r, t):
    f = points(r, 200)
    return normal(r, t, r.integers(1, 20), f.shape[1]), np.minimum(f, 50).astype(t)


def case_mean_field(r, t):
    N, C = int(r.integers(1, 50)), int(r.choice([2, 3, 21, 33]))
    terms = []
    for _ in range(int(r.integers(0, 3))):
        f = r.standard_normal((r.integers(1, 6), N)).astype(np.float32)
        terms.append((reference.permutohedral_lattice(f), *r.random((2, N)).astype(t), 0.1 * normal(r, t, C, C)))
    return normal(r, t, C, N), terms, int(r.integers(0, 4)), bool(r.integers(2))


def regions(r, t):
    """(x, boxes (K, 5)): some boxes hang over the border, some are empty or turned round, some lie on whole pixels."""
    x = normal(r, t, r.integers(1, 3), r.integers(1, 5), *pair(r, 1, 14))
    boxes = np.empty((r.integers(0, 6), 5), t)
    boxes[:, 0] = r.integers(0, len(x), len(boxes))
    corner, size = r.uniform(-4, 30, (len(boxes), 2)), r.uniform(-2, 20, (len(boxes), 2))
    boxes[:, 1:] = np.concatenate([corner, corner + size], 1)
    return x, np.round(boxes) if r.integers(2) else boxes


def aligned(r, t):
    return *regions(r, t), pair(r, 1, 4), float(r.choice([1, 0.5, 0.37])), int(r.integers(-1, 4)), bool(r.integers(2))


def case_roi_align(r, t):
    return aligned(r, t)


def case_roi_align_adjoint(r, t):
    x, boxes, output_size, *rest = aligned(r, t)
    return normal(r, t, len(boxes), x.shape[1], *output_size), boxes, (len(x), *x.shape[2:]), *rest


def case_roi_align_max(r, t):
    x, *rest = aligned(r, t)
    x[r.random(x.shape) < 0.03] = np.nan
    return x, *rest


def case_roi_pool(r, t):
    x, boxes, *rest, _, _ = case_roi_align_max(r, t)
    return np.round(2 * x) / 2, boxes, *rest


def case_roi_gather(r, t):
    x, boxes = regions(r, t)
    index = r.integers(-1, x.shape[2] * x.shape[3], (len(boxes), x.shape[1], *pair(r, 0, 4), *([4] * r.integers(2))))
    return x, boxes[:, 0].astype(np.int64), index.astype(np.int32)


def case_roi_scatter(r, t):
    x, batch, index = case_roi_gather(r, t)
    return normal(r, t, *index.shape), batch, index, (len(x), *x.shape[2:])


def sampled(r, t):
    """(x, points): inside, near the border, far outside, NaN; some on whole pixels."""
    x = normal(r, t, r.integers(0, 3), r.integers(1, 12), *pair(r, 1, 9))
    points = r.uniform(-2.5, 11, (len(x), *pair(r, 0, 9), 2)).astype(t)
    points[r.random(points.shape) < 0.03] = np.nan
    return x, np.round(points) if r.integers(2) else points


def case_grid_sample(r, t):
    return sampled(r, t)


def case_grid_sample_adjoint(r, t):
    x, points = sampled(r, t)
    return normal(r, t, *x.shape[:2], *points.shape[1:3]), points, x.shape[2:]


def case_grid_sample_slope(r, t):
    x, points = sampled(r, t)
    return normal(r, t, *x.shape[:2], *points.shape[1:3]), x, points


def case_nms(r, t):
    L = int(r.choice([0, 1, 63, 64, 65, 200]))
    corner, size = r.integers(0, 20, (L, 2)), r.integers(0, 9, (L, 2))
    scores = np.round(r.random(L), 1).astype(t)
    threshold = float(r.choice([-0.1, 0, 0.25, 0.5, 1]))
    return np.concatenate([corner, corner + size], 1).astype(t), scores, r.integers(0, 3, L), threshold
