"""The interface of backbones: names, strides and channels of their features, so that any decoder works with any backbone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ... import nn
from ...autograd.tensor import Tensor


class Stage(NamedTuple):
    """A named feature map: one cell per `stride` input pixels, `channels` values; cell 0 is centred on pixel `centre`."""

    stride: int
    channels: int
    centre: float = 0.0


class Backbone(nn.Module):
    """A classifier that also returns its intermediate feature maps by name.

    `stages` is {name: Stage} from the image inwards; `pyramid(x)` returns {name: Tensor} with the same names, where
    the tensor has `stages[name].channels` channels and H / stride rows, rounded up or down. A constructor with
    `num_classes=None` leaves the classification head out.
    """

    stages: dict  # {name: Stage}
    input_channels = 3

    def pyramid(self, x: Tensor) -> dict[str, Tensor]:
        """Features by name."""
        raise NotImplementedError(f"{type(self).__name__}.pyramid")

    def classify(self, x: Tensor) -> Tensor:
        """Scores (N, classes) of an image batch; needs the classification head (`num_classes` is not None)."""
        raise NotImplementedError(f"{type(self).__name__}.classify")

    def forward(self, x: Tensor) -> Tensor:
        if not self.num_classes:
            raise RuntimeError(
                f"{type(self).__name__}: built with num_classes=None, it has no classification head; call pyramid(x)"
            )
        self.check_input(x)
        return self.classify(x)

    def check_input(self, x: Tensor) -> None:
        """Raise ValueError unless x is (N, input_channels, H, W)."""
        check_images(type(self).__name__, x, self.input_channels)

    def at_stride(self, stride: int) -> str:
        """The name of the deepest stage with one cell per `stride` pixels."""
        names = [name for name, stage in self.stages.items() if stage.stride == stride]
        if not names:
            have = ", ".join(f"{name} (stride {stage.stride})" for name, stage in self.stages.items())
            raise ValueError(f"{type(self).__name__}: no stage has stride {stride}; it offers {have}")
        return names[-1]

    @property
    def last(self) -> str:
        """The name of the deepest stage."""
        return list(self.stages)[-1]

    @property
    def output_stride(self) -> int:
        """The stride of the deepest stage."""
        return self.stages[self.last].stride


def collect(layers: nn.Sequential, ends: Mapping[int, str], x: Tensor) -> dict[str, Tensor]:
    """{name: output of layers[i]} for every i: name in `ends`, of a Sequential applied to x."""
    found, start = {}, 0
    for i, name in ends.items():
        x = found[name] = layers[start : i + 1](x)
        start = i + 1
    return found


def check_images(function: str, x: Tensor, channels: int, min_size: int = 1) -> None:
    """Raise ValueError unless x is (N, channels, H, W) with H and W of at least `min_size` pixels."""
    if x.ndim != 4 or x.shape[1] != channels:
        raise ValueError(f"{function}: input is {x.shape}; needed (N, {channels}, H, W)")
    if min(x.shape[2:]) < min_size:
        raise ValueError(
            f"{function}: input is {x.shape[2]}x{x.shape[3]}; needed at least {min_size}x{min_size} pixels "
            "(one cell of the deepest features); enlarge or pad the image"
        )


def check_output_stride(function: str, output_stride: int, allowed: Sequence[int] = (8, 16, 32)) -> None:
    """Raise ValueError unless the output stride is one of `allowed`."""
    if output_stride not in allowed:
        raise ValueError(f"{function}: output_stride is {output_stride}; needed one of {allowed}")


class Dilation:
    """Turns strides into dilations once the output stride is reached (Chen et al. 2017, section 3.1).

    `stride, dilation = plan(stride)` for each layer in turn: while the product of strides stays within
    `output_stride` the layer keeps its stride, afterwards the stride becomes 1 and later layers are dilated by it.
    `dilation` is that of the convolutions after the strided one; `plan.before` is that of the strided one itself.
    """

    def __init__(self, output_stride: int, stride: int = 1) -> None:
        self.output_stride, self.stride, self.dilation = output_stride, stride, 1

    def __call__(self, stride: int) -> tuple[int, int]:
        self.before = self.dilation
        if self.stride * stride <= self.output_stride:
            self.stride *= stride
        else:
            self.dilation *= stride
            stride = 1
        return stride, self.dilation
