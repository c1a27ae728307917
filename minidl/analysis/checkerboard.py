"""Checkerboards of transposed convolutions, from counts of contributions (Odena, Dumoulin and Olah 2016, distill.pub).

A transposed convolution adds a window of kernel_size to its output for every input pixel, stride apart. Where kernel_size is
not a multiple of the stride, some output pixels receive more contributions than their neighbours, and are brighter or darker
unless the weights compensate. The gradient of a strided convolution has the same pattern.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..nn import Conv2d, ConvTranspose2d, Module, PixelShuffle, Sequential, Upsample
from ..typing import Array, ArrayLike, Size2


@dataclass(frozen=True)
class Layer:
    """One axis of a transposed convolution; a convolution of stride 1 is the same with padding (kernel_size - 1 - p)."""

    kernel_size: int
    stride: int = 1
    padding: int = 0
    output_padding: int = 0
    dilation: int = 1
    repeat: int = 1  # nearest-neighbour enlargement before the convolution

    def __post_init__(self) -> None:
        for name, minimum in (("kernel_size", 1), ("stride", 1), ("padding", 0), ("dilation", 1), ("repeat", 1)):
            if getattr(self, name) < minimum:
                raise ValueError(f"overlap_map: {name} is {getattr(self, name)}; needed at least {minimum}")
        if not 0 <= self.output_padding < max(self.stride, self.dilation):
            raise ValueError(
                f"overlap_map: output_padding is {self.output_padding}; needed 0..{max(self.stride, self.dilation) - 1}"
            )

    def contributions(self, counts: Array) -> Array:
        """The number of contributions to each output pixel when input pixel i contributes counts[i] times."""
        counts = np.repeat(counts, self.repeat)
        reach = self.dilation * (self.kernel_size - 1) + 1
        full = np.zeros((len(counts) - 1) * self.stride + reach + self.output_padding, counts.dtype)
        for tap in range(self.kernel_size):
            start = tap * self.dilation
            full[start : start + (len(counts) - 1) * self.stride + 1 : self.stride] += counts
        size = len(full) - 2 * self.padding
        if size < 1:
            raise ValueError(f"overlap_map: {len(counts)} pixels and {self} leave no output")
        return full[self.padding : self.padding + size]


def overlap_map(layers: Any, size: Size2 = 16) -> Array:
    """The number of paths from the input to each output pixel, int64: of shape (L,) for size L, (H, W) for size (h, w).

    layers: one layer or a chain of them, each an `nn.ConvTranspose2d`, a stride-1 `nn.Conv2d`, a nearest `nn.Upsample`,
        an `nn.PixelShuffle`, or a transposed convolution as a dictionary of kernel_size, stride, padding,
        output_padding, dilation (numbers, or pairs for (y, x)). Leave out activations and norms, which move no pixels.
    Counts are equal where kernel_size is a multiple of the stride; kernel 3 stride 2 alternates 1 and 2 (in 2-D a ratio of
    4), kernel 5 stride 2 alternates 2 and 3 (2.25). Counts decrease towards the border, where there are fewer neighbours.
    """
    axes = [size] if isinstance(size, int) else list(size)
    if len(axes) not in (1, 2) or min(axes) < 1:
        raise ValueError(f"overlap_map: size is {size}; needed a positive number or a pair of them")
    lines = []
    for axis, length in enumerate(axes):
        counts = np.ones(length, np.int64)
        for layer in _chain(layers, axis):
            counts = layer.contributions(counts)
        lines.append(counts)
    return lines[0] if len(lines) == 1 else np.multiply.outer(*lines)


def overlap_ratio(layers: Any, dims: int = 2) -> float:
    """Largest over smallest count of `overlap_map` away from borders, along one axis (dims=1) or in 2-D; 1 means no pattern."""
    return math.prod(_axis_ratio(_chain(layers, axis)) for axis in range(dims))


def _axis_ratio(chain):
    period, reach = 1, 1  # period of the pattern and reach of a border, in output pixels
    for layer in chain:
        grow = layer.stride * layer.repeat
        period, reach = period * grow, reach * grow + layer.dilation * layer.kernel_size + layer.padding
    counts = np.ones(3 + -(-2 * reach // period), np.int64)
    for layer in chain:
        counts = layer.contributions(counts)
    middle = len(counts) // 2
    inner = counts[middle - period // 2 : middle - period // 2 + period]
    return math.inf if inner.min() == 0 else float(inner.max() / inner.min())


def _chain(layers, axis):
    """The layers' geometry along one axis; an enlargement becomes part of the convolution that follows."""
    layers = list(layers) if isinstance(layers, list | tuple | Sequential) else [layers]
    chain = []
    for layer in layers:
        geometry = _geometry(layer)
        if geometry is not None:
            chain.append(Layer(**{k: v if isinstance(v, int) else v[axis] for k, v in geometry.items()}))
    if not chain:
        raise ValueError(
            "overlap_map: the chain has no layer; needed a convolution, transposed convolution or upsampling"
        )
    return chain


def _geometry(layer):
    names = ("kernel_size", "stride", "padding", "output_padding", "dilation")
    if isinstance(layer, dict):
        if unknown := layer.keys() - set(names):
            raise ValueError(f"overlap_map: unknown entries {sorted(unknown)}; there are {names}")
        return layer
    if isinstance(layer, ConvTranspose2d):
        return {name: getattr(layer, name) for name in names}
    if isinstance(layer, Upsample):
        return {"kernel_size": 1, "repeat": _factor(layer)}
    if isinstance(layer, PixelShuffle):
        return {"kernel_size": 1, "repeat": layer.upscale_factor}
    if isinstance(layer, Conv2d):
        return {"kernel_size": layer.kernel_size, "padding": _mirrored_padding(layer), "dilation": layer.dilation}
    if hasattr(layer, "kernel_size") or not isinstance(layer, Module):
        raise TypeError(f"overlap_map: {layer} is not a transposed convolution, stride-1 convolution or upsampling")
    return None


def _mirrored_padding(conv):
    """The padding d (k - 1) - p of the transposed convolution that equals this convolution of padding p."""
    lost = [d * (k - 1) for k, d in zip(conv.kernel_size, conv.dilation)]
    pads = {"valid": (0, 0), "same": tuple(n // 2 for n in lost)}.get(conv.padding, conv.padding)
    if (
        tuple(conv.stride) != (1, 1)
        or any(2 * p > n for p, n in zip(pads, lost))
        or (conv.padding == "same" and any(n % 2 for n in lost))
    ):
        raise ValueError(
            f"overlap_map: {conv} must have stride 1, and not make the map larger or shift it by half a pixel"
        )
    return tuple(n - p for n, p in zip(lost, pads))


def _factor(layer):
    factor = layer.scale_factor
    factors = (factor, factor) if isinstance(factor, int | float) else tuple(factor or ())
    if layer.mode != "nearest" or not factors or any(f != int(f) for f in factors):
        raise ValueError(f"overlap_map: {layer} must be nearest with a whole scale_factor")
    return tuple(int(f) for f in factors)


def checkerboard_spectrum(image: ArrayLike) -> tuple[Array, Array]:
    """(frequencies, power): the mean power spectrum of rows and columns, in cycles per pixel from 0 to 1/2.

    image: H x W or H x W x C. A pattern that repeats every 2 pixels is a peak at 1/2, every 4 pixels peaks at 1/4 and 1/2;
    the spectrum of natural images decreases smoothly. Rows and columns are cut to one length and windowed (Hann).
    """
    image = np.asarray(image, dtype=np.float64)
    grey = image.mean(axis=2) if image.ndim == 3 else image
    if grey.ndim != 2 or min(grey.shape) < 8:
        raise ValueError(f"checkerboard_spectrum: image is {image.shape}; needed H x W (x C) of at least 8 x 8")
    n = min(grey.shape) // 4 * 4  # so that 1/4 and 1/2 are frequencies of the transform
    window = np.hanning(n + 1)[:n]
    power = 0
    for lines in (grey[:, :n], grey[:n].T):
        lines = (lines - lines.mean(axis=1, keepdims=True)) * window
        power = power + (np.abs(np.fft.rfft(lines, axis=1)) ** 2).mean(axis=0)
    return np.fft.rfftfreq(n), power / (2 * (window**2).sum())


def checkerboard_excess(image: ArrayLike, period: int) -> float:
    """Power at 1/period cycles per pixel over the median power of other frequencies nearby: about 1 without a pattern."""
    frequencies, power = checkerboard_spectrum(image)
    at = np.abs(frequencies - 1 / period).argmin()
    around = np.abs(np.arange(len(power)) - at)
    near = power[(around > 2) & (around <= max(8, len(power) // 8))]
    return float(power[at] / max(np.median(near), np.finfo(float).tiny))
