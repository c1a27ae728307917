"""Scores of an image of any size from overlapping windows, blended so that tile borders do not show.

The image is divided into tiles. A window is a tile with a `band` around it, whose scores are kept, and `context` pixels
more, whose scores are discarded. With at least half the receptive field as context, the scores of a window are those
of the whole image. With less, the scores of neighbouring windows differ and are averaged in the 2 `band` pixels along their
border, with weights that fall from 1 to 0 and sum to 1. Windows are cut at the edges of the image.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..autograd.tape import no_grad
from ..autograd.tensor import Tensor
from ..typing import Array
from .tiling import _total_stride

CACHED = 1 << 28  # bytes of windows kept for the neighbouring tiles


class Windows:
    """`scores(i, j)`: class scores (K, h, w) float32 of tile (i, j).

    read(y, x, h, w): the network's input for a window, (C, h, w) float32, or None for an empty window, whose tile then has no
    scores; its neighbours are blended without it.
    size: (H, W) of the image; tile, band and context: pixels, multiples of the network's total stride.
    """

    def __init__(
        self,
        model: Any,
        read: Callable[[int, int, int, int], Array | None],
        size: tuple[int, int],
        tile: int,
        band: int,
        context: int,
    ) -> None:
        stride = _total_stride(model)
        if getattr(model, "valid", False):
            raise ValueError("Windows: networks with valid padding need mirrored edges; use predict_tiled")
        if tile % stride or band % stride or context % stride or tile < max(2 * band, 1):
            raise ValueError(
                f"Windows: tile {tile}, band {band}, context {context}; needed multiples of {stride}, the "
                "network's stride, and a tile of at least two bands"
            )
        self.model, self.read, self.size, self.tile, self.band, self.context = model, read, size, tile, band, context
        self.rows, self.columns = (-(-n // tile) for n in size)
        self._cached = functools.lru_cache(64)(self._window)

    def strip(self, classes: int) -> int:
        """How many tiles wide a strip is whose three rows of windows fit into the cache."""
        side = (self.tile + 2 * self.band) ** 2 * 4 * classes
        width = max(CACHED // (3 * side) - 2, 1)
        self._cached = functools.lru_cache(3 * (min(width, self.columns) + 2))(self._window)
        return width

    def _spans(self, i, j, more):
        """Rows and columns of tile (i, j) extended by `more` pixels on each side, cut at the image's edges."""
        spans = []
        for k, n in zip((i, j), self.size):
            spans.append((max(k * self.tile - more, 0), min((k + 1) * self.tile + more, n)))
        return spans

    @no_grad()
    def _window(self, i, j):
        """Scores of the tile and its band, or None."""
        (top, bottom), (left, right) = self._spans(i, j, self.band + self.context)
        x = self.read(top, left, bottom - top, right - left)
        if x is None:
            return None
        y = self.model(Tensor(x[None]).to(self.model.device))
        y = (y["out"] if isinstance(y, dict) else y).cpu().data[0]
        (y0, y1), (x0, x1) = self._spans(i, j, self.band)
        return np.ascontiguousarray(y[:, y0 - top : y1 - top, x0 - left : x1 - left], np.float32)

    def _ramp(self, k, start, stop):
        """The blending weights of tile k's window at the positions start ... stop - 1 along one axis."""
        if not self.band:
            return np.ones(stop - start, np.float32)
        at = np.arange(start, stop) + 0.5 - k * self.tile
        rise = (at + self.band) / (2 * self.band)
        fall = (self.tile + self.band - at) / (2 * self.band)
        return np.clip(np.minimum(rise, fall), 0, 1).astype(np.float32)

    def scores(self, i: int, j: int) -> Array | None:
        """Scores of tile (i, j), or None."""
        (top, bottom), (left, right) = self._spans(i, j, 0)
        own = self._cached(i, j)
        if own is None:
            return None
        total = np.zeros((len(own), bottom - top, right - left), np.float32)
        weights = np.zeros(total.shape[1:], np.float32)
        for k in range(max(i - 1, 0), min(i + 2, self.rows)):
            for m in range(max(j - 1, 0), min(j + 2, self.columns)):
                if (k, m) != (i, j) and not self.band:
                    continue
                window = self._cached(k, m)
                if window is None:
                    continue
                (y0, y1), (x0, x1) = self._spans(k, m, self.band)
                y0, y1, x0, x1 = max(y0, top), min(y1, bottom), max(x0, left), min(x1, right)
                if y0 >= y1 or x0 >= x1:
                    continue
                weight = self._ramp(k, y0, y1)[:, None] * self._ramp(m, x0, x1)
                (oy, _), (ox, _) = self._spans(k, m, self.band)
                part = window[:, y0 - oy : y1 - oy, x0 - ox : x1 - ox] * weight
                there = np.s_[y0 - top : y1 - top, x0 - left : x1 - left]
                total[:, *there] += part
                weights[there] += weight
        return total / weights
