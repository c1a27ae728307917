"""Boxes and regions of interest: overlaps, non-maximum suppression, ROI Align, ROI Pool, pasting of masks."""

from .boxes import (
    batched_nms,
    box_area,
    box_convert,
    box_iou,
    clip_boxes_to_image,
    decode_boxes,
    encode_boxes,
    generalized_box_iou,
    masks_to_boxes,
    nms,
    remove_small_boxes,
)
from .crop_and_resize import crop_and_resize
from .multiscale import multiscale_roi_align, pyramid_levels
from .paste import paste_masks
from .roi import roi_align, roi_pool
