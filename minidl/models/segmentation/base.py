"""The common interface of segmentation networks: checks of the input, padding, enlargement of the scores."""

from __future__ import annotations

from ... import functional as F
from ... import nn
from ...autograd.tensor import Tensor
from ..backbones.base import Backbone, check_images
from ..blocks import pad_to_multiple, resize_to


class SegmentationNetwork(nn.Module):
    """Image batch (N, C, H, W) -> {"out": logits (N, num_classes, H, W)}, and "aux" where there is an auxiliary head.

    All networks return torchvision's dictionary: training adds the loss of "aux" with a small weight, prediction takes "out".
    A subclass defines `logits(x)`, the same dictionary at any resolution; scores coarser than the image are enlarged
    bilinearly. `min_size` is the smallest height and width of an image; images are padded with zeros at the bottom and
    right to a multiple of `multiple`, and the scores are cropped to the image's size.
    """

    input_channels, min_size, multiple = 3, 1, 1

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        if num_classes < 1:
            raise ValueError(f"{type(self).__name__}: num_classes is {num_classes}; needed at least 1")
        self.num_classes = num_classes

    def logits(self, x: Tensor) -> dict[str, Tensor]:
        """{"out": ..., "aux": ...} at the network's own resolution."""
        raise NotImplementedError(f"{type(self).__name__}.logits")

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        check_images(type(self).__name__, x, self.input_channels, self.min_size)
        padded = pad_to_multiple(x, self.multiple)
        H, W = x.shape[2:]
        return {name: F.crop(resize_to(y, padded), 0, 0, H, W) for name, y in self.logits(padded).items()}


class OnBackbone(SegmentationNetwork):
    """A segmentation network on a backbone; the smallest image is one cell of the deepest stage."""

    def __init__(self, backbone: Backbone, num_classes: int) -> None:
        super().__init__(num_classes)
        self.backbone = backbone
        self.input_channels = backbone.input_channels
        self.min_size = backbone.output_stride


def check_pooled_batch(function: str, x: Tensor, training: bool) -> None:
    """Raise ValueError for a batch of one in training: after global pooling a channel is one number, without a variance."""
    if training and x.shape[0] == 1:
        raise ValueError(
            f"{function}: a batch of one cannot be trained with global pooling and batch norm (input is {x.shape}); "
            "use at least two images per batch (and drop_last=True), or call eval() on the network"
        )
