"""Differentiable functions of Tensors, with PyTorch's names, arguments and defaults."""

from . import operators
from .activation import elu, gelu, hardswish, leaky_relu, prelu, relu, relu6
from .conv import conv2d, conv2d_weight, conv_transpose2d, fold, unfold
from .dropout import dropout, dropout2d
from .elementary import cos, erf, exp, expm1, log, log1p, pow, sin, sqrt
from .elementwise import (
    abs,
    add,
    cast,
    clamp,
    clone,
    div,
    eq,
    ge,
    gt,
    le,
    lt,
    maximum,
    minimum,
    move,
    mul,
    ne,
    neg,
    sub,
    where,
)
from .filter import bilateral_filter, gaussian_filter, permutohedral_filter
from .indexing import array_index, flip, gather, getitem, scatter_add, take
from .join import cat, chunk, narrow, split, stack
from .logistic import log_softmax, logsigmoid, logsumexp, sigmoid, softmax, softplus, tanh
from .loss import (
    binary_cross_entropy_with_logits,
    cross_entropy,
    l1_loss,
    mse_loss,
    nll_loss,
    one_hot,
    smooth_l1_loss,
)
from .matmul import linear, matmul
from .norm import batch_norm, group_norm, instance_norm, layer_norm
from .pad import crop, pad
from .pool import adaptive_avg_pool2d, adaptive_max_pool2d, avg_pool2d, max_pool2d, max_unpool2d
from .reduce import amax, amin, max, mean, min, std, sum, var
from .regions import (
    batched_nms,
    box_area,
    box_convert,
    box_iou,
    clip_boxes_to_image,
    crop_and_resize,
    decode_boxes,
    encode_boxes,
    generalized_box_iou,
    masks_to_boxes,
    multiscale_roi_align,
    nms,
    paste_masks,
    pyramid_levels,
    remove_small_boxes,
    roi_align,
    roi_pool,
)
from .regions.grid_sample import affine_grid, grid_sample
from .resize import interpolate, pixel_shuffle, pixel_unshuffle
from .segmentation_loss import dice_loss, focal_loss, lovasz_softmax, tversky_loss
from .shape import expand, flatten, permute, reshape, roll, squeeze, transpose, unsqueeze
