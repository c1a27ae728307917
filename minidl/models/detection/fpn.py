"""Feature pyramid network: features of deep stages are added to fine ones (Lin et al. 2017, figure 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ... import functional as F
from ... import nn
from ...autograd.tensor import Tensor
from ..backbones.base import Backbone, Stage


class FeaturePyramidNetwork(nn.Module):
    """{name: (N, channels_i, H_i, W_i)}, finest first -> the same names with `out_channels` each.

    From coarse to fine: each stage, after a 1x1 convolution (`inner_blocks`), is added to the coarser level, which nearest
    neighbour interpolation enlarges to its size; a 3x3 (`layer_blocks`) smooths the sum (section 3). `extra="pool"` appends
    the level "pool", every second cell of the coarsest, which serves the largest anchors only (section 4.1).
    """

    def __init__(self, in_channels: Sequence[int], out_channels: int = 256, extra: str | None = None) -> None:
        super().__init__()
        if not in_channels or extra not in (None, "pool"):
            raise ValueError(
                f"FeaturePyramidNetwork: in_channels {in_channels}, extra {extra!r}; needed some levels, and None or 'pool'"
            )
        self.extra = extra
        self.inner_blocks = nn.ModuleList([nn.Sequential(nn.Conv2d(n, out_channels, 1)) for n in in_channels])
        self.layer_blocks = nn.ModuleList(
            [nn.Sequential(nn.Conv2d(out_channels, out_channels, 3, padding=1)) for _ in in_channels]
        )
        for conv in self.modules():
            if isinstance(conv, nn.Conv2d):
                nn.init.kaiming_uniform_(conv.weight, a=1)
                nn.init.zeros_(conv.bias)

    def forward(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        if len(features) != len(self.inner_blocks):
            raise ValueError(
                f"FeaturePyramidNetwork: features are {list(features)}; needed {len(self.inner_blocks)} of them"
            )
        levels, top = {}, None
        for name, inner, smooth in reversed(list(zip(features, self.inner_blocks, self.layer_blocks))):
            lateral = inner(features[name])
            top = lateral if top is None else lateral + F.interpolate(top, lateral.shape[2:], mode="nearest")
            levels[name] = smooth(top)
        levels = dict(reversed(levels.items()))
        if self.extra:
            levels["pool"] = F.max_pool2d(levels[list(features)[-1]], 1, 2)
        return levels


class BackboneWithFPN(nn.Module):
    """A backbone (`body`) and a pyramid (`fpn`) on its stages `names`, by default all; levels are called "0", "1", ...

    `stages` is {level: Stage(stride, channels)} as a backbone's.
    """

    def __init__(
        self, body: Backbone, out_channels: int = 256, names: Sequence[str] | None = None, extra: str | None = "pool"
    ) -> None:
        super().__init__()
        self.names = list(body.stages) if names is None else list(names)
        if unknown := [name for name in self.names if name not in body.stages]:
            raise ValueError(f"BackboneWithFPN: {type(body).__name__} has no {unknown}; it offers {list(body.stages)}")
        chosen = [body.stages[name] for name in self.names]
        self.body, self.out_channels, self.input_channels = body, out_channels, body.input_channels
        self.fpn = FeaturePyramidNetwork([stage.channels for stage in chosen], out_channels, extra)
        strides = [stage.stride for stage in chosen]
        self.stages = {str(k): Stage(stride, out_channels) for k, stride in enumerate(strides)}
        if extra:
            self.stages["pool"] = Stage(2 * strides[-1], out_channels)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """(N, C, H, W) -> {level: (N, out_channels, H / stride, W / stride)}."""
        found = self.body.pyramid(x)
        return self.fpn({str(k): found[name] for k, name in enumerate(self.names)})
