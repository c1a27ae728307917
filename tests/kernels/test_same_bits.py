"""Every row of the CPU column gives the same bits with 1, 2, 3 and 8 threads: sums are divided by shape and added in order."""

import os
import subprocess
import sys

import pytest
from large_cases import calls
from minidl.kernels.contract import ROWS

CODE = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np
from kernel_cases import arrays, mapped
from large_cases import calls, convolutions
from minidl.kernels import cpu
from minidl.kernels.cpu.runtime.threads import set_num_threads

drawn = convolutions(int(sys.argv[2])) if len(sys.argv) > 2 else calls().items()
for name, arguments in drawn:
    seen = []
    for threads in (1, 2, 3, 8):
        set_num_threads(threads)
        own = mapped(arguments, np.copy)
        result = getattr(cpu, name)(*own)
        seen.append([a.tobytes() for a in arrays((result, own))])
    shapes = [getattr(a, "shape", a) for a in arguments] if name.startswith("conv") and name != "conv2d_prepared" else ""
    print(name, all(bits == seen[0] for bits in seen[1:]), shapes)
"""


def lines(*arguments):
    helpers = os.path.join(os.path.dirname(__file__), "..", "helpers")
    command = [sys.executable, "-c", CODE, helpers, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"NUMBA_NUM_THREADS": "8"})
    assert done.returncode == 0, done.stderr
    return [line.split(maxsplit=2) for line in done.stdout.splitlines() if line.split()[1] in ("True", "False")]


def test_the_number_of_threads_changes_no_bit():
    came = lines()
    assert {name for name, *_ in came} == set(ROWS)
    assert [name for name, same, *_ in came if same != "True"] == []


@pytest.mark.parametrize("count", [24, pytest.param(400, marks=pytest.mark.slow)])
def test_nor_in_convolutions_of_any_geometry(count):
    came = lines(str(count))
    assert len(came) == 3 * count
    assert [line for line in came if line[1] != "True"] == []


def test_every_row_has_a_large_call():
    assert set(calls()) == set(ROWS)
