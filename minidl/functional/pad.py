"""Padding and cropping: adjoint to each other where the padding is constant."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..autograd.primitive import primitive
from ..autograd.tensor import Tensor
from .indexing import flip
from .join import cat, narrow


@primitive
def _pad(x, *, widths, value):
    return np.pad(x, widths, constant_values=value)


@primitive
def _crop(y, *, widths):
    return y[tuple(slice(before, n - after) for n, (before, after) in zip(y.shape, widths))]


_pad.rules(x=lambda g, widths: _crop(g, widths=widths))
_crop.rules(y=lambda g, widths: _pad(g, widths=widths, value=0))


def pad(x: Tensor, pad: Sequence[int], mode: str = "constant", value: float = 0.0) -> Tensor:
    """x with a border of widths `pad`: (left, right, top, bottom, ...), last axis first, as in PyTorch.

    Modes: "constant" (negative widths crop), "reflect" (the edge is not repeated), "replicate" (the edge is repeated),
    "circular".
    """
    if len(pad) % 2 or len(pad) > 2 * x.ndim:
        raise ValueError(
            f"pad: {len(pad)} widths came for {x.ndim} axes; needed (before, after) pairs, last axis first"
        )
    pairs = [(int(a), int(b)) for a, b in zip(pad[::2], pad[1::2])]
    if mode == "constant":
        widths = [(0, 0)] * (x.ndim - len(pairs)) + pairs[::-1]
        if any(n + a + b < 0 for n, (a, b) in zip(x.shape, widths)):
            raise ValueError(f"pad: widths {tuple(pad)} crop more than the tensor of shape {x.shape} has")
        grown = tuple((max(a, 0), max(b, 0)) for a, b in widths)
        shrunk = tuple((max(-a, 0), max(-b, 0)) for a, b in widths)
        x = _pad(x, widths=grown, value=value) if any(map(any, grown)) else x
        return _crop(x, widths=shrunk) if any(map(any, shrunk)) else x
    if mode not in _BORDERS:
        raise ValueError(f"pad: mode must be constant, reflect, replicate or circular, not {mode!r}")
    border, room = _BORDERS[mode]
    for k, (before, after) in enumerate(pairs):
        dim = x.ndim - 1 - k
        n = x.shape[dim]
        if min(before, after) < 0 or max(before, after) > room(n):
            raise ValueError(
                f"pad: widths {(before, after)} in mode {mode!r} need 0 to {room(n)} on axis {dim} of {x.shape}"
            )
        if before or after:
            x = cat([*border(x, dim, n, before, after)], dim)
    return x


def _reflect(x, dim, n, before, after):
    return flip(narrow(x, dim, 1, before), dim), x, flip(narrow(x, dim, n - 1 - after, after), dim)


def _replicate(x, dim, n, before, after):
    first, last = narrow(x, dim, 0, 1), narrow(x, dim, n - 1, 1)
    return *[first] * before, x, *[last] * after


def _circular(x, dim, n, before, after):
    return narrow(x, dim, n - before, before), x, narrow(x, dim, 0, after)


_BORDERS = {  # mode -> (pieces along one axis, widest border for n pixels)
    "reflect": (_reflect, lambda n: n - 1),
    "replicate": (_replicate, lambda n: float("inf") if n else 0),
    "circular": (_circular, lambda n: n),
}


def crop(x: Tensor, top: int, left: int, height: int, width: int) -> Tensor:
    """The `height` x `width` window of the last two axes whose corner is at row `top` and column `left`."""
    H, W = x.shape[-2:]
    if min(top, left, height, width) < 0 or top + height > H or left + width > W:
        raise ValueError(f"crop: window {height}x{width} at ({top}, {left}) leaves the {H}x{W} image")
    return pad(x, (-left, left + width - W, -top, top + height - H))
