"""The exercises themselves, by subject."""

from . import (
    anchors,
    aspp,
    batch_norm,
    conv_backward,
    conv_transpose,
    convolutionalize,
    cuda,
    forward_convs,
    hypercolumn,
    mean_field,
    mean_iou,
    paste,
    pooling,
    products,
    resize,
    roi_align,
    scatter,
    skips,
    softmax,
    structure,
    windows,
)

PARTS = (
    products, softmax, windows, scatter, conv_backward, conv_transpose, batch_norm, convolutionalize, pooling, resize,
    structure, forward_convs, roi_align, mean_field, cuda, skips, hypercolumn, aspp, anchors, paste, mean_iou,
)  # fmt: skip
ALL = tuple(exercise for part in PARTS for exercise in part.EXERCISES)
