"""Rates of this machine for matrix products and copies, with one thread, all threads, or a GPU, each in a fresh process.

By hand: python -m minidl.bench.floors THREADS DEVICE (with OPENBLAS_NUM_THREADS and similar variables set to THREADS, and
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
GPU_SIDE, GPU_MEGABYTES = 8192, 1024  # large enough that launches and caches do not matter


@dataclass
class Floors:
    """Flop per second of a float32 matrix product, and bytes per second that a copy reads and writes."""

    sgemm: float
    copy: float

    def seconds(self, flops, moved):
        """The least time for so many flops and bytes; an algorithm with less arithmetic may be faster."""
        return max(flops / self.sgemm, moved / self.copy)

    def bound_by_arithmetic(self, flops, moved):
        return flops / self.sgemm > moved / self.copy


def floors(threads, device="cpu"):
    """Floors for this number of threads, measured in a separate process whose BLAS has the same number; or those of a GPU."""
    command = [sys.executable, "-m", "minidl.bench.floors", str(threads), device]
    answer = subprocess.run(command, env=environment(threads), capture_output=True, text=True, check=False)
    if answer.returncode:
        raise RuntimeError(f"bench: measuring the floors failed: {answer.stderr.strip().splitlines()[-1:]}")
    return Floors(**json.loads(answer.stdout))


def best(call, seconds=SECONDS):
    """The shortest time of many runs, which other programs disturb least."""
    end, shortest = time.perf_counter() + seconds, float("inf")
    while time.perf_counter() < end:
        start = time.perf_counter()
        call()
        shortest = min(shortest, time.perf_counter() - start)
    return shortest


def sgemm():
    """Operations per second of NumPy's float32 matrix product, with BLAS's threads."""
    a = np.random.default_rng(0).standard_normal((SIDE, SIDE), np.float32)
    b, c = a.copy(), np.empty_like(a)
    return 2 * SIDE**3 / best(lambda: np.matmul(a, b, out=c))


def copy(threads):
    """Bytes per second of a copy in which each thread copies its own share; NumPy releases the GIL during a copy."""
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
