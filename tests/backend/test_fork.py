"""A process that forks while a thread computes: under `workqueue` the child computes too, without a deadlock."""

import os
import subprocess
import sys

import pytest

CODE = """
import os, threading, time, warnings
warnings.simplefilter("ignore")  # that workqueue is slow
import numba
import numpy as np
from minidl.kernels import cpu

x = np.random.default_rng(0).standard_normal((4, 16, 64, 64)).astype(np.float32)
want, stop = cpu.relu(x), []
assert numba.threading_layer() == "workqueue"

def compute():
    while not stop:
        assert np.array_equal(cpu.relu(x), want)

thread = threading.Thread(target=compute)
thread.start()
for _ in range(10):
    child = os.fork()
    if child == 0:
        os._exit(0 if all(np.array_equal(cpu.relu(x), want) for _ in range(2)) else 3)
    end = time.monotonic() + 30
    while not os.waitpid(child, os.WNOHANG)[0]:
        if time.monotonic() > end:
            os.kill(child, 9)
            raise SystemExit(stop.append(1) or "a child hangs")
        time.sleep(0.001)
stop.append(1)
thread.join()
print("done")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_fork_under_workqueue_waits_until_no_kernel_runs():
    environment = os.environ | {"NUMBA_THREADING_LAYER": "workqueue", "NUMBA_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, env=environment, timeout=400)
    assert done.stdout == "done\n", done.stderr
