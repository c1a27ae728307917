"""Every row of the CUDA column against the reference: compiled for the CPU (`cudasim`), and on a GPU where there is one.

A row of CASES (cuda_cases.py, cuda_cases_irregular.py) draws its arguments from a generator and a dtype; results, and
arguments written in place, must agree.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import cuda_cases
import cuda_cases_irregular
import fake_cupy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minidl.kernels import cuda, reference
from minidl.kernels.cuda import loader, tables
from minidl.kernels.lattice import Lattice

needs_compiler = pytest.mark.skipif(
    not (shutil.which("g++") or shutil.which("clang++")), reason="cudasim needs g++ or clang++; neither is installed"
)
CASES = {
    name.removeprefix("case_"): case
    for module in (cuda_cases, cuda_cases_irregular)
    for name, case in vars(module).items()
    if name.startswith("case_")
}
TOLERANCE = {np.float32: 2e-5, np.float64: 1e-12}
DIFFERENCES = {"normalize_backward"}  # 1 / std is 316 where a channel has one value, and what it multiplies cancels


def arrays(value):
    """Every array in nested tuples, lists and lattices, in order."""
    if isinstance(value, Lattice):
        return [value.vertex, value.weight, value.neighbour]
    if isinstance(value, tuple | list):
        return [a for part in value for a in arrays(part)]
    return [value] if hasattr(value, "dtype") and hasattr(value, "shape") and not isinstance(value, np.generic) else []


def copied(value, array):
    """The same nest with `array` applied to a copy of every array."""
    if isinstance(value, Lattice):
        return Lattice(*(array(a) for a in arrays(value)))
    if isinstance(value, tuple | list):
        return type(value)(copied(part, array) for part in value)
    return array(value.copy()) if isinstance(value, np.ndarray) else value


def largest(a):
    """The largest finite magnitude in a floating array, else 0."""
    return float(np.abs(a[np.isfinite(a)]).max(initial=0)) if a.dtype.kind == "f" else 0.0


def compare(name, seed, dtype, array=lambda a: a, back=lambda a: a):
    """One drawn case of a row: the CUDA column on `array` of each argument against the reference."""
    arguments = CASES[name](np.random.default_rng(seed), dtype)
    ours, theirs = copied(arguments, array), copied(arguments, lambda a: a)
    came, wanted = getattr(cuda, name)(*ours), getattr(reference, name)(*theirs)
    came, wanted = arrays((came, ours)), arrays((wanted, theirs))
    assert len(came) == len(wanted)
    terms = max(map(largest, arrays(arguments))) if name in DIFFERENCES else 0
    for a, b in zip(came, wanted):
        assert a.dtype == b.dtype and a.shape == b.shape
        scale = max(largest(b), terms, 1) if b.dtype.kind == "f" else 0
        np.testing.assert_allclose(back(a), b, rtol=0, atol=scale * TOLERANCE[dtype])


@needs_compiler
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", sorted(CASES))
def test_cudasim_agrees_with_the_reference(name, dtype):
    @settings(deadline=None, max_examples=25)
    @given(st.integers(0, 2**32 - 1))
    def sweep(seed):
        compare(name, seed, dtype)

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
        compare(name, seed, np.float32)


@needs_compiler
@pytest.mark.parametrize("name", sorted(CASES))
def test_the_gpus_path_with_a_stand_in_for_cupy(name, monkeypatch):
    """No array of the wrong kind, no implicit copy, nothing that CuPy lacks (fake_cupy.py)."""
    cupy = fake_cupy.module()
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    for seed in range(3):
        compare(name, seed, np.float32, cupy.asarray, cupy.asnumpy)
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
        compare(name, seed, dtype, cupy.asarray, cupy.asnumpy)


def test_every_row_has_a_case():
    assert set(cuda.__all__) == set(CASES)


@pytest.mark.skipif(not shutil.which("nvcc"), reason="nvcc is not installed")
@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
@pytest.mark.parametrize("real", ["float", "double"])
@pytest.mark.parametrize("file", sorted(p.name for p in Path(cuda.__file__).parent.glob("*.cu")))
def test_nvcc_has_nothing_to_say(file, real, architecture, tmp_path):
    folder = Path(cuda.__file__).parent
    command = ["nvcc", "-std=c++17", f"-arch={architecture}", f"-DREAL={real}", "-Werror", "all-warnings", "-cubin"]
    done = subprocess.run([*command, "-o", tmp_path / "out", folder / file], capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr
