"""The parent's side of the pipes: one process per library, one request at a time."""

import contextlib
import json
import os
import subprocess
import sys
from importlib import metadata
from importlib.util import find_spec

from ..backend import cuda

OURS = "minidl"
PEERS = {"torch": "PyTorch"}
BLAS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def check(peers):
    """Raise an error for peers that are unknown or not installed."""
    for name in peers:
        if name not in PEERS:
            raise ValueError(f"bench: --peer {name} is unknown; there are {', '.join(PEERS)}")
        if find_spec(name) is None:
            raise ModuleNotFoundError(
                f"bench: {PEERS[name]} is not installed (pip install {name}); leave out --peer {name} to time minidl alone"
            )


def installed(names):
    """(the peers that are installed, a line about each that is not and is left out); an unknown name is an error."""
    there = [name for name in dict.fromkeys(names) if name not in PEERS or find_spec(name)]
    missing = [name for name in dict.fromkeys(names) if name not in there]
    check(there)
    return there, [f"{PEERS[name]} is not installed and left out (pip install {name})" for name in missing]


def environment(threads):
    """This process's environment with the number of threads in every variable that a library reads, and TF32 for cuBLAS."""
    return os.environ | {name: str(threads) for name in (*BLAS, "NUMBA_NUM_THREADS")} | {"CUPY_TF32": "1"}


class Peer:
    """A library in a separate process; `ask` sends a request and waits for the answer."""

    def __init__(self, name, threads, device="cpu"):
        self.name = name
        command = [sys.executable, "-m", "minidl.bench.worker", name, str(threads), device]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen(command, env=environment(threads), text=True, bufsize=1, **pipes)
        try:
            self._answer()
        except RuntimeError:
            self.__exit__()
            raise

    def ask(self, do, **request):
        """The answer to a request; raises RuntimeError for an error in the worker."""
        try:
            self.process.stdin.write(json.dumps({"do": do, **request}) + "\n")
            return self._answer()
        except BrokenPipeError:
            self._died()

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            self._died()
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"bench: {self.name}: {answer['error']}")
        return answer

    def _died(self):
        raise RuntimeError(f"bench: the process of {self.name} ended with exit code {self.process.wait()}")

    def __enter__(self):
        return self

    def __exit__(self, *error):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


def versions(peers, device="cpu"):
    """ "minidl 0.1.0, numpy 2.4, ..." of all libraries in the comparison."""
    names = ("minidl", "numpy", "numba", "scipy", *peers)
    text = ", ".join(f"{name} {metadata.version(name)}" for name in names)
    if device == "cpu":
        return text
    cupy = cuda.require(f"--device {device}")  # CuPy's package has several names
    toolkit, driver = (
        f"{v // 1000}.{v % 1000 // 10}"
        for v in (cupy.cuda.runtime.runtimeGetVersion(), cupy.cuda.runtime.driverGetVersion())
    )
    return f"{text}, cupy {cupy.__version__}, CUDA {toolkit}, driver for CUDA {driver}"
