"""What a user may say about a layout, in one value that all readers take."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..image import ImageFormat


@dataclass(frozen=True)
class LayoutOptions:
    """classes: names, their number, or None to take what the data says; ignore_index: the label that does not count.

    images, masks: the names of the two folders; image_suffix, mask_suffix: what follows the common part of the names.
    decoder: from stored values or colours to labels (`mask.MaskValues`, `mask.ColorTable`).
    split: the share that validates where the layout does not divide the data; lists: a folder of train.txt, val.txt, ...
    unpaired: leave out images without a mask and masks without an image instead of refusing them.
    instances: objects instead of a label for every pixel, where the layout has them.
    boxes: objects need boxes alone; those without an outline are taken as rectangles.
    download: fetch what is missing.
    """

    classes: Any = None
    ignore_index: int = 255
    images: str = "images"
    masks: str = "masks"
    image_suffix: str = ""
    mask_suffix: str = ""
    decoder: Any = None
    split: float = 0.2
    lists: str | None = None
    unpaired: bool = False
    instances: bool = False
    boxes: bool = False
    download: bool = False
    image_format: ImageFormat = field(default_factory=ImageFormat)
