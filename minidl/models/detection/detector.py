"""A two-stage detector: transform, features, proposals, regions, detections; every intermediate result can be inspected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ... import nn
from ...autograd.tensor import Tensor
from ...backend import asarray
from ...typing import TensorLike
from .published import current_name
from .roi_heads import Regions, RoIHeads
from .rpn import Proposed, RegionProposalNetwork
from .targets import check_targets
from .transform import DetectionTransform


@dataclass
class Stages:
    """All intermediate results of a detector for one batch, in order.

    images: the batch (N, C, H, W), normalised and padded; sizes: (h, w) of each image in it; originals: their sizes as given;
    targets: checked and scaled (None in evaluation); features: {level: map}; proposed: results of the first stage (anchors,
    proposals, assigned targets, samples); regions: results of the second (sampled boxes, class logits, masks per class);
    losses: {name: Tensor} in training, else empty; detections: in the original images, None in training.
    """

    images: Tensor
    sizes: list
    originals: list
    targets: list | None
    features: dict
    proposed: Proposed
    regions: Regions
    losses: dict
    detections: list | None


class Detector(nn.Module):
    """`transform`, `backbone` (with pyramid), `rpn` and `roi_heads`, with torchvision's calling convention.

    In training `model(images, targets)` is a dictionary of losses; their sum is minimised. In evaluation `model(images)` is a
    list of dictionaries, best detections first: boxes (D, 4), labels (D,), scores (D,) and, with a mask head, masks
    (D, 1, H, W) of probabilities at the image's size; threshold them at 0.5.

    images: floats 0..1, a list of C x H x W of any sizes, or N x C x H x W; targets: one dictionary each of boxes (K, 4)
    (x1, y1, x2, y2 in pixels), labels (K,) of 1..num_classes - 1 and masks (K, H, W) of 0 and 1. K may be 0.
    """

    current_name = staticmethod(current_name)  # of a parameter in a published file

    def __init__(
        self,
        backbone: nn.Module,
        rpn: RegionProposalNetwork,
        roi_heads: RoIHeads,
        transform: DetectionTransform,
        num_classes: int,
    ) -> None:
        super().__init__()
        self.transform, self.backbone, self.rpn, self.roi_heads = transform, backbone, rpn, roi_heads
        self.num_classes = num_classes

    def forward(
        self, images: Sequence[TensorLike] | Tensor, targets: Sequence[Mapping[str, TensorLike]] | None = None
    ) -> dict[str, Tensor] | list[dict[str, Tensor]] | None:
        stages = self.stages(images, targets)
        return stages.losses if self.training else stages.detections

    def stages(
        self, images: Sequence[TensorLike] | Tensor, targets: Sequence[Mapping[str, TensorLike]] | None = None
    ) -> Stages:
        """The results of calling the model, with every intermediate one: see `Stages`."""
        images = [check_image(k, image, self.backbone.input_channels).to(self.device) for k, image in enumerate(images)]
        if not images:
            raise ValueError("detector: images is empty; needed at least one")
        originals = [image.shape[1:] for image in images]
        if self.training:
            masks = self.roi_heads.mask_head is not None
            targets = check_targets(targets, originals, self.num_classes, masks)
        else:
            targets = None
        batch, sizes, targets = self.transform(images, targets)
        features = self.backbone(batch)
        proposed = self.rpn(features, batch.shape[2:], sizes, targets)
        regions = self.roi_heads(features, proposed.boxes, sizes, targets)
        losses, detections = regions.losses | proposed.losses, None
        if not self.training:
            detections = self.transform.restore(regions.detections, sizes, originals)
        return Stages(batch, sizes, originals, targets, features, proposed, regions, losses, detections)


def check_image(k: int, image: TensorLike, channels: int) -> Tensor:
    """Image k as a Tensor; raises ValueError or TypeError unless it is floating point and channels x H x W."""
    image = image if isinstance(image, Tensor) else Tensor(asarray(image))
    if image.ndim != 3 or image.shape[0] != channels or not min(image.shape[1:]):
        raise ValueError(f"detector: image {k} has shape {image.shape}; needed ({channels}, H, W)")
    if image.dtype.kind != "f":
        raise TypeError(f"detector: image {k} is {image.dtype}; needed floats from 0 to 1 (divide uint8 by 255)")
    return image
