"""The ONNX form of the functions that rearrange elements, as in emit.py."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .graph import Graph


def pad(g: Graph, out: Any, args: Any) -> Any:
    """Pad."""
    pairs = [*zip(args.pad[::2], args.pad[1::2])]
    pairs = [(0, 0)] * (out.ndim - len(pairs)) + pairs[::-1]
    widths = g.vector([a for a, _ in pairs] + [b for _, b in pairs])
    names = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
    extra = [np.float32(args.value)] if args.mode == "constant" else []
    return g.node("Pad", args.x, widths, *extra, mode=names[args.mode])


def crop(g: Graph, out: Any, args: Any) -> Any:
    """Slice of the last two axes."""
    return _slice(g, args.x, (args.top, args.left), (args.top + args.height, args.left + args.width), (2, 3))


def _slice(g, x, starts, ends, axes):
    return g.node("Slice", x, g.vector(starts), g.vector(ends), np.array(axes))


def chunk(g: Graph, out: Any, args: Any) -> Any:
    """One Slice per part."""
    stops = np.cumsum([0, *(o.shape[args.dim] for o in out)])
    return [_slice(g, args.x, (a,), (b,), (args.dim,)) for a, b in pairwise(stops)]


def reshape(g: Graph, out: Any, args: Any) -> Any:
    """Reshape."""
    return g.node("Reshape", args.x, g.vector(args.shape))


def transpose(g: Graph, out: Any, args: Any) -> Any:
    """Transpose."""
    perm = list(range(out.ndim))
    perm[args.dim0], perm[args.dim1] = perm[args.dim1], perm[args.dim0]
    return g.node("Transpose", args.x, perm=perm)


def flatten(g: Graph, out: Any, args: Any) -> Any:
    """Flatten."""
    if args.start_dim != 1 or args.end_dim not in (-1, args.x.ndim - 1):
        raise NotImplementedError("export: flatten keeps the first axis only")
    return g.node("Flatten", args.x, axis=1)


def expand(g: Graph, out: Any, args: Any) -> Any:
    """Expand."""
    return g.node("Expand", args.x, g.vector([1 if isinstance(n, int) and n == -1 else n for n in args.shape]))


def getitem(g: Graph, out: Any, args: Any) -> Any:
    """Slice for slices and integers, Gather for at most one vector of positions."""
    x, key = args.x, args.key
    key = key if isinstance(key, tuple) else (key,)
    slices = [(axis, s) for axis, s in enumerate(key) if isinstance(s, slice) and s != slice(None)]
    positions = [(axis, k) for axis, k in enumerate(key) if isinstance(k, np.ndarray)]
    if len(positions) > 1 or any(k is Ellipsis or k is None for k in key) or any(isinstance(k, int) for k in key):
        raise NotImplementedError(f"export: indexing by {key} has no ONNX form here")
    y = x
    if slices:
        ends = [np.iinfo(np.int64).max if s.stop is None else s.stop for _, s in slices]
        steps = np.array([s.step or 1 for _, s in slices])
        axes = np.array([axis for axis, _ in slices])
        y = g.node("Slice", x, g.vector([s.start or 0 for _, s in slices]), g.vector(ends), axes, steps)
    for axis, index in positions:
        y = g.node("Gather", y, index, axis=axis)
    return y
