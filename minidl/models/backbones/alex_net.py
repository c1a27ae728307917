"""AlexNet (Krizhevsky et al. 2012), in the one-tower form of "One weird trick" (Krizhevsky 2014) that torchvision has."""

from __future__ import annotations

from ... import functional as F
from ... import nn
from ...autograd.tensor import Tensor
from .base import Backbone, Stage, collect


class AlexNet(Backbone):
    """Five convolutions, three overlapping 3x3 stride 2 max-pools, three fully connected layers."""

    def __init__(self, num_classes: int | None = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 11, stride=4, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
        )
        # an 11x11 window padded by 2 is centred on pixel 3; each pool moves the centre by one cell of its input
        self.stages = {
            "conv1": Stage(4, 64, 3),
            "pool1": Stage(8, 64, 7),
            "pool2": Stage(16, 192, 15),
            "conv4": Stage(16, 256, 15),
            "pool5": Stage(32, 256, 31),
        }
        if num_classes:
            self.avgpool = nn.AdaptiveAvgPool2d((6, 6))  # the identity for 224x224 images
            self.classifier = nn.Sequential(
                nn.Dropout(dropout),
                nn.Linear(256 * 6 * 6, 4096),
                nn.ReLU(),
                nn.Dropout(dropout),
                nn.Linear(4096, 4096),
                nn.ReLU(),
                nn.Linear(4096, num_classes),
            )

    def check_input(self, x: Tensor) -> None:
        super().check_input(x)
        if min(x.shape[2:]) < 63:
            raise ValueError(f"AlexNet: input is {x.shape[2]}x{x.shape[3]}; needed at least 63x63 pixels")

    def pyramid(self, x: Tensor) -> dict[str, Tensor]:
        """conv1, pool1, pool2, conv4, pool5."""
        self.check_input(x)
        ends = {1: "conv1", 2: "pool1", 5: "pool2", 9: "conv4", 12: "pool5"}  # index in `features` -> stage
        return collect(self.features, ends, x)

    def classify(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, num_classes)."""
        x = self.avgpool(self.features(x))  # (N, 256, 6, 6)
        return self.classifier(F.flatten(x, 1))


def alexnet(num_classes: int | None = 1000, dropout: float = 0.5) -> AlexNet:
    """AlexNet with torchvision's parameter names; 61.10 M parameters. `num_classes=None`: features only."""
    return AlexNet(num_classes, dropout)
