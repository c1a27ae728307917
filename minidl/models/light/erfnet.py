"""ERFNet (Romera et al. 2018, table I, figures 2 and 3): residual blocks of 3x1 and 1x3 convolutions."""

from __future__ import annotations

from collections.abc import Sequence

from ... import functional as F
from ... import nn
from ...autograd.tensor import Tensor
from ..segmentation.base import SegmentationNetwork


class Downsampler(nn.Module):
    """A 3x3 convolution of stride 2 and a 2x2 max-pool, concatenated to `outputs` channels (ENet's initial block)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs - inputs, 3, stride=2, padding=1)
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(F.cat([self.conv(x), F.max_pool2d(x, 2)], 1), relu=True)


class NonBottleneck1D(nn.Module):
    """Figure 2 c: two 3x3 convolutions, each as 3x1 then 1x3, the second pair dilated; added to x."""

    def __init__(self, channels: int, dropout: float = 0.0, dilation: int = 1) -> None:
        super().__init__()
        self.column1, self.row1 = _factors(channels, 1)
        self.bn1 = nn.BatchNorm2d(channels, eps=1e-3)
        self.column2, self.row2 = _factors(channels, dilation)
        self.bn2 = nn.BatchNorm2d(channels, eps=1e-3)
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn1(self.row1(F.relu(self.column1(x))), relu=True)
        y = self.bn2(self.row2(F.relu(self.column2(y))))
        return F.relu(self.dropout(y) + x)


def _factors(channels, d):
    return (
        nn.Conv2d(channels, channels, (3, 1), padding=(d, 0), dilation=(d, 1)),
        nn.Conv2d(channels, channels, (1, 3), padding=(0, d), dilation=(1, d)),
    )


class Upsampler(nn.Sequential):
    """Transposed 3x3 of stride 2."""

    def __init__(self, inputs: int, outputs: int) -> None:
        conv = nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1)
        super().__init__(conv, nn.BatchNorm2d(outputs, eps=1e-3), nn.ReLU())


class ERFNet(SegmentationNetwork):
    """Encoder to stride 8, decoder back; `width`: channels at strides 2, 4, 8; `dilations` of the blocks at stride 8."""

    multiple = min_size = 8

    def __init__(
        self,
        num_classes: int,
        width: Sequence[int] = (16, 64, 128),
        shallow: int = 5,
        dilations: Sequence[int] = (2, 4, 8, 16) * 2,
        dropout: Sequence[float] = (0.03, 0.3),
    ) -> None:
        super().__init__(num_classes)
        a, b, c = width
        self.encoder = nn.Sequential(
            Downsampler(3, a),
            Downsampler(a, b),
            *[NonBottleneck1D(b, dropout[0]) for _ in range(shallow)],
            Downsampler(b, c),
            *[NonBottleneck1D(c, dropout[1], d) for d in dilations],
        )
        self.decoder = nn.Sequential(
            Upsampler(c, b),
            NonBottleneck1D(b),
            NonBottleneck1D(b),
            Upsampler(b, a),
            NonBottleneck1D(a),
            NonBottleneck1D(a),
            nn.ConvTranspose2d(a, num_classes, 2, stride=2),
        )

    def logits(self, x: Tensor) -> dict[str, Tensor]:
        """Scores at the size of the image."""
        return {"out": self.decoder(self.encoder(x))}


def erfnet(num_classes: int = 20) -> ERFNet:
    """Table I; 2.06 M parameters."""
    return ERFNet(num_classes)


def erfnet_small(num_classes: int = 11) -> ERFNet:
    """For lessons: half the channels, fewer blocks."""
    return ERFNet(num_classes, (16, 32, 64), shallow=2, dilations=(1, 2, 4, 2), dropout=(0.0, 0.05))
