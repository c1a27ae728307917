"""memory_summary counts every array in use once; empty_cache returns free memory."""

import gc
import re
import subprocess
import sys

import numpy as np
import pytest

import minidl

MB = 2**20


ROWS = "parameters", "gradients", "kept for backward", "other tensors"


def held():
    """(arrays, MB) of the summary's first four rows."""
    gc.collect()
    rows = dict(re.findall(r"^(\w[\w ]*?) +(\d+ arrays +[\d.]+) MB$", minidl.memory_summary(), re.M))
    return np.array([[float(n) for n in rows[row].split(" arrays ")] for row in ROWS])


def test_tensors_gradients_and_the_tape():
    before = held()
    x = minidl.tensor(np.ones(2 * MB, np.float32), requires_grad=True)  # 8 MB
    view = x.detach()[::2]
    assert (held() - before).round(1).tolist() == [[1, 8], [0, 0], [0, 0], [0, 0]]
    y = x.exp()
    total = (y * y).sum()
    del y
    assert (held() - before).round(1).tolist() == [[1, 8], [0, 0], [1, 8], [1, 0]]
    total.backward()
    assert (held() - before).round(1).tolist() == [[1, 8], [1, 8], [0, 0], [1, 0]]
    del x, view, total
    assert not (held() - before).round(1).any()


def test_parameters_of_a_layer():
    before = held()
    layer = minidl.nn.Linear(512, 512)  # 1 MB of weights
    assert (held() - before).round(1).tolist() == [[2, 1], [0, 0], [0, 0], [0, 0]]
    del layer


FREED = """
import numpy as np, re, minidl
minidl.tensor(np.ones(4, np.float32)).relu()  # the CPU column sets the C library up
kept = lambda: float(re.search(r"kept for reuse ([0-9.]+) MB", minidl.memory_summary())[1])
resident = lambda: float(re.search(r"now ([0-9.]+) MB", minidl.memory_summary())[1])
if "C library" in minidl.memory_summary():
    before = kept()
    arrays = [np.ones(2**17) for _ in range(64)]
    del arrays
    assert kept() > before + 32
    full = resident()
    minidl.empty_cache()
    assert resident() < full - 32
    print("given back")
"""


def test_freed_memory_is_kept_and_given_back():
    done = subprocess.run([sys.executable, "-c", FREED], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    if not done.stdout:
        pytest.skip("the C library of this system does not say what it keeps")


def test_a_cupy_without_a_gpu_changes_nothing():
    pytest.importorskip("cupy", exc_type=ImportError)
    code = "import cupy, minidl; minidl.cuda.synchronize(); minidl.empty_cache(); print(minidl.memory_summary())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert ("GPU pool" in done.stdout) == minidl.cuda.is_available()
