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
import pytest
from large_cases import calls
from minidl.kernels import cpu
from minidl.kernels.cpu.runtime.threads import set_num_threads

for name, arguments in calls().items():
    seen = []
    for threads in (1, 2, 3, 8):
        set_num_threads(threads)
        own = mapped(arguments, np.copy)
        result = getattr(cpu, name)(*own)
        seen.append([a.tobytes() for a in arrays((result, own))])
    print(name, all(bits == seen[0] for bits in seen[1:]))
"""
# conv: these follow with the convolution's own weight gradients
LATER = {"conv2d_weight"}


@pytest.mark.slow
def test_the_number_of_threads_changes_no_bit():
    helpers = os.path.join(os.path.dirname(__file__), "..", "helpers")
    environment = os.environ | {"NUMBA_NUM_THREADS": "8"}
    done = subprocess.run([sys.executable, "-c", CODE, helpers], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    same = dict(line.split() for line in done.stdout.splitlines())
    assert set(same) == set(ROWS)
    assert {name for name, equal in same.items() if equal != "True"} <= LATER


def test_every_row_has_a_large_call():
    assert set(calls()) == set(ROWS)
