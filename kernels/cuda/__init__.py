"""The CUDA column: every row of the kernel table in CUDA C, run on a GPU or, as `cudasim`, on the CPU.

One text runs three ways: NVRTC compiles it for the GPU when arrays are CuPy's, the machine's C++ compiler compiles it
through `simulator/cudasim.h` when they are NumPy's (`backend.use("cudasim")`), and nvcc checks it in the tests.

Reading order
-------------
- one thread, one number: pointwise/activation, pool/max_pool, avg_pool, resize; adjoints are gathers wherever a thread can
  ask "who read me?", so nothing is written twice and results are the same every time
- scatters with atomic additions, where only the data know what goes where: pool/unpool, regions/roi_align, roi_pool,
  grid_sample
- sums over a block by shuffles and shared memory: pointwise/norm, conv/depthwise; over a pixel's classes: pointwise/softmax,
  cross_entropy
- tiles in shared memory: conv/matmul, crf/gaussian_sum, regions/nms
- convolution in three steps: conv/conv_im2col.py (three matrix products), conv_plain.cu (the same product, its matrix never
  stored), conv_tensor.cu (tensor cores, asynchronous copies, swizzled shared memory; `minidl.set_precision("tf32")`)
- sorting instead of hashing: crf/lattice, lattice_filter

No file here has been timed on a GPU yet. What comments say of memory traffic and banks was counted by the simulator
(`minidl.profile_kernel`); where they say why something should be fast, that is reasoning.

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

- Kernels are written `extern "C" __global__ void name(...) {`, not made by macros. Parameters: T, float, double, int,
  unsigned, long long, unsigned long long, signed char, unsigned char, bool, one pointer to those, or a struct of them. A
  kernel has at most 8: numbers that belong together are a struct (`struct Planes { int count, H, W; };`, its data members
  first), for which the call passes one tuple `(count, H, W)`. The call checks every argument: arrays C-contiguous and of
  that type (None is a null pointer), numbers NumPy scalars of exactly that type. A null T* takes T from the other arrays.
  Pass no empty tuple: `threads=0` launches nothing.
- Shapes other than one thread a number: `kernel(..., grid=(gx, gy, gz), block=(bx, by, bz), shared=bytes)`;
  `Kernel(file, name, options=("--fmad=false",))` gives NVRTC an option (float sums that must round as NumPy's).
- Shared memory: `__shared__ T tile[32][33];`, one array a declaration; dynamic: `DYNAMIC_SHARED(T, tile);`.
- A barrier must be reached by every thread of the block: no `return` before a `__syncthreads()`.
- minidl.cuh has warp_sum, warp_max, block_sum, block_max, mma_tf32, to_tf32, copy_async, copy_async_commit and
  copy_async_wait; the simulator also knows shuffles, votes, reductions, atomics, vector types, `_rn` arithmetic.
- `#define` before an include of several files is not needed: "other.cuh", wherever it lies below this folder, is written
  into the text.
- Give float constants as T(0.5): a bare 0.5 is a double and slow on a GPU.
- Blocks run in any order, several at a time; nothing may wait for another block.
- Inside `minidl.cuda.watch()`, or with MINIDL_CUDASIM=address in the environment, the simulator watches every load and
  store. Your own text, outside this folder: `minidl.cuda.kernel(text)`.
"""

from .conv.conv import conv2d, conv2d_prepared, conv2d_weight, conv_transpose2d
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
