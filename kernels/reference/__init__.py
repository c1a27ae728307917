"""The reference column: every row of the kernel table in NumPy, short and vectorised."""

from .activation import relu, relu_backward
from .conv import conv2d, conv2d_prepared, conv2d_weight, conv_transpose2d
from .gaussian_sum import gaussian_sum
from .grid_sample import grid_sample, grid_sample_adjoint, grid_sample_slope
from .im2col import col2im, im2col
from .loss import cross_entropy, cross_entropy_backward, log_softmax, log_softmax_backward, softmax, softmax_backward
from .mean_field import mean_field
from .nms import nms
from .norm import moments, normalize, normalize_backward
from .optim import adam_step, sgd_step
from .permutohedral import permutohedral_filter, permutohedral_lattice
from .pool import (
    adaptive_avg_pool2d,
    adaptive_avg_pool2d_adjoint,
    adaptive_max_pool2d,
    avg_pool2d,
    avg_pool2d_adjoint,
    max_pool2d,
)
from .resize import resize2d, resize2d_adjoint
from .roi_align import roi_align, roi_align_adjoint, roi_align_max
from .roi_pool import roi_gather, roi_pool, roi_scatter
from .unpool import plane_gather, plane_scatter
