"""The choice of the column of kernels: by the array, by `use`, and errors for missing packages."""

import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
from minidl.kernels import cpu, reference

import minidl
from minidl import backend
from minidl import functional as F


def test_numpy_arrays_run_the_cpu_column():
    assert backend.kernels(np.zeros(1)) is cpu


def test_use_overrides_and_restores():
    with backend.use("reference"):
        assert backend.kernels(np.zeros(1)) is reference
        with backend.use("cpu"):
            assert backend.kernels(np.zeros(1)) is cpu
        assert backend.kernels(np.zeros(1)) is reference
    assert backend.kernels(np.zeros(1)) is cpu


def test_unknown_column_and_array_are_refused():
    with pytest.raises(ValueError, match="column must be one of"), backend.use("gpu"):
        pass
    with pytest.raises(TypeError, match="kernels: array is a list"):
        backend.kernels([1.0])


def test_without_numba_the_reference_column_serves_and_says_so():
    code = """
import sys, warnings
sys.modules["numba"] = None
warnings.simplefilter("always")
import numpy as np, minidl
from minidl import backend, functional as F
with warnings.catch_warnings(record=True) as seen:
    for _ in range(2):
        y = F.relu(minidl.tensor([-1.0, 2.0]))
print(y.tolist(), backend.kernels(np.zeros(1)).__name__, [str(w.message) for w in seen])
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "[0.0, 2.0] minidl.kernels.reference" in out
    assert out.count("numba is not installed") == 1


def test_networks_give_the_same_in_both_columns():
    x = minidl.tensor(np.random.default_rng(0).standard_normal((2, 3, 9, 9)))
    w = minidl.tensor(np.random.default_rng(1).standard_normal((4, 3, 3, 3)))

    def run():
        return F.softmax(F.max_pool2d(F.relu(F.conv2d(x, w, padding=1)), 3, 2, 1), 1).data

    fast = run()
    with backend.use("reference"):
        np.testing.assert_allclose(run(), fast, atol=1e-12)


def test_compilation_is_announced_once_and_only_for_our_kernels(tmp_path):
    code = """
import numba, numpy as np, minidl
numba.njit(lambda x: x + 1)(1)
for x in np.zeros((1, 1, 2, 2), np.float32), np.zeros((1, 1, 2, 2)):
    minidl.tensor(x).relu()
    numba.njit(lambda x: x + 2)(1)
"""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    said = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment).stderr
        for _ in range(2)
    ]
    assert said[0].startswith("compiling kernels for this machine: once") and said[0].count("\n") == 1
    assert said[1] == ""


def test_a_read_only_installation_keeps_compiled_code_elsewhere(tmp_path):
    import minidl.kernels.cpu

    package = pathlib.Path(minidl.__file__).parent
    kernels = pathlib.Path(minidl.kernels.cpu.__file__).parents[1]
    copy = shutil.ignore_patterns("__pycache__")
    shutil.copytree(package, tmp_path / "site/minidl", ignore=copy)
    shutil.copytree(kernels, tmp_path / "site/minidl/kernels", ignore=copy)
    (tmp_path / "site/minidl/kernels/cpu/pointwise/__pycache__").write_text(
        "a file here refuses a folder, also to root"
    )
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    environment |= {"PYTHONPATH": str(tmp_path / "site"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    code = "import minidl; assert minidl.tensor([-1.0]).relu().item() == 0; print(minidl.__file__)"
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, env=environment
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(str(tmp_path))
    assert not done.stderr  # the second run finds what the first one compiled
    assert list((tmp_path / "cache").rglob("activation.*.nbc"))


def test_a_kernel_is_compiled_again_when_a_file_that_it_calls_changes(tmp_path):
    package = tmp_path / "pack"
    package.mkdir()
    (package / "__init__.py").write_text("")
    head, kernel = "from minidl.kernels.cpu.runtime.jit import njit\n", "\n\n@njit(cache=True)\n"
    (package / "outer.py").write_text(f"{head}from .inner import number{kernel}def twice():\n    return 2 * number()\n")
    inner = f"{head}{kernel}def number():\n    return {{}}\n"
    code = "from pack import outer\nprint(outer.twice(), sum(outer.twice.stats.cache_hits.values()))"
    own = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    printed = []
    for number in (1, 1, 2):
        (package / "inner.py").write_text(inner.format(number))
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path, env=own
        )
        printed.append(done.stdout.split())
    assert printed == [["2", "0"], ["2", "1"], ["4", "0"]]
