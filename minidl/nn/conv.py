"""Convolution layers, and the im2col pair as layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np

from .. import functional as F
from ..autograd.tensor import Tensor
from ..typing import Size2
from . import init
from .module import Module, Parameter

_PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


def _pair(value):
    return (value, value) if isinstance(value, Integral) else tuple(value)


class _Conv(Module):
    """Common base of the convolutions: geometry and parameters, initialised as in PyTorch."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size2,
        stride: Size2,
        padding: Size2 | str,
        output_padding: Size2,
        groups: int,
        bias: bool,
        dilation: Size2,
        mode: str,
    ) -> None:
        super().__init__()
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ValueError(
                f"{type(self).__name__}: groups={groups} must divide in_channels={in_channels} and "
                f"out_channels={out_channels}"
            )
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size, self.stride, self.dilation = _pair(kernel_size), _pair(stride), _pair(dilation)
        self.padding: Any = padding if isinstance(padding, str) else _pair(padding)
        self.output_padding, self.padding_mode = _pair(output_padding), mode
        rows, columns = (
            (in_channels, out_channels) if isinstance(self, ConvTranspose2d) else (out_channels, in_channels)
        )
        self.weight = Parameter(np.empty((rows, columns // groups, *self.kernel_size), np.float32))
        self.register_parameter("bias", Parameter(np.empty(out_channels, np.float32)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias uniformly from +-1 / sqrt(fan_in)."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(init.fans(self.weight)[0])
            init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        if self.padding != (0, 0):
            text += f", padding={self.padding}"
        if self.dilation != (1, 1):
            text += f", dilation={self.dilation}"
        if self.output_padding != (0, 0):
            text += f", output_padding={self.output_padding}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        return text + (f", padding_mode={self.padding_mode}" if self.padding_mode != "zeros" else "")


class Conv2d(_Conv):
    """`F.conv2d` with a learned weight (out, in / groups, kh, kw) and bias (out,).

    `padding` may be "same" or "valid"; `padding_mode` is "zeros", "reflect", "replicate" or "circular".
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size2,
        stride: Size2 = 1,
        padding: Size2 | str = 0,
        dilation: Size2 = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
    ) -> None:
        if padding_mode not in _PADDING_MODES:
            raise ValueError(f"Conv2d: padding_mode must be one of {_PADDING_MODES}, not {padding_mode!r}")
        if isinstance(padding, str) and padding not in ("same", "valid"):
            raise ValueError(f'Conv2d: padding must be integers, "same" or "valid", not {padding!r}')
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, 0, groups, bias, dilation, padding_mode
        )
        if padding == "same" and self.stride != (1, 1):
            raise ValueError(f'Conv2d: padding="same" needs stride 1, not {stride}')

    def forward(self, input: Tensor) -> Tensor:
        padding = self.padding
        if self.padding_mode != "zeros":
            input, padding = F.pad(input, self._border(), self.padding_mode), 0
        return F.conv2d(input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)

    def _border(self):
        """(left, right, top, bottom); an odd remainder of "same" goes to the right and bottom."""
        if self.padding == "valid":
            return (0, 0, 0, 0)
        if self.padding == "same":
            totals = [d * (k - 1) for d, k in zip(self.dilation[::-1], self.kernel_size[::-1])]
            return tuple(p for t in totals for p in (t // 2, t - t // 2))
        return tuple(p for p in self.padding[::-1] for _ in range(2))


class ConvTranspose2d(_Conv):
    """`F.conv_transpose2d` with a learned weight (in, out / groups, kh, kw) and bias (out,).

    A strided convolution maps several input sizes to one output size; `output_padding`, or `output_size` in the call, selects
    one of them.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size2,
        stride: Size2 = 1,
        padding: Size2 = 0,
        output_padding: Size2 = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Size2 = 1,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, output_padding, groups, bias, dilation, "zeros"
        )

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        extra = self.output_padding if output_size is None else self._extra(input.shape[2:], tuple(output_size)[-2:])
        return F.conv_transpose2d(
            input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation
        )

    def _extra(self, size, wanted):
        smallest = tuple(
            (n - 1) * s - 2 * p + d * (k - 1) + 1
            for n, s, p, d, k in zip(size, self.stride, self.padding, self.dilation, self.kernel_size)
        )
        largest = tuple(n + s - 1 for n, s in zip(smallest, self.stride))
        if not all(a <= n <= b for a, n, b in zip(smallest, wanted, largest)):
            raise ValueError(
                f"ConvTranspose2d: output_size {wanted} must be from {smallest} to {largest} for input {size}"
            )
        return tuple(n - a for n, a in zip(wanted, smallest))


class Unfold(Module):
    """`F.unfold` (im2col)."""

    def __init__(self, kernel_size: Size2, dilation: Size2 = 1, padding: Size2 = 0, stride: Size2 = 1) -> None:
        super().__init__()
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride

    def forward(self, input: Tensor) -> Tensor:
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, stride={self.stride}"


class Fold(Module):
    """`F.fold` (col2im)."""

    def __init__(
        self, output_size: Size2, kernel_size: Size2, dilation: Size2 = 1, padding: Size2 = 0, stride: Size2 = 1
    ) -> None:
        super().__init__()
        self.output_size, self.kernel_size, self.dilation = output_size, kernel_size, dilation
        self.padding, self.stride = padding, stride

    def forward(self, input: Tensor) -> Tensor:
        return F.fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return (
            f"output_size={self.output_size}, kernel_size={self.kernel_size}, dilation={self.dilation}, "
            f"padding={self.padding}, stride={self.stride}"
        )
