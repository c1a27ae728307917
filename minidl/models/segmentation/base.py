"""What every segmentation network here has in common: what it takes, what it returns, what it refuses."""

from __future__ import annotations

from ... import functional as F
from ... import nn
from ...autograd.tensor import Tensor
from ..backbones.base import Backbone, check_images
from ..blocks import pad_to_multiple, resize_to


class SegmentationNetwork(nn.Module):
    """Image batch (N, C, H, W) -> {"out": logits (N, num_classes, H, W)}, and "aux" where there is an auxiliary head.

    The one return convention of all networks, torchvision's: training adds the loss of "aux" with a small weight,
    prediction takes "out". A network defines `logits(x)`, the same dictionary at any resolution; what is coarser than
    the image is enlarged bilinearly. `least` is the smallest height and width it takes; images are padded with zeros at
    the bottom and right to a multiple of `multiple`, and the scores cropped back.
    """

    input_channels, least, multiple = 3, 1, 1

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        if num_classes < 1:
            raise ValueError(f"{type(self).__name__}: num_classes is {num_classes}; needed at least 1")
        self.num_classes = num_classes

    def logits(self, x: Tensor) -> dict[str, Tensor]:
        """{"out": ..., "aux": ...} at the network's own resolution."""
        raise NotImplementedError(f"{type(self).__name__}.logits")

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        check_images(type(self).__name__, x, self.input_channels, self.least)
        padded = pad_to_multiple(x, self.multiple)
        H, W = x.shape[2:]
        return {name: F.crop(resize_to(y, padded), 0, 0, H, W) for name, y in self.logits(padded).items()}


class OnBackbone(SegmentationNetwork):
    """A segmentation network on a backbone: takes the backbone's channels, and no image smaller than one deepest cell."""

    def __init__(self, backbone: Backbone, num_classes: int) -> None:
        super().__init__(num_classes)
        self.backbone = backbone
        self.input_channels = backbone.input_channels
        self.least = backbone.output_stride


def check_pooled_batch(function: str, x: Tensor, training: bool) -> None:
    """Refuse one image in training: globally pooled, each channel is one number, which has no variance to normalise by."""
    if training and x.shape[0] == 1:
        raise ValueError(
            f"{function}: a batch of one cannot be trained with global pooling and batch norm (input is {x.shape}); "
            "use at least two images a batch (and drop_last), or call eval() on the network"
        )
