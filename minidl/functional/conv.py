"""Convolution as a closed set: one trilinear form, three functions, six one-line rules.

B(x, w, y) = <conv2d(x, w), y> = <x, conv_transpose2d(y, w)> = <w, conv2d_weight(x, y)>.

The derivative of each of the three in each argument is another of the three, so derivatives of every order follow.
In particular a transposed convolution swaps the forward and backward passes of a convolution (Dumoulin and Visin 2016,
"A guide to convolution arithmetic for deep learning", section 4).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from numbers import Integral

from ..autograd.primitive import primitive
from ..autograd.tensor import Tensor
from ..backend import kernels
from ..kernels.geometry import Geometry
from ..typing import Shape, Size2
from .pad import pad
from .reduce import sum


@primitive
def _conv(x, w, b, *, geometry):
    return kernels(x).conv2d(x, w, b, geometry)


@primitive
def _conv_transpose(y, w, b, *, size, geometry):
    return kernels(y).conv_transpose2d(y, w, b, size, geometry)


@primitive
def _conv_weight(x, y, *, geometry):
    return kernels(x).conv2d_weight(x, y, geometry)


_conv.rules(
    x=lambda g, w, x_shape, geometry: _conv_transpose(g, w, None, size=x_shape[2:], geometry=geometry),
    w=lambda g, x, geometry: _conv_weight(x, g, geometry=geometry),
    b=lambda g: sum(g, (0, 2, 3)),
)
_conv_transpose.rules(
    y=lambda g, w, geometry: _conv(g, w, None, geometry=geometry),
    w=lambda g, y, geometry: _conv_weight(g, y, geometry=geometry),
    b=lambda g: sum(g, (0, 2, 3)),
)
_conv_weight.rules(
    x=lambda g, y, x_shape, geometry: _conv_transpose(y, g, None, size=x_shape[2:], geometry=geometry),
    y=lambda g, x, geometry: _conv(x, g, None, geometry=geometry),
)


def pair(value: Size2, function: str, name: str, minimum: int) -> tuple[int, int]:
    """An int or a pair of ints, as a (vertical, horizontal) pair; ValueError for values below `minimum`."""
    values = tuple(value) if isinstance(value, Iterable) else (value, value)
    values = tuple(int(v) if isinstance(v, Integral) else v for v in values)
    if len(values) != 2 or not all(isinstance(v, int) and v >= minimum for v in values):
        raise ValueError(
            f"{function}: {name} must be an integer or a pair of integers of at least {minimum}, not {value!r}"
        )
    return values


def window(
    function: str, kernel_size: Size2, stride: Size2 = 1, padding: Size2 = 0, dilation: Size2 = 1, groups: int = 1
) -> Geometry:
    """The checked Geometry of a sliding window."""
    if not isinstance(groups, Integral) or groups < 1:
        raise ValueError(f"{function}: groups must be a positive integer, not {groups!r}")
    return Geometry(
        kernel=pair(kernel_size, function, "kernel_size", 1),
        stride=pair(stride, function, "stride", 1),
        padding=pair(padding, function, "padding", 0),
        dilation=pair(dilation, function, "dilation", 1),
        groups=int(groups),
    )


def within(geometry: Geometry, size: Shape) -> Geometry:
    """An equivalent geometry for an image of `size`: strides limited by the padded image, dilation 1 for one-pixel kernels.

    It has the same windows, but its numbers do not overflow in the kernels.
    """
    stride = tuple(
        min(s, max(n + 2 * p, e) + 1) for s, n, p, e in zip(geometry.stride, size, geometry.padding, geometry.extent)
    )
    dilation = tuple(d if k > 1 else 1 for d, k in zip(geometry.dilation, geometry.kernel))
    return replace(geometry, stride=stride, dilation=dilation)


def check_images(function: str, **tensors: Tensor) -> None:
    """Raise ValueError unless every tensor is N x C x H x W, TypeError unless all have the same floating dtype."""
    dtypes = {name: x.dtype for name, x in tensors.items()}
    for name, x in tensors.items():
        if x.ndim != 4:
            raise ValueError(f"{function}: {name} has shape {x.shape}; needed four axes")
        if x.dtype.kind != "f" or x.dtype.itemsize < 4:
            raise TypeError(f"{function}: {name} is {x.dtype}; needed float32 or float64")
    if len(set(dtypes.values())) > 1:
        raise TypeError(f"{function}: one dtype is needed, not {', '.join(f'{n} {d}' for n, d in dtypes.items())}")


def output_size(function: str, geometry: Geometry, size: Sequence[int]) -> tuple[int, int]:
    """(Ho, Wo); ValueError if the window does not fit into the padded image."""
    result = geometry.output_size(size)
    if min(result) < 1:
        raise ValueError(
            f"{function}: a window of {geometry.extent} does not fit into {tuple(size)} with padding {geometry.padding}"
        )
    return result


def _check_bias(function, bias, channels, dtype):
    if bias is not None and (bias.shape != (channels,) or bias.dtype != dtype):
        raise ValueError(f"{function}: bias is {bias.dtype} of shape {bias.shape}; needed {dtype} of ({channels},)")


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size2 = 1,
    padding: Size2 | str = 0,
    dilation: Size2 = 1,
    groups: int = 1,
) -> Tensor:
    """y[n, o, i, j] = b[o] + sum over c, k, l of w[o, c, k, l] x[n, c, i s + k d - p, j s + l d - p].

    input (N, C, H, W), weight (O, C / groups, kh, kw), bias (O,) -> (N, O, Ho, Wo) with
    Ho = floor((H + 2 p - d (kh - 1) - 1) / s) + 1. `padding` may be "same" (stride 1 only: Ho = H; an odd remainder is
    padded at the bottom and right) or "valid" (none).
    """
    check_images("conv2d", input=input, weight=weight)
    O, C, *kernel = weight.shape
    if padding == "same":
        input, padding = _pad_same(input, kernel, stride, dilation)
    elif padding == "valid":
        padding = 0
    if isinstance(padding, str):
        raise ValueError(f'conv2d: padding must be integers, "same" or "valid", not {padding!r}')
    geometry = window("conv2d", kernel, stride, padding, dilation, groups)
    if input.shape[1] != C * groups or O % groups:
        raise ValueError(
            f"conv2d: weight {weight.shape} with groups={groups} needs {C * groups} input channels and a multiple of "
            f"{groups} output channels; input is {input.shape}"
        )
    _check_bias("conv2d", bias, O, input.dtype)
    output_size("conv2d", geometry, input.shape[2:])
    return _conv(input, weight, bias, geometry=within(geometry, input.shape[2:]))


def _pad_same(x, kernel, stride, dilation):
    if pair(stride, "conv2d", "stride", 1) != (1, 1):
        raise ValueError(f'conv2d: padding="same" needs stride 1, not {stride}')
    total = [d * (k - 1) for k, d in zip(kernel, pair(dilation, "conv2d", "dilation", 1))]
    if any(t % 2 for t in total):
        x = pad(x, (0, total[1] % 2, 0, total[0] % 2))
    return x, tuple(t // 2 for t in total)


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size2 = 1,
    padding: Size2 = 0,
    output_padding: Size2 = 0,
    groups: int = 1,
    dilation: Size2 = 1,
) -> Tensor:
    """The adjoint of `conv2d` in its input, as a layer: each input pixel adds its value times the kernel to the output.

    input (N, C, H, W), weight (C, O / groups, kh, kw), bias (O,) -> (N, O, Ho, Wo) with
    Ho = (H - 1) s - 2 p + d (kh - 1) + output_padding + 1. A strided convolution ignores up to s - 1 rows
    at the end of its input; `output_padding` adds that many rows to the output (Dumoulin and Visin 2016, section 4.6).
    """
    check_images("conv_transpose2d", input=input, weight=weight)
    C, O, *kernel = weight.shape
    geometry = window("conv_transpose2d", kernel, stride, padding, dilation, groups)
    extra = pair(output_padding, "conv_transpose2d", "output_padding", 0)
    if input.shape[1] != C or C % groups:
        raise ValueError(
            f"conv_transpose2d: weight {weight.shape} with groups={groups} needs {C} input channels, a multiple of "
            f"groups; input is {input.shape}"
        )
    if any(e >= max(s, d) for e, s, d in zip(extra, geometry.stride, geometry.dilation)):
        raise ValueError(f"conv_transpose2d: output_padding {extra} must be smaller than stride or dilation")
    _check_bias("conv_transpose2d", bias, O * groups, input.dtype)
    size = tuple(
        (n - 1) * s - 2 * p + e + more
        for n, s, p, e, more in zip(input.shape[2:], geometry.stride, geometry.padding, geometry.extent, extra)
    )
    if min(size) < 0:
        raise ValueError(f"conv_transpose2d: the output would have size {size}; input is {input.shape}")
    rows, cols = (m - n for m, n in zip(geometry.output_size(size), input.shape[2:]))
    if rows or cols:  # output_padding of a stride or more: conv2d has more windows than the input has pixels
        input = pad(input, (0, cols, 0, rows))
    return _conv_transpose(input, weight, bias, size=size, geometry=within(geometry, size))


def conv2d_weight(
    input: Tensor,
    output: Tensor,
    kernel_size: Size2,
    stride: Size2 = 1,
    padding: Size2 = 0,
    dilation: Size2 = 1,
    groups: int = 1,
) -> Tensor:
    """The adjoint of `conv2d` in its weight: w[o, c, k, l] = sum over n, i, j of x[n, c, i s + k d - p, ...] y[n, o, i, j].

    input (N, C, H, W), output (N, O, Ho, Wo) -> (O, C / groups, kh, kw). Raises ValueError for an output of another size than
    that of the convolution.
    """
    check_images("conv2d_weight", input=input, output=output)
    geometry = window("conv2d_weight", kernel_size, stride, padding, dilation, groups)
    needed = output_size("conv2d_weight", geometry, input.shape[2:])
    if output.shape[0] != input.shape[0] or output.shape[2:] != needed:
        raise ValueError(
            f"conv2d_weight: output has shape {output.shape}; needed ({input.shape[0]}, O, {needed[0]}, {needed[1]})"
        )
    if input.shape[1] % groups or output.shape[1] % groups:
        raise ValueError(f"conv2d_weight: groups={groups} must divide the channels of {input.shape} and {output.shape}")
    return _conv_weight(input, output, geometry=within(geometry, input.shape[2:]))


@primitive
def _im2col(x, *, geometry):
    return kernels(x).im2col(x, geometry)


@primitive
def _col2im(cols, *, size, geometry):
    return kernels(cols).col2im(cols, size, geometry)


_im2col.rules(x=lambda g, x_shape, geometry: _col2im(g, size=x_shape[2:], geometry=geometry))
_col2im.rules(cols=lambda g, geometry: _im2col(g, geometry=geometry))


def unfold(input: Tensor, kernel_size: Size2, dilation: Size2 = 1, padding: Size2 = 0, stride: Size2 = 1) -> Tensor:
    """im2col: every window of (N, C, H, W) as a column, (N, C kh kw, Ho Wo). A convolution is then one matrix product."""
    check_images("unfold", input=input)
    geometry = window("unfold", kernel_size, stride, padding, dilation)
    output_size("unfold", geometry, input.shape[2:])
    return _im2col(input, geometry=within(geometry, input.shape[2:]))


def fold(
    input: Tensor, output_size: Size2, kernel_size: Size2, dilation: Size2 = 1, padding: Size2 = 0, stride: Size2 = 1
) -> Tensor:
    """col2im, the adjoint of `unfold`: columns (N, C kh kw, Ho Wo) added back into an image of `output_size`."""
    geometry = window("fold", kernel_size, stride, padding, dilation)
    size = pair(output_size, "fold", "output_size", 1)
    taps = geometry.kernel[0] * geometry.kernel[1]
    rows, columns = geometry.output_size(size)
    if input.ndim != 3 or input.shape[1] % taps or input.shape[2] != rows * columns:
        raise ValueError(
            f"fold: input has shape {input.shape}; needed (N, C * {taps}, {rows} * {columns}) for output_size {size}"
        )
    return _col2im(input, size=size, geometry=within(geometry, size))
