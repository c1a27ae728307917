"""Exercise: im2col, compiled (lesson 02). Complete the function, then run this file."""

import numpy as np

from minidl.exercises import check


def im2col_numba(x, kernel, stride, padding):
    """im2col again (see that exercise for the formula), as loops that Numba compiles. Put @numba.njit above the
    function: plain loops over n, c, k, l, i, j, which would be slow in Python, are then as fast as C.

    Returns an array (N, C * kernel * kernel, Ho * Wo).
    """
    raise NotImplementedError("im2col_numba is yours to write")


if __name__ == "__main__":
    raise SystemExit(not check("im2col_numba", im2col_numba))
