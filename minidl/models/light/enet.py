"""ENet (Paszke et al. 2016, table 1, figure 2): early downsampling, bottlenecks of few channels, a small unpooling decoder."""

from __future__ import annotations

from collections.abc import Sequence

from ... import functional as F
from ... import nn
from ...autograd.tensor import Tensor
from ..segmentation.base import SegmentationNetwork


class Initial(nn.Module):
    """Figure 2 a: a 3x3 convolution of stride 2 and a 2x2 max-pool, concatenated."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs - inputs, 3, stride=2, padding=1, bias=False)
        self.act = nn.Sequential(nn.BatchNorm2d(outputs), nn.PReLU(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return self.act(F.cat([self.conv(x), F.max_pool2d(x, 2)], 1))


def _layer(conv, act=nn.PReLU):
    channels = conv.out_channels
    return [conv, nn.BatchNorm2d(channels), act(channels) if act is nn.PReLU else act()]


def _middle(channels, kind, value, act):
    """The convolution of a bottleneck: regular 3x3, dilated 3x3, or asymmetric 5x1 and 1x5."""
    if kind == "asymmetric":
        column = nn.Conv2d(channels, channels, (value, 1), padding=(value // 2, 0), bias=False)
        row = nn.Conv2d(channels, channels, (1, value), padding=(0, value // 2), bias=False)
        return [column, *_layer(row, act)]
    return _layer(nn.Conv2d(channels, channels, 3, padding=value, dilation=value, bias=False), act)


class Bottleneck(nn.Module):
    """Figure 2 b: 1x1 to a quarter, convolution, 1x1 back, spatial dropout; added to x."""

    def __init__(
        self,
        channels: int,
        dropout: float,
        kind: str = "regular",
        value: int = 1,
        act: type[nn.PReLU] | type[nn.ReLU] = nn.PReLU,
    ) -> None:
        super().__init__()
        inner = channels // 4
        self.branch = nn.Sequential(
            *_layer(nn.Conv2d(channels, inner, 1, bias=False), act),
            *_middle(inner, kind, value, act),
            nn.Conv2d(inner, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.Dropout2d(dropout),
        )
        self.act = nn.PReLU(channels) if act is nn.PReLU else act()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(x + self.branch(x))


class Down(nn.Module):
    """A bottleneck that halves the size by a 2x2 convolution of stride 2; its shortcut is a max-pool that keeps its indices."""

    def __init__(self, inputs: int, outputs: int, dropout: float) -> None:
        super().__init__()
        inner = outputs // 4
        self.more = outputs - inputs
        self.branch = nn.Sequential(
            *_layer(nn.Conv2d(inputs, inner, 2, stride=2, bias=False)),
            *_middle(inner, "regular", 1, nn.PReLU),
            nn.Conv2d(inner, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.Dropout2d(dropout),
        )
        self.act = nn.PReLU(outputs)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        pooled, places = F.max_pool2d(x, 2, return_indices=True)
        padded = F.pad(pooled, (0, 0, 0, 0, 0, self.more))  # zeros for the new channels
        return self.act(padded + self.branch(x)), places


class Up(nn.Module):
    """A bottleneck that doubles the size by a transposed convolution; its shortcut unpools to the indices of a `Down`."""

    def __init__(self, inputs: int, outputs: int, dropout: float) -> None:
        super().__init__()
        inner = inputs // 4
        self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
        self.branch = nn.Sequential(
            *_layer(nn.Conv2d(inputs, inner, 1, bias=False), nn.ReLU),
            *_layer(nn.ConvTranspose2d(inner, inner, 2, stride=2, bias=False), nn.ReLU),
            nn.Conv2d(inner, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.Dropout2d(dropout),
        )

    def forward(self, x: Tensor, places: Tensor) -> Tensor:
        return F.relu(F.max_unpool2d(self.shortcut(x), places, 2) + self.branch(x))


# Table 1, bottlenecks 2.1 to 2.8; stage 3 repeats them.
STAGE = (
    ("regular", 1),
    ("dilated", 2),
    ("asymmetric", 5),
    ("dilated", 4),
    ("regular", 1),
    ("dilated", 8),
    ("asymmetric", 5),
    ("dilated", 16),
)


class ENet(SegmentationNetwork):
    """Table 1. `width`: channels of the initial block, at stride 4, at stride 8; `stages`: (kind, value) at stride 8."""

    multiple = min_size = 8

    def __init__(
        self,
        num_classes: int,
        width: Sequence[int] = (16, 64, 128),
        shallow: int = 4,
        stages: Sequence[tuple[str, int]] = STAGE * 2,
        dropout: Sequence[float] = (0.01, 0.1),
    ) -> None:
        super().__init__(num_classes)
        a, b, c = width
        self.initial = Initial(3, a)
        self.down1 = Down(a, b, dropout[0])
        self.stage1 = nn.Sequential(*[Bottleneck(b, dropout[0]) for _ in range(shallow)])
        self.down2 = Down(b, c, dropout[1])
        self.stage2 = nn.Sequential(*[Bottleneck(c, dropout[1], kind, value) for kind, value in stages])
        self.up4 = Up(c, b, dropout[1])
        self.stage4 = nn.Sequential(*[Bottleneck(b, dropout[1], act=nn.ReLU) for _ in range(2)])
        self.up5 = Up(b, a, dropout[1])
        self.stage5 = Bottleneck(a, dropout[1], act=nn.ReLU)
        self.score = nn.ConvTranspose2d(a, num_classes, 2, stride=2)

    def logits(self, x: Tensor) -> dict[str, Tensor]:
        """Scores at the size of the image."""
        x, places1 = self.down1(self.initial(x))
        x, places2 = self.down2(self.stage1(x))
        x = self.stage4(self.up4(self.stage2(x), places2))
        x = self.stage5(self.up5(x, places1))
        return {"out": self.score(x)}


def enet(num_classes: int = 19) -> ENet:
    """Table 1; 0.37 M parameters, as table 3's: bottlenecks are a quarter of their wider side."""
    return ENet(num_classes)


def enet_small(num_classes: int = 11) -> ENet:
    """For lessons: fewer channels, one stage of four bottlenecks, less dropout."""
    return ENet(num_classes, (16, 48, 96), 2, STAGE[:4], (0.0, 0.05))
