"""The whole library on GPU arrays, with a strict stand-in for CuPy where there is no GPU (fake_cupy.py)."""

import importlib
import shutil
import sys
import types

import fake_cupy
import numpy as np
import pytest
from cases import CASES, inputs

import minidl
from minidl import functional as F

needs_compiler = pytest.mark.skipif(
    not (shutil.which("g++") or shutil.which("clang++")), reason="cudasim needs g++ or clang++; neither is installed"
)


@pytest.fixture
def cupy(monkeypatch):
    """The stand-in as the module `cupy`."""
    from minidl.kernels.cuda import loader

    module = fake_cupy.module()
    special = types.ModuleType("cupyx.scipy.special")
    special.erf = lambda x: fake_cupy.call(importlib.import_module("scipy.special").erf, x)
    for name, value in {"cupy": module, "cupyx": special, "cupyx.scipy": special, special.__name__: special}.items():
        monkeypatch.setitem(sys.modules, name, value)
    yield module
    loader._gpu_function.cache_clear()
    loader._gpu_module.cache_clear()


def outcome(function, arrays, device):
    """The result and the gradients of the sum of its squares, as NumPy arrays, after all ran on `device`."""
    tensors = [minidl.tensor(a, requires_grad=True, device=device) for a in arrays]
    out = function(F, lambda data: minidl.tensor(data, device=device), *tensors)
    (out * out).sum().backward()
    kind = device.partition(":")[0]
    assert all(t.device.partition(":")[0] == kind for t in (out, *tensors, *(x.grad for x in tensors)))
    return [t.cpu().data for t in (out.detach(), *(x.grad for x in tensors))]


@needs_compiler
@pytest.mark.parametrize("name, function, shapes", CASES, ids=[name for name, *_ in CASES])
def test_every_function_and_its_gradient_on_the_device(cupy, name, function, shapes):
    arrays = inputs(name, shapes)
    for came, needed in zip(outcome(function, arrays, "cuda"), outcome(function, arrays, "cpu")):
        np.testing.assert_allclose(came, needed, rtol=1e-9, atol=1e-11)
