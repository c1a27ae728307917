"""The calculus: differentiable functions of Tensors, with PyTorch's names, arguments and defaults."""

from . import operators
from .activation import elu, gelu, hardswish, leaky_relu, prelu, relu, relu6, sigmoid, tanh
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
from .conv import conv2d, conv2d_weight, conv_transpose2d, fold, unfold
from .crop_and_resize import crop_and_resize
from .dropout import dropout, dropout2d
from .elementwise import (
    abs,
    add,
    cast,
    clamp,
    clone,
    cos,
    div,
    eq,
    erf,
    exp,
    ge,
    gt,
    le,
    log,
    lt,
    maximum,
    minimum,
    move,
    mul,
    ne,
    neg,
    pow,
    sin,
    sqrt,
    sub,
    where,
)
from .filter import bilateral_filter, gaussian_filter, permutohedral_filter
from .grid_sample import affine_grid, grid_sample
from .loss import (
    binary_cross_entropy_with_logits,
    cross_entropy,
    dice_loss,
    focal_loss,
    l1_loss,
    log_softmax,
    mse_loss,
    nll_loss,
    one_hot,
    smooth_l1_loss,
    softmax,
)
from .matmul import linear, matmul
from .multiscale import multiscale_roi_align, pyramid_levels
from .norm import batch_norm, group_norm, instance_norm, layer_norm
from .pad import crop, pad
from .paste import paste_masks
from .pool import adaptive_avg_pool2d, adaptive_max_pool2d, avg_pool2d, max_pool2d, max_unpool2d
from .reduce import amax, amin, logsumexp, max, mean, min, std, sum, var
from .region_loss import lovasz_softmax, tversky_loss
from .resize import interpolate, pixel_shuffle, pixel_unshuffle
from .roi import roi_align, roi_pool
from .shape import (
    array_index,
    cat,
    chunk,
    expand,
    flatten,
    flip,
    gather,
    getitem,
    narrow,
    permute,
    reshape,
    roll,
    scatter_add,
    split,
    squeeze,
    stack,
    take,
    transpose,
    unsqueeze,
)
