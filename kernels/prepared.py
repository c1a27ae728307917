"""A convolution whose weights do not change: what a network keeps for it between calls."""

from typing import NamedTuple

import numpy as np

from .geometry import Geometry


class PreparedConv(NamedTuple):
    """The layer min(max(conv2d(x, weight, bias) + residual, 0), ceiling); without ceiling (None) nothing is cut.

    `kept` belongs to the column that computes the layer, which fills it with copies of the weights in the order in which its
    kernels read them. Whoever changes the weights makes a new layer.
    """

    weight: np.ndarray
    bias: np.ndarray | None
    geometry: Geometry
    ceiling: float | None
    kept: dict


def prepared_conv(weight, bias, geometry, ceiling=None):
    """A layer for which nothing is kept as yet."""
    return PreparedConv(weight, bias, geometry, ceiling, {})


def remembered(kept, key, make):
    """kept[key], which `make()` gives where it is new; where nothing is kept (None), what `make()` gives."""
    if kept is None:
        return make()
    if key not in kept:
        kept[key] = make()
    return kept[key]
