"""What this machine can do: matrix products and copies, with one thread, with all, on a GPU. Each in a fresh process.

Start by hand: python -m minidl.bench.floors THREADS DEVICE (with OPENBLAS_NUM_THREADS and its like set to THREADS, and
CUPY_TF32=1 for the tensor cores).
"""

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from ..backend import cuda
from .peers import environment

SIDE, MEGABYTES, SECONDS = 1536, 64, 1.0
GPU_SIDE, GPU_MEGABYTES = 8192, 1024  # large beside launches and caches


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


def floors(threads, device="cpu"):
    """Floors with that many threads, measured in a process of its own, whose BLAS has just as many; or those of a GPU."""
    command = [sys.executable, "-m", "minidl.bench.floors", str(threads), device]
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


def on_gpu(device, side=GPU_SIDE, megabytes=GPU_MEGABYTES, seconds=SECONDS):
    """cuBLAS's float32 matrix product through CuPy, and a copy within the GPU's memory, as the arguments of Floors."""
    cupy = cuda.require(f"--device {device}")
    cupy.cuda.Device(cuda.parse(device)[1]).use()
    a, c = cupy.ones((side, side), cupy.float32), cupy.empty((side, side), cupy.float32)
    x = cupy.zeros(megabytes * 2**18, cupy.float32)
    y = cupy.empty_like(x)
    product = best(lambda: (cupy.matmul(a, a, out=c), cuda.synchronize()), seconds)
    copied = best(lambda: (cupy.copyto(y, x), cuda.synchronize()), seconds)
    return {"sgemm": 2 * side**3 / product, "copy": 2 * x.nbytes / copied}


if __name__ == "__main__":
    count, where = int(sys.argv[1]), sys.argv[2]
    print(json.dumps({"sgemm": sgemm(), "copy": copy(count)} if where == "cpu" else on_gpu(where)))
