"""Depthwise convolution: `general` serves every kernel, `stride1` and `stride2` the commonest cases, 3x3."""

from .general import conv2d, conv2d_weight, conv_transpose2d
