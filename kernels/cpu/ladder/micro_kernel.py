"""Step 4, micro-kernel: the accumulators stay in registers.

In step 3 every multiply-add still loads and stores its accumulator. The micro-kernel keeps a register tile of MR x NR results
(6 rows, two vectors) in registers over KC steps: one step loads two vectors of B and broadcasts six numbers of A for twelve
multiply-adds. B is packed in panels of NR columns, so that the loads of a micro-kernel are one after another.
"""

import numpy as np

from ..runtime.jit import njit
from ..simd.micro_kernel import Operand, micro_kernel_6x2, panel_width
from ..simd.vector import Rows, lanes_of
from .im2col import im2col

KC, NC, MR = 256, 256, 6


@njit(cache=True, error_model="numpy")
def _multiply(A, B, C):
    """C = A B; rows of A are a multiple of MR, columns of B of NR."""
    (M, K), N, NR = A.shape, B.shape[1], 2 * lanes_of(B.reshape(-1))
    a, b, c = np.empty(KC * MR, A.dtype), np.empty(KC * NC, A.dtype), C.reshape(-1)
    C[:] = 0
    for n0 in range(0, N, NC):
        cols = min(NC, N - n0)
        for k0 in range(0, K, KC):
            steps = min(KC, K - k0)
            for n in range(0, cols, NR):  # pack B
                for k in range(steps):
                    for q in range(NR):
                        b[n * steps + k * NR + q] = B[k0 + k, n0 + n + q]
            for m in range(0, M, MR):
                for k in range(steps):  # pack A
                    for r in range(MR):
                        a[k * MR + r] = A[m + r, k0 + k]
                for n in range(0, cols, NR):
                    tile = Rows(c, m * N + n0 + n, N)
                    micro_kernel_6x2(Operand(a, 0, 1, MR), Rows(b, n * steps, NR), tile, tile, 0, steps)


def conv2d(x, w):
    """x (C, H, W), w (O, C, kh, kw) -> (O, H - kh + 1, W - kw + 1)."""
    (O, C, kh, kw), (_, H, W) = w.shape, x.shape
    Ho, Wo, NR = H - kh + 1, W - kw + 1, panel_width(x.dtype)
    A, B = np.zeros((-(-O // MR) * MR, C * kh * kw), x.dtype), np.zeros((C * kh * kw, -(-Ho * Wo // NR) * NR), x.dtype)
    A[:O] = w.reshape(O, C * kh * kw)
    im2col(x, kh, kw, B)
    y = np.empty((len(A), B.shape[1]), x.dtype)
    _multiply(A, B, y)
    return np.ascontiguousarray(y[:O, : Ho * Wo]).reshape(O, Ho, Wo)
