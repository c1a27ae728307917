"""Exercise: the gradient of a product whose arguments were broadcast (lesson 01). Complete the function, then run this file."""

import numpy as np

from minidl.exercises import check


def multiply_backward(g, a, b):
    """The gradients of sum(g * (a * b)) in a and in b. g has the shape of a * b. An argument that NumPy broadcast is
    used several times, so its gradient is a sum, and has the shape of the argument.

    Returns (gradient in a, gradient in b).
    """
    raise NotImplementedError("multiply_backward is yours to write")


if __name__ == "__main__":
    raise SystemExit(not check("multiply_backward", multiply_backward))
