"""The CUDA column: every row of the kernel table in CUDA C, run on a GPU or, as `cudasim`, on the CPU.

The same source is compiled in three ways: for CuPy arrays by NVRTC for the GPU, for NumPy arrays by the machine's C++ compiler
with `simulator/cudasim.h` (`backend.use("cudasim")`), and in the tests by nvcc as a check.

Reading order
-------------
- one thread, one number: pointwise/activation, pool/max_pool, avg_pool, resize; adjoints are gathers wherever the
  readers of a pixel can be computed, so that no number is written twice and results are deterministic
- scatters with atomic additions, where the destinations depend on the data: pool/unpool, regions/roi_align, roi_pool,
  grid_sample
- sums over a block by shuffles and shared memory: pointwise/norm, conv/depthwise; over a pixel's classes: pointwise/softmax,
  cross_entropy
- tiles in shared memory: conv/matmul, crf/gaussian_sum, regions/nms
- convolution in three steps: conv/conv_im2col.py (three matrix products), conv_plain.cu (the same product, its matrix never
  stored), conv_tensor.cu (tensor cores, asynchronous copies, swizzled shared memory; `minidl.set_precision("tf32")`)
- sorting instead of hashing: crf/lattice, lattice_filter

No file here has been timed on a GPU yet. The figures of memory traffic and bank conflicts in comments were counted by
the simulator (`minidl.profile_kernel`); statements about speed are expectations.

How to write a row
------------------
`name.cu` holds kernels, `name.py` allocates outputs with the array's own module and launches; no mathematics in Python.

    // name.cu                                                    T is float or double
    #include "minidl.cuh"
    extern "C" __global__ void scale(const T *x, T *y, T factor, int n) {
        const int i = thread_number();                             // only with threads=n
        if (i < n) y[i] = factor * x[i];
    }

    # name.py
    from ..loader import Kernel, array_module, contiguous, i32
    _scale = Kernel("pointwise/name.cu", "scale")

    def scale(x, factor):
        x = contiguous(x)                                          # contiguous(a, b, None) gives a list
        y = array_module(x).empty_like(x)
        _scale(x, y, x.dtype.type(factor), *i32(x.size), threads=x.size)
        return y

- Kernels are declared as `extern "C" __global__ void name(...) {`, without macros. Parameters: T, float, double, int,
  unsigned, long long, unsigned long long, signed char, unsigned char, bool, one pointer to those, or a struct of them. A
  kernel has at most 8: numbers that belong together are a struct (`struct Planes { int count, H, W; };`, its data members
  first), for which the call passes one tuple `(count, H, W)`. The call checks every argument: arrays C-contiguous and of
  that type (None is a null pointer), numbers NumPy scalars of exactly that type. A null T* takes T from the other arrays.
  Pass no empty tuple: `threads=0` launches nothing.
- Launches other than one thread per number: `kernel(..., grid=(gx, gy, gz), block=(bx, by, bz), shared=bytes)`;
  `Kernel(file, name, options=("--fmad=false",))` passes an option to NVRTC (for float sums that must round as in NumPy).
- Shared memory: `__shared__ T tile[32][33];`, one array per declaration; dynamic: `DYNAMIC_SHARED(T, tile);`.
- A barrier must be reached by every thread of the block: no `return` before a `__syncthreads()`.
- minidl.cuh has warp_sum, warp_max, block_sum, block_max, mma_tf32, to_tf32, copy_async, copy_async_commit and
  copy_async_wait; the simulator also knows shuffles, votes, reductions, atomics, vector types, `_rn` arithmetic.
- `#include "other.cuh"` finds the header anywhere below this folder; the loader inserts its text.
- Write float constants as T(0.5): 0.5 is a double, which is slow on a GPU.
- Blocks run in any order and at the same time; a block must not wait for another one.
- Inside `minidl.cuda.watch()`, or with MINIDL_CUDASIM=address in the environment, the simulator checks every load and
  store. `minidl.cuda.kernel(text)` compiles source text from outside this folder.
"""

from .conv.conv import conv2d, conv2d_weight, conv_transpose2d
from .conv.im2col import col2im, im2col
from .crf.gaussian_sum import gaussian_sum
from .crf.mean_field import mean_field
from .crf.permutohedral import permutohedral_filter, permutohedral_lattice
from .pointwise.activation import relu, relu_backward
from .pointwise.loss import (
    cross_entropy,
    cross_entropy_backward,
    log_softmax,
    log_softmax_backward,
    softmax,
    softmax_backward,
)
from .pointwise.norm import moments, normalize, normalize_backward
from .pointwise.optim import adam_step, sgd_step
from .pool.pool import (
    adaptive_avg_pool2d,
    adaptive_avg_pool2d_adjoint,
    adaptive_max_pool2d,
    avg_pool2d,
    avg_pool2d_adjoint,
    max_pool2d,
)
from .pool.resize import resize2d, resize2d_adjoint
from .pool.unpool import plane_gather, plane_scatter
from .regions.grid_sample import grid_sample, grid_sample_adjoint, grid_sample_slope
from .regions.nms import nms
from .regions.roi_align import roi_align, roi_align_adjoint, roi_align_max
from .regions.roi_pool import roi_gather, roi_pool, roi_scatter
