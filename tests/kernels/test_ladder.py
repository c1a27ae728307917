"""The steps from loops to a register tile compute what the reference column computes."""

from pathlib import Path

import numpy as np
import pytest
from minidl.kernels import reference
from minidl.kernels.cpu import ladder
from minidl.kernels.cpu.ladder import im2col, loops, micro_kernel, packed
from minidl.kernels.geometry import Geometry


@pytest.mark.parametrize("step", [loops, im2col, packed, micro_kernel], ids=lambda step: step.__name__.split(".")[-1])
@pytest.mark.parametrize("shape", [(1, 1, 3, 5, 5), (3, 7, 3, 12, 37), (32, 13, 3, 20, 21), (5, 6, 1, 9, 40)])
def test_steps_against_the_reference(step, shape):
    C, O, k, H, W = shape
    r = np.random.default_rng(0)
    x, w = r.standard_normal((C, H, W), np.float32), r.standard_normal((O, C, k, k), np.float32)
    needed = reference.conv2d(x[None].astype(float), w.astype(float), None, Geometry((k, k)))[0]
    came = step.conv2d(x, w)
    assert came.shape == needed.shape and came.dtype == np.float32
    assert np.abs(came - needed).max() < 1e-5 * np.abs(needed).max()


def test_every_step_is_a_page():
    for file in Path(ladder.__file__).parent.glob("*.py"):
        assert len(file.read_text(encoding="utf-8").splitlines()) <= 60, file.name
