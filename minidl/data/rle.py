"""Run-length codes of masks in COCO's format, and masks of polygons (Lin et al. 2014; format of COCO's annotations).

A run-length code is {"size": (H, W), "counts": runs}: lengths of runs of 0, 1, 0, 1, ... down the columns, from left to
right, starting with zeros (a first run of 0 where the first pixel is set). `counts` is an int64 array here; in files it
is a list of integers, or a string of differences ("compressed"). No function loops over pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from ..typing import Array, ArrayLike
from .types import RunLengths

STEPS = 5  # polygon vertices are rounded to fifths of a pixel, as in COCO's own rasteriser
MAX_STEPS = 50_000_000  # of a polygon's outline: 10 million pixels


def encode(mask: ArrayLike) -> RunLengths:
    """The run-length code of a mask, H x W, whose nonzero pixels are set."""
    mask = np.asarray(mask)
    if mask.ndim != 2:
        raise ValueError(f"rle.encode: mask is {mask.shape}; needed H x W")
    flat = (mask != 0).T.ravel()
    return _code(np.flatnonzero(np.diff(flat, prepend=False)), mask.shape)


def decode(code: RunLengths) -> Array:
    """The mask, H x W uint8, of a run-length code in any of its forms."""
    (H, W), counts = check(code)
    ones = np.arange(len(counts), dtype=np.uint8) & 1
    return np.ascontiguousarray(np.repeat(ones, counts).reshape(W, H).T)


def area(code: RunLengths) -> int:
    """The number of set pixels."""
    return int(check(code)[1][1::2].sum())


def merge(codes: Iterable[RunLengths], intersect: bool = False) -> RunLengths:
    """The union, or the intersection, of codes of one size, without decoding them.

    The number of codes that cover a pixel changes only at the ends of runs: +1 where ones start, -1 where they end.
    """
    codes = [check(code) for code in codes]
    sizes = {size for size, _ in codes}
    if len(sizes) != 1:
        raise ValueError(f"rle.merge: sizes {sorted(sizes)}; needed one or more codes of one size")
    (H, W), needed = sizes.pop(), (len(codes) if intersect else 1)
    ends = np.concatenate([np.cumsum(counts)[: len(counts) // 2 * 2] for _, counts in codes])
    change = np.concatenate([np.resize([1, -1], len(counts) // 2 * 2) for _, counts in codes])
    order = ends.argsort(kind="stable")
    at, change = ends[order], change[order]
    last = np.append(at[1:] != at[:-1], True)[: len(at)]  # the last of several changes at one pixel
    at, covered = at[last], np.cumsum(change)[last] >= needed
    turns = np.diff(covered, prepend=False)
    return _code(at[turns & (at < H * W)], (H, W))


def _code(turns, size):
    """The code of a mask whose value changes at the sorted positions `turns`, counted down the columns."""
    return {"size": size, "counts": np.diff(turns, prepend=0, append=size[0] * size[1])}


def check(code: RunLengths, size: Sequence[int] | None = None) -> tuple[tuple[int, int], Array]:
    """((H, W), counts int64) of a run-length code in any form: counts as array, list, or compressed string.

    Raises ValueError for a missing size or counts, a size other than `size`, negative runs, runs that do not sum to H W.
    """
    if not isinstance(code, dict) or not {"size", "counts"} <= code.keys():
        shown = sorted(code) if isinstance(code, dict) else type(code).__name__
        raise ValueError(f"run-length code is {shown}; needed a dictionary with size and counts")
    H, W = map(int, code["size"]) if np.shape(code["size"]) == (2,) else (-1, -1)
    given = H, W
    if min(given) < 0 or (size is not None and given != tuple(size)):
        needed = "two sizes, not negative" if size is None else tuple(size)
        raise ValueError(f"run-length code has size {code['size']}; needed {needed}")
    counts = code["counts"]
    counts = decompress(counts) if isinstance(counts, str | bytes) else np.asarray(counts)
    if counts.ndim != 1 or (counts.size and counts.dtype.kind not in "iu"):
        raise ValueError(f"run-length code has counts {counts.dtype} {counts.shape}; needed a list of integers")
    counts = counts.astype(np.int64)
    if counts.min(initial=0) < 0 or counts.sum() != H * W:
        raise ValueError(
            f"run-length code has {len(counts)} runs, the shortest of {counts.min(initial=0)}, that sum to "
            f"{counts.sum()}; needed runs of 0 or more that sum to {H} x {W} = {H * W}"
        )
    return given, counts


def compress(counts: ArrayLike) -> str:
    """The counts as COCO's string: from the fourth on as differences to the count two before, in digits of 5 bits.

    The lowest digit comes first; bit 5 says that more follow, bit 4 of the last one is the sign; 48 is added.
    """
    counts = np.asarray(counts, np.int64)
    numbers = counts.copy()
    numbers[3:] -= counts[1:-2]
    digit = np.arange(13)  # of 5 bits: more than 64
    within = (-(1 << 5 * digit[:12] + 4) <= numbers[:, None]) & (numbers[:, None] < 1 << 5 * digit[:12] + 4)
    length = within.argmax(axis=1)[:, None] + 1
    bits = (numbers[:, None] >> np.minimum(5 * digit, 63)) & 31 | 32 * (digit < length - 1)
    return (bits + 48)[digit < length].astype(np.uint8).tobytes().decode("ascii")


def decompress(text: str | bytes) -> Array:
    """The counts in a string that `compress` made, int64."""
    text = text.encode() if isinstance(text, str) else text
    bits = np.frombuffer(text, np.uint8).astype(np.int64) - 48
    if bits.size == 0:
        return np.zeros(0, np.int64)
    if bits.min() < 0 or bits.max() > 63 or bits[-1] & 32:
        raise ValueError("compressed run-length code holds characters outside '0'..'o', or ends within a number")
    last = bits & 32 == 0
    first = np.flatnonzero(np.concatenate([[True], last[:-1]]))
    length = np.diff(first, append=len(bits))
    if length.max() > 12:
        raise ValueError("compressed run-length code holds a number of more than 60 bits")
    place = np.arange(len(bits)) - np.repeat(first, length)
    counts = np.add.reduceat((bits & 31) << 5 * place, first)
    counts -= ((bits[last] & 16) != 0) * (1 << 5 * length)
    for start in (1, 2):
        counts[start::2] = np.cumsum(counts[start::2])
    return counts


def from_polygon(points: ArrayLike, size: Sequence[int]) -> RunLengths:
    """The run-length code, of size (H, W), of the inside of a polygon: points M x 2 (x, y), pixel edges at whole numbers.

    The result equals that of COCO's rasteriser: vertices are rounded to fifths of a pixel and joined by lines of such steps.
    Where a line crosses the middle of a column, the column changes between outside and inside; a pixel is inside after an
    odd number of changes from the top. Parts outside the image are cut off.
    Raises ValueError for fewer than 3 points, or for coordinates that are not finite.
    """
    points = np.asarray(points, np.float64)
    H, W = size
    if points.ndim != 2 or points.shape[1:] != (2,) or len(points) < 3:
        raise ValueError(f"polygon has points {points.shape}; needed at least 3 x 2")
    if not np.isfinite(points).all() or np.abs(points).max() > 1e8:
        raise ValueError("polygon has coordinates that are not finite, or beyond 1e8")
    u, v = _outline(np.trunc(STEPS * points + 0.5).astype(np.int64))
    crossing = np.flatnonzero(u[1:] != u[:-1]) + 1
    column = np.minimum(u[crossing], u[crossing - 1])  # left of the step, in fifths
    middle = column % STEPS == STEPS // 2
    x, y = column[middle] // STEPS, np.minimum(v[crossing], v[crossing - 1])[middle]
    y = np.clip(np.ceil((y + 0.5) / STEPS - 0.5), 0, H).astype(np.int64)
    inside = (x >= 0) & (x < W)
    turns, times = np.unique(x[inside] * H + y[inside], return_counts=True)
    return _code(turns[(times % 2 == 1) & (turns < H * W)], (H, W))


def _outline(vertices):
    """The closed line through whole-numbered vertices, in steps of at most 1 along both axes: u, v.

    An edge has one point for each step along its longer axis; the other coordinate is rounded, starting from the lower end.
    """
    start, end = vertices, np.roll(vertices, -1, axis=0)
    extent = np.abs(end - start)
    along = (extent[:, 0] < extent[:, 1]).astype(np.intp)  # the longer axis; x where both are equal
    edge = np.arange(len(vertices))
    backwards = start[edge, along] > end[edge, along]
    low, high = np.where(backwards[:, None], end, start), np.where(backwards[:, None], start, end)
    steps = extent.max(axis=1)
    if steps.sum() > MAX_STEPS:
        raise ValueError(
            f"polygon's outline is {steps.sum() / STEPS:.0f} pixels long; needed at most {MAX_STEPS // STEPS}"
        )
    slope = (high - low)[edge, 1 - along] / np.maximum(steps, 1)
    edge = np.repeat(edge, steps + 1)
    step = np.arange(len(edge)) - np.repeat(np.cumsum(steps + 1) - (steps + 1), steps + 1)
    step = np.where(backwards[edge], steps[edge] - step, step)
    long = low[edge, along[edge]] + step
    short = np.trunc(low[edge, 1 - along[edge]] + slope[edge] * step + 0.5).astype(np.int64)
    return np.where(along[edge] == 0, long, short), np.where(along[edge] == 0, short, long)
