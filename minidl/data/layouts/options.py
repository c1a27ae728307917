"""Options of layouts, in one value that all readers take."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..image import ImageFormat


@dataclass(frozen=True)
class LayoutOptions:
    """classes: names, their number, or None for those of the data; ignore_index: the label that does not count.

    images, masks: the names of the two folders; image_suffix, mask_suffix: the text after the common part of the names.
    decoder: converts stored values or colours to labels (`mask.MaskValues`, `mask.ColorTable`).
    split: the share for validation where the layout has no parts; lists: a folder of train.txt, val.txt, ...
    unpaired: leave out images without a mask and masks without an image instead of raising an error.
    instances: objects instead of a label for every pixel, where the layout has them.
    boxes: objects need boxes only; those without an outline become rectangles.
    download: download missing files.
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
