"""Every row of the CUDA column against the reference: compiled for the CPU (`cudasim`), and on a GPU where there is one.

Arguments are drawn (kernel_cases.py); results, and arguments written in place, must agree.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import fake_cupy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_cases import CASES, arrays, compare
from minidl.kernels import cuda, reference
from minidl.kernels.contract import ROWS
from minidl.kernels.cuda import loader, tables

FOLDER = Path(cuda.__file__).parent
FILES = sorted(FOLDER.rglob("*.cu"))
needs_compiler = pytest.mark.skipif(
    not (shutil.which("g++") or shutil.which("clang++")), reason="cudasim needs g++ or clang++; neither is installed"
)


@needs_compiler
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", sorted(CASES))
def test_cudasim_agrees_with_the_reference(name, dtype):
    @settings(deadline=None, max_examples=25)
    @given(st.integers(0, 2**32 - 1))
    def sweep(seed):
        compare(cuda, name, CASES[name](np.random.default_rng(seed), dtype))

    sweep()


@needs_compiler
@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1))
def test_the_lattice_is_the_references_to_the_last_bit(seed):
    arguments = CASES["permutohedral_lattice"](np.random.default_rng(seed), np.float32)
    for ours, theirs in zip(
        arrays(cuda.permutohedral_lattice(*arguments)), arrays(reference.permutohedral_lattice(*arguments))
    ):
        np.testing.assert_array_equal(ours, theirs)


@needs_compiler
@pytest.mark.parametrize("name", sorted(CASES))
def test_watched_kernels_are_clean(name, monkeypatch):
    """No access outside an array, no uninitialised read, no race."""
    monkeypatch.setenv("MINIDL_CUDASIM", "address")
    for seed in range(4):
        compare(cuda, name, CASES[name](np.random.default_rng(seed), np.float32))


@needs_compiler
@pytest.mark.parametrize("name", sorted(CASES))
def test_the_gpus_path_with_a_stand_in_for_cupy(name, monkeypatch):
    """No array of the wrong kind, no implicit copy, nothing that CuPy lacks (fake_cupy.py)."""
    cupy = fake_cupy.module()
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    for seed in range(3):
        compare(cuda, name, CASES[name](np.random.default_rng(seed), np.float32), cupy.asarray, cupy.asnumpy)
    loader._gpu_function.cache_clear()
    loader._gpu_module.cache_clear()
    tables._kept.cache_clear()


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", sorted(CASES))
def test_a_gpu_agrees_with_the_reference(name, dtype):
    cupy = pytest.importorskip("cupy", reason="needs an NVIDIA GPU and CuPy; CuPy is not installed")
    if not cupy.cuda.is_available():
        pytest.skip("needs an NVIDIA GPU; there is none")
    for seed in range(20):
        compare(cuda, name, CASES[name](np.random.default_rng(seed), dtype), cupy.asarray, cupy.asnumpy)


def test_every_row_has_a_case():
    assert set(ROWS) == set(CASES)


@pytest.mark.skipif(not shutil.which("nvcc"), reason="nvcc is not installed")
@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
@pytest.mark.parametrize("real", ["float", "double"])
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_nvcc_has_nothing_to_say(file, real, architecture, tmp_path):
    command = [
        "nvcc",
        "-std=c++17",
        *(f"-I{folder}" for folder in {FOLDER, file.parent}),
        f"-arch={architecture}",
        f"-DREAL={real}",
    ]
    command += ["-Werror", "all-warnings", "-cubin", "-o", tmp_path / "out", file]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr
