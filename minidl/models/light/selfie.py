"""MediaPipe's person segmentation: MobileNetV3 blocks (Howard et al. 2019) down to stride 16, gated bilinear decoder.

The file `selfie_segmentation.tflite` holds weights for people in front of a camera, 256 x 256, with batch norms folded in.
Its model card: "MediaPipe Selfie Segmentation", Google 2021, Apache-2.0.
"""

from __future__ import annotations

from ... import functional as F
from ... import nn
from ...autograd.tensor import Tensor
from ..segmentation.base import SegmentationNetwork

# kernel, stride, expanded channels, gate's hidden channels (0: no gate), output channels, hard-swish instead of ReLU
BLOCKS = (
    (3, 2, 16, 8, 16, False),  # stride 4
    (3, 2, 72, 0, 24, False),  # stride 8
    (3, 1, 88, 0, 24, False),
    (5, 2, 96, 24, 32, True),  # stride 16
    (5, 1, 128, 32, 32, True),
    (5, 1, 128, 32, 32, True),
    (5, 1, 96, 24, 32, True),
    (5, 1, 96, 24, 32, True),
)


class SameConv(nn.Conv2d):
    """A convolution whose padding is TensorFlow's "SAME": with stride 2 one pixel more at the bottom and right."""

    def __init__(self, inputs: int, outputs: int, kernel_size: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inputs, outputs, kernel_size, stride, groups=groups)
        self.spare = kernel_size - stride

    def forward(self, x: Tensor) -> Tensor:
        before, after = self.spare // 2, self.spare - self.spare // 2
        return super().forward(F.pad(x, (before, after, before, after)) if self.spare > 0 else x)


class Gate(nn.Module):
    """Squeeze and excitation: each channel is scaled by a sigmoid of two layers on the means of all channels."""

    def __init__(self, channels: int, middle: int) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(channels, middle, 1), nn.Conv2d(middle, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.sigmoid(self.up(F.relu(self.down(F.adaptive_avg_pool2d(x, 1)))))


class Block(nn.Module):
    """1x1 expansion, depthwise, gate, 1x1 projection; x is added where the shape stays (MobileNetV3, figure 4)."""

    def __init__(
        self, inputs: int, kernel: int, stride: int, wide: int, middle: int, outputs: int, swish: bool
    ) -> None:
        super().__init__()
        self.act = F.hardswish if swish else F.relu
        self.widen = nn.Conv2d(inputs, wide, 1)
        self.depthwise = SameConv(wide, wide, kernel, stride, groups=wide)
        self.gate = Gate(wide, middle) if middle else None
        self.narrow = nn.Conv2d(wide, outputs, 1)
        self.added = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = self.act(self.depthwise(self.act(self.widen(x))))
        y = self.narrow(y if self.gate is None else y * self.gate(y))
        return x + y if self.added else y


class Step(nn.Module):
    """Doubles the size bilinearly and adds the finer features, scaled by a gate computed from both."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(inputs, channels, 1)
        self.gate = Gate(channels, channels)
        self.mix = nn.Conv2d(channels, channels, 1)
        self.depthwise = SameConv(channels, channels, 3, groups=channels)

    def forward(self, deep: Tensor, fine: Tensor) -> Tensor:
        deep = self.reduce(F.interpolate(deep, scale_factor=2, mode="bilinear"))
        y = F.relu(self.mix(fine * self.gate(fine + deep) + deep))
        return y + F.relu(self.depthwise(y))


class SelfieSegmentation(SegmentationNetwork):
    """Takes images with values 0..1. With two classes only the score of "person" is computed; the background's is 0."""

    multiple = min_size = 16

    def __init__(self, num_classes: int = 2) -> None:
        super().__init__(num_classes)
        self.stem = SameConv(3, 16, 3, stride=2)
        inputs = (16, *(outputs for *_, outputs, _ in BLOCKS))
        self.blocks = nn.Sequential(*[Block(c, *sizes) for c, sizes in zip(inputs, BLOCKS)])
        self.deep, self.deep_gate = nn.Conv2d(32, 128, 1), nn.Conv2d(32, 128, 1)  # LR-ASPP
        self.step8, self.step4, self.step2 = Step(128, 24), Step(24, 16), Step(16, 16)
        self.score = nn.ConvTranspose2d(16, 1 if num_classes == 2 else num_classes, 2, stride=2)

    def logits(self, x: Tensor) -> dict[str, Tensor]:
        """Scores at the size of the image."""
        fine2 = F.hardswish(self.stem(x))  # (N, 16, H / 2, W / 2)
        fine4 = self.blocks[0](fine2)  # (N, 16, H / 4, W / 4)
        fine8 = self.blocks[2](self.blocks[1](fine4))  # (N, 24, H / 8, W / 8)
        y = fine8
        for block in list(self.blocks)[3:]:
            y = block(y)  # (N, 32, H / 16, W / 16)
        y = F.relu(self.deep(y)) * F.sigmoid(self.deep_gate(F.adaptive_avg_pool2d(y, 1)))
        y = self.step2(self.step4(self.step8(y, fine8), fine4), fine2)
        y = self.score(y)
        return {"out": F.cat([y * 0.0, y], 1) if self.num_classes == 2 else y}

    def current_name(self, name: str) -> str:
        """The name here of a weight in `selfie_segmentation.tflite`, whose layers are numbered in the order of this file."""
        layer, _, leaf = name.rpartition(".")
        return f"{self._numbered().get(layer, layer)}.{leaf}"

    def _numbered(self):
        names, counts = {"segment": "score"}, {"conv2d": 0, "depthwise_conv2d": 0}
        for path, module in self.named_modules():
            if isinstance(module, nn.Conv2d):
                kind = "depthwise_conv2d" if module.groups > 1 else "conv2d"
                names[f"{kind}_{counts[kind]}" if counts[kind] else kind] = path
                counts[kind] += 1
        return names


def selfie_segmentation(num_classes: int = 2) -> SelfieSegmentation:
    """MediaPipe's network for people in front of a camera; 106,401 parameters for two classes."""
    return SelfieSegmentation(num_classes)
