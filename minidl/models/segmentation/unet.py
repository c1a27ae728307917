"""U-Net (Ronneberger, Fischer and Brox 2015, figure 1): a contracting path, an expanding path, and skip connections.

conv conv ------------------ copy ------------------> cat conv conv -> 1x1
     pool                                              up
       conv conv ----------- copy -----------> cat conv conv
            pool                                up
              conv conv ------------------------'
"""

from __future__ import annotations

from itertools import pairwise

from ... import functional as F
from ... import nn
from ...autograd.tensor import Tensor
from .base import SegmentationNetwork

UPS, PADDINGS = ("transposed", "resize"), ("same", "valid")


class UNet(SegmentationNetwork):
    """`depth` halvings, `base` channels at the top, twice as many at each level below.

    up: "transposed" (2x2 stride 2, the paper's up-convolution), or "resize" (nearest neighbour, then 3x3), which cannot
        make a checkerboard.
    padding: "valid" as in the paper (no output depends on padding; the output is smaller by `margin` on each side), or
        "same" (the output has the input's size: where halving an odd size drops a row, 7 to 3 to 6, the last row is
        repeated on the way up).
    dropout: at the bottom of the contracting path (section 3.1).
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 21,
        depth: int = 4,
        base: int = 64,
        up: str = "transposed",
        padding: str = "same",
        batch_norm: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(num_classes)
        if up not in UPS or padding not in PADDINGS:
            raise ValueError(f"UNet: up={up!r}, padding={padding!r}; needed one of {UPS} and one of {PADDINGS}")
        if not 1 <= depth <= 10 or base < 1:
            raise ValueError(f"UNet: depth={depth}, base={base}; needed a depth of 1 to 10 and a base of at least 1")
        self.input_channels, self.depth, self.valid = in_channels, depth, padding == "valid"
        widths = [base * 2**level for level in range(depth + 1)]
        pad = 0 if self.valid else 1
        self.margin = _margin(depth, up) if self.valid else 0
        self.min_size = 2 * self.margin + 1 if self.valid else 2**depth
        self.down = nn.ModuleList([_double(a, b, pad, batch_norm) for a, b in zip([in_channels, *widths[:-1]], widths)])
        self.pool = nn.MaxPool2d(2)
        self.drop = nn.Dropout(dropout)
        self.up = nn.ModuleList([_up(b, a, up, pad) for a, b in pairwise(widths)][::-1])
        self.merge = nn.ModuleList([_double(2 * a, a, pad, batch_norm) for a in widths[:-1]][::-1])
        self.score = nn.Conv2d(base, num_classes, 1)
        self.apply(_initialise)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """{"out": (N, num_classes, H, W)}, or H - 2 margin by W - 2 margin (at most) with valid padding."""
        return super().forward(x) if not self.valid else self._forward_valid(x)

    def _forward_valid(self, x):
        if x.ndim == 4 and min(x.shape[2:]) < self.input_size(1):
            raise ValueError(
                f"UNet: input is {x.shape[2]}x{x.shape[3]}; valid padding at depth {self.depth} needs at least "
                f"{self.input_size(1)}x{self.input_size(1)} for one pixel of output"
            )
        return self.logits(x)

    def logits(self, x: Tensor) -> dict[str, Tensor]:
        """Scores at the network's own output size."""
        if x.ndim != 4 or x.shape[1] != self.input_channels:
            raise ValueError(f"UNet: input is {x.shape}; needed (N, {self.input_channels}, H, W)")
        skips = []
        for level, block in enumerate(self.down):
            x = block(self.pool(x) if level else x)
            skips.append(x)
        x = self.drop(skips.pop())  # (N, 2^depth base, H / 2^depth, W / 2^depth)
        for up, block in zip(self.up, self.merge):
            skip, x = skips.pop(), up(x)
            x = block(F.cat([_centre(skip, x), x] if self.valid else [skip, _grow(x, skip)], 1))
        return {"out": self.score(x)}

    def input_size(self, output_size: int) -> int:
        """The smallest input side that, with valid padding, halves evenly at every level and gives `output_size` or more."""
        size = output_size + 2 * self.margin
        while self.valid and not self._even(size):
            size += 1
        return size

    def _even(self, size):
        for _ in range(self.depth):
            size -= 4  # two 3x3 convolutions
            if size % 2 or size < 2:
                return False
            size //= 2
        return size > 4


def _double(inputs, outputs, pad, batch_norm):
    layers = []
    for channels in (inputs, outputs):
        layers.append(nn.Conv2d(channels, outputs, 3, padding=pad, bias=not batch_norm))
        layers += [nn.BatchNorm2d(outputs)] if batch_norm else []
        layers.append(nn.ReLU())
    return nn.Sequential(*layers)


def _up(inputs, outputs, kind, pad):
    if kind == "transposed":
        return nn.ConvTranspose2d(inputs, outputs, 2, stride=2)
    return nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(inputs, outputs, 3, padding=pad))


def _centre(skip, x):
    """The centre of `skip` at the size of `x`; of an odd surplus one more is cropped at the end, where pooling drops it."""
    (H, W), (h, w) = skip.shape[2:], x.shape[2:]
    return F.crop(skip, (H - h) // 2, (W - w) // 2, h, w)


def _grow(x, skip):
    """x with its last row and column repeated until it is as large as `skip`."""
    (H, W), (h, w) = skip.shape[2:], x.shape[2:]
    return F.pad(x, (0, W - w, 0, H - h), mode="replicate")


def _margin(depth, up):
    """Pixels lost at each side: 2 per pair of convolutions, times the level's stride (figure 1: 572 to 388, 92 a side)."""
    levels = 2**depth - 1  # 1 + 2 + ... + 2^(depth - 1)
    return 2 * levels + 2 * 2**depth + 2 * levels + (levels if up == "resize" else 0)


def _initialise(module):
    """Standard deviation sqrt(2 / fan-in) (section 3)."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def unet(
    in_channels: int = 3,
    num_classes: int = 21,
    depth: int = 4,
    base: int = 64,
    up: str = "transposed",
    padding: str = "same",
    batch_norm: bool = False,
) -> UNet:
    """U-Net with same padding: the output has the input's size; 31.03 M parameters at base 64."""
    return UNet(in_channels, num_classes, depth, base, up, padding, batch_norm)


def unet_paper(in_channels: int = 1, num_classes: int = 2) -> UNet:
    """Exactly figure 1: 572x572 grey values in, 388x388 scores out; `predict_tiled` mirrors and tiles larger images."""
    return UNet(in_channels, num_classes, padding="valid", dropout=0.5)


def unet_small(num_classes: int = 11, in_channels: int = 3, up: str = "transposed") -> UNet:
    """For lessons: depth 3, base 16, batch norm."""
    return UNet(in_channels, num_classes, depth=3, base=16, up=up, batch_norm=True)
