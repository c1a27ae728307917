"""Effective receptive fields and gridding against closed forms."""

import numpy as np
import pytest

from minidl import Tensor, analysis, backend, nn
from minidl import functional as F


def test_linear_chain_is_the_convolution_of_its_kernels():
    kernels = [np.array([1.0, 2.0, 1.0]), np.array([1.0, 1.0, 3.0])]

    def model(x):
        for k in kernels:
            x = F.conv2d(x, Tensor(np.multiply.outer(k, k)[None, None]), padding=1)
        return x

    with backend.use("reference"):
        field = analysis.effective_receptive_field(model, np.zeros((2, 1, 11, 11)))
    line = np.convolve(kernels[0][::-1], kernels[1][::-1])[::-1]
    expected = np.zeros((11, 11))
    expected[3:8, 3:8] = np.multiply.outer(line, line)
    np.testing.assert_allclose(field, expected)


def test_field_lies_inside_the_theoretical_one():
    model = nn.Sequential(nn.Conv2d(1, 2, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(2, 2, 3, padding=1))
    with backend.use("reference"):
        field = analysis.effective_receptive_field(model, np.ones((1, 1, 16, 16), np.float32))
        theory = analysis.receptive_field(model, (1, 16, 16))
    top, left, bottom, right = theory.box(4, 4)
    outside = field.copy()
    outside[top:bottom, left:right] = 0
    assert field.any() and not outside.any()


def test_gridding():
    assert (analysis.gridding([1, 2, 4]) > 0).all() and analysis.gridding([1, 2, 4]).shape == (15, 15)
    counts = analysis.gridding([2, 2, 2])
    assert counts.shape == (13, 13) and (counts > 0).sum() == 49 and counts.sum() == 9**3
    assert analysis.gridding([1], 5).tolist() == np.ones((5, 5), int).tolist()


def test_errors():
    with pytest.raises(ValueError, match="needed \\(N, C, H, W\\)"):
        analysis.effective_receptive_field(lambda x: x, np.zeros((4, 4)))
    with pytest.raises(TypeError, match="one Tensor of four axes"):
        analysis.effective_receptive_field(lambda x: {"out": x}, np.zeros((1, 1, 4, 4)))
    with pytest.raises(ValueError, match="dilation is 0"):
        analysis.gridding([0])
