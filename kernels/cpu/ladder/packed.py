"""Step 3, packed: blocks that fit the caches.

The product is cut into blocks: KC steps of the reduction, NC columns of B, MR rows of A at a time.

    for block of NC columns, block of KC steps:
        pack B's block (KC x NC)              # 256 KB: it stays in the second-level cache for all rows of A
        for panel of MR rows:
            pack A's panel (KC x MR)          # 6 KB: it stays in the first-level cache
            for n in NC columns: MR accumulators, KC steps

Packing copies a block into the order in which it is read, so that every load is the neighbour of the last one. A number that is
loaded is used NC or MR times before it leaves the cache; in step 2 it is used once.
"""

import numpy as np

from ..runtime.jit import njit
from .im2col import im2col

KC, NC, MR = 256, 256, 6


@njit(cache=True, error_model="numpy")
def _multiply(A, B, C):
    M, K, N = A.shape[0], A.shape[1], B.shape[1]
    C[:] = 0
    a, b = np.empty((KC, MR), A.dtype), np.empty((KC, NC), A.dtype)
    for n0 in range(0, N, NC):
        cols = min(NC, N - n0)
        for k0 in range(0, K, KC):
            steps = min(KC, K - k0)
            b[:steps, :cols] = B[k0 : k0 + steps, n0 : n0 + cols]
            for m0 in range(0, M, MR):
                rows = min(MR, M - m0)
                for k in range(steps):
                    for r in range(rows):
                        a[k, r] = A[m0 + r, k0 + k]
                for r in range(rows):
                    row = C[m0 + r, n0 : n0 + cols]
                    for k in range(steps):
                        factor, b_row = a[k, r], b[k]
                        for n in range(cols):
                            row[n] += factor * b_row[n]


def conv2d(x, w):
    """x (C, H, W), w (O, C, kh, kw) -> (O, H - kh + 1, W - kw + 1)."""
    (O, C, kh, kw), (_, H, W) = w.shape, x.shape
    Ho, Wo = H - kh + 1, W - kw + 1
    B, y = np.empty((C * kh * kw, Ho * Wo), x.dtype), np.empty((O, Ho * Wo), x.dtype)
    im2col(x, kh, kw, B)
    _multiply(w.reshape(O, C * kh * kw), B, y)
    return y.reshape(O, Ho, Wo)
