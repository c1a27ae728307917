"""The exercise on hypercolumns: the units of all layers above one pixel."""

import numpy as np

from ...exercise import Exercise, numbers
from ..resize import centres

RIGHT = {
    "position": centres,
    "clamp": lambda at, n: at.clip(0, n - 1),
    "fraction": lambda f: f,
    "low": np.floor,
    "pixels": lambda points: points,
    "join": lambda parts: np.concatenate(parts, 1),
    "features": lambda maps: maps,
    "cell": lambda low, n: low.clip(0, n - 1),
    "mix": lambda v, u: (v, u),
    "scale": lambda maps, feature: feature,  # the map whose size the scale is taken from
}


def _made(maps, points, size, **slips):
    way, parts = RIGHT | slips, []
    for feature in way["features"](maps):
        taps = []
        for k in (0, 1):
            n, scaled = feature.shape[1 + k], way["scale"](maps, feature).shape[1 + k]
            at = way["clamp"](way["position"](way["pixels"](points)[:, k], scaled, size[k]), n)
            low = way["low"](at).astype(int)
            taps.append((way["cell"](low, n), way["cell"](low + 1, n), way["fraction"](at - low)))
        (h, below, v), (w, beside, u) = taps
        v, u = way["mix"](v, u)
        top = (1 - u) * feature[:, h, w] + u * feature[:, h, beside]
        bottom = (1 - u) * feature[:, below, w] + u * feature[:, below, beside]
        parts.append(((1 - v) * top + v * bottom).T)
    return way["join"](parts)


def _common(parts):
    """As many channels as the smallest map has."""
    least = min(p.shape[1] for p in parts)
    return [p[:, :least] for p in parts]


def _case(seed, sizes, size, P):
    rng = np.random.default_rng(seed) if isinstance(seed, int) else seed
    points = np.stack([rng.integers(0, size[0], P), rng.integers(0, size[1], P)], 1)
    points[0], points[-1] = (0, size[1] - 1), (size[0] - 1, 0)
    return {"maps": tuple(numbers(rng, *s) for s in sizes), "points": points, "size": size}


HYPERCOLUMN = Exercise(
    name="hypercolumn",
    signature="maps, points, size",
    lesson="21",
    title="all units above a pixel",
    task="""The hypercolumn of a pixel is the vector of all units above it. maps is a tuple of feature maps (C_m, H_m, W_m)
of one image of size = (H, W); points (P, 2) are rows and columns of pixels. Each map is read at the position ((row + 1/2)
H_m / H - 1/2, (column + 1/2) W_m / W - 1/2), clamped to the map, by bilinear interpolation; the values of all maps are
concatenated.
Returns an array (P, the sum of all C_m).""",
    cases=(
        _case(0, ((1, 4, 4), (1, 2, 2)), (4, 4), 4),
        _case(1, ((2, 6, 8), (3, 3, 4)), (6, 8), 7),
        _case(2, ((2, 8, 5), (1, 4, 3), (3, 2, 2)), (16, 10), 9),
    ),
    draw_case=lambda rng: _case(rng, ((2, 5, 6), (2, 3, 2)), (9, 12), 8),
    expected=_made,
    made=_made,
    mistakes={
        "rows and columns of the points are exchanged: a point is (row, column)": {"pixels": lambda p: p[:, ::-1]},
        "the maps are stacked in reverse order: the first map comes first": {"features": lambda maps: maps[::-1]},
        "the maps are added: concatenate their channels": {"join": lambda parts: sum(_common(parts))},
        "the maps are averaged: concatenate their channels": {"join": lambda parts: sum(_common(parts)) / len(parts)},
        "only the first map is read": {"join": lambda parts: parts[0]},
        "only the last map is read: = stands where a list must grow": {"join": lambda parts: parts[-1]},
        "the result is (channels, points): needed one row for each point": {
            "join": lambda parts: np.concatenate(parts, 1).T
        },
        "the result is an array of the points' neighbours: needed one row for each point": {
            "join": lambda parts: np.concatenate(parts, 1)[None]
        },
        "the half pixel is missing: the position is (row + 1/2) H_m / H - 1/2": {"position": lambda i, n, m: i * n / m},
        "the half pixel is added before scaling and not subtracted after it": {
            "position": lambda i, n, m: (i + 0.5) * n / m
        },
        "the half pixel is subtracted after scaling and not added before it": {
            "position": lambda i, n, m: i * n / m - 0.5
        },
        "corners are aligned (align_corners=True): the position is (row + 1/2) H_m / H - 1/2": {
            "position": lambda i, n, m: i * (n - 1) / max(m - 1, 1)
        },
        "the scale is the wrong way round: it is H_m / H": {"position": lambda i, n, m: (i + 0.5) * m / n - 0.5},
        "the position is not scaled: a coarse map has fewer pixels": {"position": lambda i, n, m: i + 0.0},
        "the scale of the first map is used for all: each map has its own": {"scale": lambda maps, feature: maps[0]},
        "the nearest unit is taken: interpolate between four": [
            {"position": lambda i, n, m: np.floor((i + 0.5) * n / m)},
            {"position": lambda i, n, m: np.floor(i * n / m)},
            {"position": lambda i, n, m: np.rint(centres(i, n, m))},
        ],
        "the upper left unit is taken: interpolate between four": {"fraction": lambda f: 0 * f},
        "the mean of the four units is taken: weigh them": {"fraction": lambda f: 0 * f + 0.5},
        "only one axis is interpolated": [
            {"mix": lambda v, u: (v, 0 * u)},
            {"mix": lambda v, u: (0 * v, u)},
            {"mix": lambda v, u: (v, np.rint(u))},
            {"mix": lambda v, u: (np.rint(v), u)},
        ],
        "the fractions of rows and columns are exchanged": {"mix": lambda v, u: (u, v)},
        "f and 1 - f are exchanged: the nearer unit has the larger weight": {"fraction": lambda f: 1 - f},
        "positions outside are not clamped: the border is extrapolated": [
            {"clamp": lambda at, n: at, "low": np.trunc},
        ],
        "positions outside are not clamped: index -1 reads the other end": [
            {"clamp": lambda at, n: at, "cell": lambda low, n: low % n},
            {"clamp": lambda at, n: at, "cell": lambda low, n: np.minimum(low, n - 1) % n},
        ],
        "rows and columns of the maps are exchanged": {"features": lambda maps: tuple(m.swapaxes(1, 2) for m in maps)},
        "the size is exchanged: it is (H, W)": lambda maps, points, size: _made(maps, points, size[::-1]),
    },
    draws="points",
    hints=(
        "Look at the coarse map: one of its units lies above many pixels, and a pixel lies between four units.",
        "The position in a map follows bilinear_resize, for single pixels: add 1/2, scale, subtract 1/2, clamp.",
        "For each map: at = clip((points[:, k] + 0.5) * n / size[k] - 0.5, 0, n - 1), low = floor(at); mix feature[:, "
        "h, w] and "
        "its three neighbours, transpose, and np.concatenate all along axis 1.",
    ),
)

EXERCISES = (HYPERCOLUMN,)
