"""Random calls of every row of the CPU column with inputs and outputs against inaccessible pages.

A kernel that reads or writes one element too far ends the process, so the calls run in one of their own, which prints the row
and the seed before each. What a kernel allocates holds NaN before it is written; results must equal those of a plain call.
"""

import os
import subprocess
import sys

import pytest

CODE = """
import contextlib, importlib, sys
sys.path.insert(0, sys.argv[1])
import numpy as np
from guarded import outputs, placed
from kernel_cases import CASES, arrays, mapped
from minidl.kernels import cpu
from minidl.kernels.contract import ROWS

first, count = int(sys.argv[2]), int(sys.argv[3])
names = sorted(ROWS)
for call in range(first, first + count):
    name, at_end = names[call % len(names)], call // len(names) % 2 == 0
    print(name, call, file=sys.stderr)
    arguments = CASES[name](np.random.default_rng(call), np.float32)
    plain, guarded = mapped(arguments, np.copy), mapped(arguments, lambda a: placed(a, at_end))
    function = getattr(cpu, name)
    wanted = function(*plain)
    module = importlib.import_module(function.__module__)
    with outputs(module, at_end) if hasattr(module, "np") else contextlib.nullcontext():
        came = function(*guarded)
    for a, b in zip(arrays((came, guarded)), arrays((wanted, plain))):
        np.testing.assert_array_equal(a, b)
print("done")
"""


def run(first, count):
    helpers = os.path.join(os.path.dirname(__file__), "..", "helpers")
    command = [sys.executable, "-c", CODE, helpers, str(first), str(count)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"NUMBA_NUM_THREADS": "2"})
    calls = [line for line in done.stderr.splitlines() if len(line.split()) == 2]
    assert done.returncode == 0 and done.stdout.strip() == "done", f"after `{calls[-1:]}`: {done.stderr[-2000:]}"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="mmap and mprotect are POSIX's")
def test_no_row_leaves_its_arrays():
    run(0, 420)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="mmap and mprotect are POSIX's")
def test_no_row_leaves_its_arrays_in_5000_calls():
    run(1000, 5000)


@pytest.mark.skipif(sys.platform == "win32", reason="mmap and mprotect are POSIX's")
@pytest.mark.parametrize("index", ["-1", "4"])
def test_an_access_beyond_either_end_is_caught(index):
    code = f"""
import sys
sys.path.insert(0, sys.argv[1])
import ctypes, numpy as np
from guarded import placed
a = placed(np.zeros(4, np.float32), at_end={index} > 0)
ctypes.c_float.from_address(a.ctypes.data + 4 * {index}).value
"""
    helpers = os.path.join(os.path.dirname(__file__), "..", "helpers")
    done = subprocess.run([sys.executable, "-c", code, helpers], capture_output=True)
    assert done.returncode == -11
