"""Step 2, im2col: convolution is a matrix product.

    A = w as a matrix (O, C k k)        B[(c, k, l), (i, j)] = x[c, i + k, j + l]        y = A B

Each row of B is the image, shifted. The product's innermost loop runs over pixels instead of the reduction: its accumulators
are a row of y and do not wait for each other, so the compiler uses vectors. The price is memory: B is k k times as large as the
image, and every row of y is loaded and stored once for each step of the reduction.
"""

import numpy as np

from ..runtime.jit import njit


@njit(cache=True)
def im2col(x, kh, kw, B):
    """Writes row (c, k, l) of B: the image, shifted by k rows and l columns."""
    C, H, W = x.shape
    Ho, Wo = H - kh + 1, W - kw + 1
    for c in range(C):
        for k in range(kh):
            for l in range(kw):
                for i in range(Ho):
                    for j in range(Wo):
                        B[(c * kh + k) * kw + l, i * Wo + j] = x[c, i + k, j + l]


@njit(cache=True)
def _multiply(A, B, C):
    """C = A B."""
    for m in range(A.shape[0]):
        C[m] = 0
        for k in range(A.shape[1]):
            a = A[m, k]
            for n in range(B.shape[1]):
                C[m, n] += a * B[k, n]


def conv2d(x, w):
    """x (C, H, W), w (O, C, kh, kw) -> (O, H - kh + 1, W - kw + 1)."""
    (O, C, kh, kw), (_, H, W) = w.shape, x.shape
    Ho, Wo = H - kh + 1, W - kw + 1
    B, y = np.empty((C * kh * kw, Ho * Wo), x.dtype), np.empty((O, Ho * Wo), x.dtype)
    im2col(x, kh, kw, B)
    _multiply(w.reshape(O, C * kh * kw), B, y)
    return y.reshape(O, Ho, Wo)
