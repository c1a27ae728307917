"""The CPU column: every row of the kernel table in Numba, parallel and cached on disk.

Reading order
-------------
- ladder/: a convolution in steps, from loops to a register tile; it introduces all terms of the production files
- runtime/: jit (how kernels are compiled), threads; disk_cache and compile_notice for questions about the cache
- pointwise/: activation, norm, softmax, loss, optim: one pass over the data, divided among the threads
- pool/: avg_pool and max_pool from rows; max_pool_2x2 and resample_2x with vectors; resize
- simd/: vector (one vector type), micro_kernel (the register tile), transpose, interleave, prefetch, exp_log
- conv/: dispatch and choice (which algorithm); operands, taps, packing, tiles (where pixels and weights lie); then
  implicit_gemm: the loops of the ladder's last step, im2col's matrix packed block by block
  winograd_transforms, winograd_plan, winograd: the main case, 3x3; winograd_weight: its weight gradient
  direct_channels, direct_channels_weight: everything else; dilated, direct_pixels: the same for large rates, few channels
  depthwise/: general, stride1, stride2
- regions/: roi_weights, roi_align, roi_pool, grid_sample, nms: gathers and scatters, deterministic
- crf/: permutohedral and its filter, mean_field
"""

from ..contract import ROWS
from .conv.dispatch import conv2d, conv2d_prepared, conv2d_weight, conv_transpose2d
from .conv.im2col import col2im, im2col
from .crf.gaussian_sum import gaussian_sum
from .crf.mean_field import mean_field
from .crf.permutohedral import permutohedral_lattice
from .crf.permutohedral_filter import permutohedral_filter
from .pointwise.activation import relu, relu_backward
from .pointwise.loss import cross_entropy, cross_entropy_backward
from .pointwise.norm import moments, normalize, normalize_backward
from .pointwise.optim import adam_step, sgd_step
from .pointwise.softmax import log_softmax, log_softmax_backward, softmax, softmax_backward
from .pool.avg_pool import adaptive_avg_pool2d, adaptive_avg_pool2d_adjoint, avg_pool2d, avg_pool2d_adjoint
from .pool.max_pool import adaptive_max_pool2d, max_pool2d
from .pool.resize import resize2d, resize2d_adjoint
from .pool.unpool import plane_gather, plane_scatter
from .regions.grid_sample import grid_sample, grid_sample_adjoint, grid_sample_slope
from .regions.nms import nms
from .regions.roi_align import roi_align, roi_align_adjoint
from .regions.roi_align_max import roi_align_max
from .regions.roi_pool import roi_gather, roi_pool, roi_scatter
from .runtime.arguments import with_dense_arrays
from .runtime.compile_notice import announce_compilation
from .runtime.threads import keep_memory, protect

announce_compilation()
keep_memory()
globals().update({name: with_dense_arrays(globals()[name], row) for name, row in ROWS.items()})
protect(globals(), ROWS)
