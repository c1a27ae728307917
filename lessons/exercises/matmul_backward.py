"""Exercise: the gradient of a matrix product (lesson 01). Complete the function, then run this file."""

import numpy as np

from minidl.exercises import check


def matmul_backward(g, a, b):
    """The gradients of sum(g * (a @ b)) in a and in b. a is a batch of matrices (N, I, K), b one matrix (K, J) for all
    of them, g is (N, I, J).

    Returns (gradient in a, gradient in b).
    """
    raise NotImplementedError("matmul_backward is yours to write")


if __name__ == "__main__":
    raise SystemExit(not check("matmul_backward", matmul_backward))
