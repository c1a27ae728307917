"""Whether two arrays are the same up to rounding."""

import numpy as np


def agree(a, b, tolerance=1e-9):
    """Whether shapes are equal and values agree within `tolerance` times the largest of `b`; NaN and inf must match exactly."""
    if a.shape != b.shape:
        return False
    finite = np.isfinite(b)
    scale = np.abs(b[finite]).max(initial=1e-12)
    return bool(np.allclose(a, b, rtol=0, atol=tolerance * scale, equal_nan=True))


def wrong_cells(a, b, tolerance=1e-9):
    """A boolean array: the cells in which two arrays of one shape differ."""
    scale = np.abs(b[np.isfinite(b)]).max(initial=1e-12)
    return ~np.isclose(a, b, rtol=0, atol=tolerance * scale, equal_nan=True)
