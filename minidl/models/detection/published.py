"""Names in published files: torchvision's COCO weights, of 2019, use other names for four kinds of convolution."""

from __future__ import annotations

import re

RENAMED = (
    (r"(backbone\.fpn\.(?:inner|layer)_blocks\.\d+)\.(weight|bias)", r"\1.0.\2"),
    (r"rpn\.head\.conv\.(weight|bias)", r"rpn.head.conv.0.0.\1"),
    (r"roi_heads\.mask_head\.mask_fcn(\d+)\.(weight|bias)", lambda m: f"roi_heads.mask_head.{int(m[1]) - 1}.0.{m[2]}"),
)


def current_name(name: str) -> str:
    """The name in this library, and in torchvision's code, of a parameter named as in a published file."""
    for pattern, new in RENAMED:
        if found := re.fullmatch(pattern, name):
            return found.expand(new) if isinstance(new, str) else new(found)
    return name
