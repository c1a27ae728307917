"""ESPNet (Mehta et al. 2018, figures 1 and 4): reduce, split, transform, merge.

A 1x1 convolution reduces to a fifth of the channels, and five 3x3 convolutions with dilations 1 to 16 read the reduced map.
Their cumulative sums are concatenated, which removes gridding artefacts (hierarchical feature fusion, HFF, section 3.2).
"""

from __future__ import annotations

from collections.abc import Sequence

from ... import functional as F
from ... import nn
from ...autograd.tensor import Tensor
from ..segmentation.base import SegmentationNetwork

RATES = (1, 2, 4, 8, 16)


def _bn_prelu(channels):
    return nn.Sequential(nn.BatchNorm2d(channels, eps=1e-3), nn.PReLU(channels))


class ESP(nn.Module):
    """The efficient spatial pyramid module (figure 1 b); with `stride` 2 the reduction is a 3x3 that halves the size."""

    def __init__(
        self, inputs: int, outputs: int, stride: int = 1, residual: bool = True, rates: Sequence[int] = RATES
    ) -> None:
        super().__init__()
        share = outputs // len(rates)
        kernel = 3 if stride == 2 else 1
        self.residual = residual and stride == 1
        self.reduce = nn.Conv2d(inputs, share, kernel, stride, padding=kernel // 2, bias=False)
        first = outputs - share * (len(rates) - 1)  # the share plus the remainder of the division
        self.transform = nn.ModuleList(
            [
                nn.Conv2d(share, first if k == 0 else share, 3, padding=rate, dilation=rate, bias=False)
                for k, rate in enumerate(rates)
            ]
        )
        self.act = _bn_prelu(outputs)

    def forward(self, x: Tensor) -> Tensor:
        reduced = self.reduce(x)
        first, *others = [conv(reduced) for conv in self.transform]
        merged, total = [first], None
        for y in others:
            total = y if total is None else total + y  # hierarchical feature fusion
            merged.append(total)
        y = F.cat(merged, 1)
        return self.act(x + y if self.residual else y)


class ESPNet(SegmentationNetwork):
    """Figure 4 d: encoder to stride 8 with the image fed in again at strides 2 and 4; decoder by reduce, upsample, merge.

    p, q: ESP modules at strides 4 and 8 (alpha_2, alpha_3). width: channels at strides 2, 4, 8.
    """

    multiple = min_size = 8

    def __init__(
        self,
        num_classes: int,
        p: int = 2,
        q: int = 8,
        width: Sequence[int] = (16, 64, 128),
        rates: Sequence[int] = RATES,
    ) -> None:
        super().__init__(num_classes)
        a, b, c, K = *width, num_classes
        self.level1 = nn.Sequential(nn.Conv2d(3, a, 3, stride=2, padding=1, bias=False), *_bn_prelu(a))
        self.merge1 = _bn_prelu(a + 3)
        self.down2 = ESP(a + 3, b, stride=2, rates=rates)
        self.level2 = nn.Sequential(*[ESP(b, b, rates=rates) for _ in range(p)])
        self.merge2 = _bn_prelu(2 * b + 3)
        self.down3 = ESP(2 * b + 3, c, stride=2, rates=rates)
        self.level3 = nn.Sequential(*[ESP(c, c, rates=rates) for _ in range(q)])
        self.merge3 = _bn_prelu(2 * c)
        self.score3 = nn.Sequential(nn.Conv2d(2 * c, K, 1, bias=False), nn.BatchNorm2d(K, eps=1e-3))
        self.up3 = nn.ConvTranspose2d(K, K, 2, stride=2, bias=False)
        self.score2 = nn.Conv2d(2 * b + 3, K, 1, bias=False)
        self.fuse2 = nn.Sequential(*_bn_prelu(2 * K), ESP(2 * K, K, residual=False, rates=_fitting(rates, K)))
        self.up2 = nn.Sequential(nn.ConvTranspose2d(K, K, 2, stride=2, bias=False), *_bn_prelu(K))
        self.fuse1 = nn.Sequential(nn.Conv2d(a + 3 + K, K, 3, padding=1, bias=False), *_bn_prelu(K))
        self.up1 = nn.ConvTranspose2d(K, K, 2, stride=2, bias=False)

    def logits(self, x: Tensor) -> dict[str, Tensor]:
        """Scores at the size of the image."""
        half = F.avg_pool2d(x, 3, 2, padding=1)
        quarter = F.avg_pool2d(half, 3, 2, padding=1)
        x1 = self.merge1(F.cat([self.level1(x), half], 1))
        y = self.down2(x1)
        x2 = self.merge2(F.cat([self.level2(y), y, quarter], 1))
        y = self.down3(x2)
        x3 = self.merge3(F.cat([y, self.level3(y)], 1))
        y = self.up3(self.score3(x3))  # (N, K, H / 4, W / 4)
        y = self.up2(self.fuse2(F.cat([self.score2(x2), y], 1)))
        y = self.up1(self.fuse1(F.cat([y, x1], 1)))
        return {"out": y}


def _fitting(rates, channels):
    """The first rates, at most one per channel."""
    return rates[: max(1, channels)]


def espnet(num_classes: int = 20, p: int = 2, q: int = 8) -> ESPNet:
    """alpha_2 = 2, alpha_3 = 8; 0.364 M parameters (table 4)."""
    return ESPNet(num_classes, p, q)


def espnet_small(num_classes: int = 11) -> ESPNet:
    """For lessons: four rates, fewer modules, two thirds of the channels."""
    return ESPNet(num_classes, 1, 3, (16, 48, 96), RATES[:4])
