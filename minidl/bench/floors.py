"""What this machine can do: matrix products and copies, with one thread and with all. Each in a fresh process.

Start by hand: python -m minidl.bench.floors THREADS (with OPENBLAS_NUM_THREADS and its like set to THREADS).
"""

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from .peers import environment

SIDE, MEGABYTES, SECONDS = 1536, 64, 1.0


@dataclass
class Floors:
    """Flop per second of a float32 matrix product, and bytes per second that a copy reads and writes."""

    sgemm: float
    copy: float

    def seconds(self, flops, moved):
        """No less time than this is needed, unless an algorithm does with less arithmetic."""
        return max(flops / self.sgemm, moved / self.copy)

    def bound_by_arithmetic(self, flops, moved):
        return flops / self.sgemm > moved / self.copy


def floors(threads):
    """Floors with that many threads, measured in a process of its own, whose BLAS has just as many."""
    command = [sys.executable, "-m", "minidl.bench.floors", str(threads)]
    answer = subprocess.run(command, env=environment(threads), capture_output=True, text=True, check=False)
    if answer.returncode:
        raise RuntimeError(f"bench: measuring the floors failed: {answer.stderr.strip().splitlines()[-1:]}")
    return Floors(**json.loads(answer.stdout))


def best(call, seconds=SECONDS):
    """The shortest of many runs: a floor is what the machine does undisturbed."""
    end, shortest = time.perf_counter() + seconds, float("inf")
    while time.perf_counter() < end:
        start = time.perf_counter()
        call()
        shortest = min(shortest, time.perf_counter() - start)
    return shortest


def sgemm():
    """Operations a second of NumPy's float32 matrix product, with the threads that BLAS was given."""
    a = np.random.default_rng(0).standard_normal((SIDE, SIDE), np.float32)
    b, c = a.copy(), np.empty_like(a)
    return 2 * SIDE**3 / best(lambda: np.matmul(a, b, out=c))


def copy(threads):
    """Each thread copies its own share; NumPy lets go of the interpreter lock meanwhile."""
    a = np.ones((threads, MEGABYTES * 2**20 // 4 // threads), np.float32)
    b = np.zeros_like(a)
    with ThreadPoolExecutor(threads) as pool:
        return 2 * a.nbytes / best(lambda: [*pool.map(np.copyto, b, a)])


if __name__ == "__main__":
    count = int(sys.argv[1])
    print(json.dumps({"sgemm": sgemm(), "copy": copy(count)}))
