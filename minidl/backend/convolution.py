"""The algorithm of convolutions on the CPU: choosing one, and explaining the automatic choice."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import numpy as np

from ..kernels.geometry import Geometry
from ..typing import DTypeLike, Size2


@contextlib.contextmanager
def conv_algorithm(name: str) -> Iterator[None]:
    """Convolutions inside the `with` block use algorithm `name` wherever it can serve, elsewhere the automatic choice.

    name is "winograd", "depthwise", "implicit_gemm", "direct_channels", "direct_pixels", "dilated", "im2col" or "auto";
    `explain_conv` inside the block says what is used. Former names are accepted: "product" for implicit_gemm, "channels"
    and "tiled" for direct_channels and direct_pixels, "zones" for dilated.

    Winograd's rounding error is about 1e-5 of the largest value within 6 pixels of a result, the other algorithms' about 1e-7
    of the terms of each sum. Where an image has a few very large values (1e6 next to 1), choose "direct_channels", whose
    rounding errors stay inside the windows that contain them. NaN and infinity do so with every algorithm.
    """
    from ..kernels.cpu.conv import choice as conv

    chosen = conv.FORMER_NAMES.get(name, name)
    if chosen not in conv.ALGORITHMS:
        raise ValueError(f"conv_algorithm: name must be one of {conv.ALGORITHMS}, not {name!r}")
    token = conv.override.set(chosen)
    try:
        yield
    finally:
        conv.override.reset(token)


def explain_conv(
    x_shape: Sequence[int],
    w_shape: Sequence[int],
    stride: Size2 = 1,
    padding: Size2 = 0,
    dilation: Size2 = 1,
    groups: int = 1,
    dtype: DTypeLike = np.float32,
) -> str:
    """A text with the CPU column's algorithms for conv2d and both its gradients, and the reasons for and against each.

    A line for each convolution, followed by a line for each rejected row of the table (kernels/cpu/conv/choice.py).
    x_shape is (N, C, H, W), w_shape (O, C/groups, kh, kw); other arguments as in `functional.conv2d`.
    """
    from ..kernels.cpu.conv import choice as conv

    if len(x_shape) != 4 or len(w_shape) != 4 or x_shape[1] != w_shape[1] * groups or w_shape[0] % groups:
        raise ValueError(
            f"explain_conv: needed x_shape (N, C, H, W) and w_shape (O, C/{groups}, kh, kw) with O divisible by {groups};"
            f" got {tuple(x_shape)} and {tuple(w_shape)}"
        )
    pair = lambda value: (value, value) if isinstance(value, int) else tuple(value)
    geometry = Geometry(tuple(w_shape[2:]), pair(stride), pair(padding), pair(dilation), groups)
    if min(geometry.output_size(x_shape[2:])) < 1:
        raise ValueError(f"explain_conv: a kernel of {geometry.extent} pixels does not fit into {tuple(x_shape[2:])}")
    lines = []
    for direction, title in (("forward", "conv2d"), ("data", "gradient of x"), ("weight", "gradient of w")):
        name, reason, refused = conv.choose(tuple(x_shape), tuple(w_shape), geometry, np.dtype(dtype), direction)
        lines.append(f"{title:13}  {name:15}  {reason}")
        lines += [f"{'':13}  not {algorithm:15}  {why}" for algorithm, why in refused]
    return "\n".join(lines)
