"""Exercise: one mean-field step of a dense CRF (lesson 10). Complete the function, then run this file."""

import numpy as np

from minidl.exercises import check


def mean_field_step(q, unary, features, weight):
    """One iteration of algorithm 1 of Krähenbühl and Koltun 2011, summed exactly, with Potts compatibility. q (K, N)
    are the beliefs of K labels at N pixels, unary (K, N) energies, features (d, N) what pixels are compared by. The
    message that pixel i receives for a label is the sum over all OTHER pixels j of exp(-|features_i - features_j|^2
    / 2) q_j; the new beliefs are the softmax over labels of -unary + weight * message. (The paper charges differing
    labels; crediting equal ones, as here, differs by a constant per pixel that softmax forgets.) Energies may be as
    large as 1000.

    Returns the new beliefs (K, N).
    """
    raise NotImplementedError("mean_field_step is yours to write")


if __name__ == "__main__":
    raise SystemExit(not check("mean_field_step", mean_field_step))
