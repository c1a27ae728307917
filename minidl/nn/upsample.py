"""Layers that change the size of maps without parameters: resizing, sub-pixels, borders."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .. import functional as F
from ..autograd.tensor import Tensor
from ..typing import Size2
from .module import Module


class Upsample(Module):
    """`F.interpolate`: to `size`, or by `scale_factor`."""

    def __init__(
        self,
        size: Size2 | None = None,
        scale_factor: float | Sequence[float] | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
    ) -> None:
        super().__init__()
        if isinstance(scale_factor, int | np.integer):
            scale_factor = float(scale_factor)
        elif isinstance(scale_factor, tuple | list):
            scale_factor = tuple(map(float, scale_factor))
        self.size, self.scale_factor, self.mode, self.align_corners = size, scale_factor, mode, align_corners

    def forward(self, input: Tensor) -> Tensor:
        return F.interpolate(input, self.size, self.scale_factor, self.mode, self.align_corners)

    def extra_repr(self) -> str:
        target = f"size={self.size}" if self.scale_factor is None else f"scale_factor={self.scale_factor}"
        return f"{target}, mode={self.mode!r}"


class PixelShuffle(Module):
    """(N, C r^2, H, W) -> (N, C, H r, W r)."""

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """(N, C, H r, W r) -> (N, C r^2, H, W)."""

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        return f"downscale_factor={self.downscale_factor}"


class _Pad2d(Module):
    """A border; `padding` is one width or (left, right, top, bottom)."""

    mode = "constant"

    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__()
        self.padding = (padding,) * 4 if isinstance(padding, int | np.integer) else tuple(padding)
        if len(self.padding) != 4:
            raise ValueError(f"{type(self).__name__}: padding is {padding}; needed (left, right, top, bottom)")

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self.mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad2d(_Pad2d):
    """A border of zeros; `padding` is one width or (left, right, top, bottom), negative widths crop."""


class ReflectionPad2d(_Pad2d):
    """A border that mirrors the image, without repeating its edge; `padding` is one width or (left, right, top, bottom)."""

    mode = "reflect"


class ReplicationPad2d(_Pad2d):
    """A border that repeats the edge; `padding` is one width or (left, right, top, bottom)."""

    mode = "replicate"
