"""The exercises themselves, by subject."""

from . import (
    batch_norm,
    conv_backward,
    conv_transpose,
    cuda,
    forward_convs,
    mean_field,
    pooling,
    products,
    resize,
    roi_align,
    roi_backward,
    scatter,
    softmax,
    structure,
    unpooling,
    windows,
)
from .networks import anchors, aspp, convolutionalize, hypercolumn, mean_iou, paste, skips

PARTS = (
    products,
    softmax,
    windows,
    scatter,
    conv_backward,
    conv_transpose,
    batch_norm,
    convolutionalize,
    pooling,
    unpooling,
    resize,
    structure,
    forward_convs,
    roi_align,
    roi_backward,
    mean_field,
    cuda,
    skips,
    hypercolumn,
    aspp,
    anchors,
    paste,
    mean_iou,
)
ALL = tuple(exercise for part in PARTS for exercise in part.EXERCISES)
BY_NAME = {exercise.name: exercise for exercise in sorted(ALL, key=lambda e: e.lesson)}
