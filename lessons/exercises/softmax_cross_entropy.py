"""Exercise: softmax and cross-entropy, and their gradient (lesson 01). Complete the function, then run this file."""

import numpy as np

from minidl.exercises import check


def softmax_cross_entropy(x, target):
    """The mean of -log softmax(x[n])[target[n]] over n, and its gradient in x. x (N, K) holds scores, target (N,) the
    right class of each row. Scores may be as large as 1000.

    Returns (loss, gradient in x).
    """
    raise NotImplementedError("softmax_cross_entropy is yours to write")


if __name__ == "__main__":
    raise SystemExit(not check("softmax_cross_entropy", softmax_cross_entropy))
