"""A process with one library, which reads requests as JSON lines and writes answers as JSON lines.

    {"do": "build", "op": ..., "part": ..., "params": ...}    variants and fingerprints of their results
    {"do": "time", "variant": ..., "calls": n}                seconds of n calls, "wall" and "cpu"
    {"do": "memory", "op": ..., ...}                          peak of resident memory in bytes, in a fresh process

Start: python -m minidl.bench.worker LIBRARY THREADS DEVICE. On a GPU the time ends when the GPU has finished.
"""

import importlib
import json
import os
import signal
import sys
import time

from .inputs import fingerprint

MODULES = {"minidl": "minidl.bench.ours", "torch": "minidl.bench.torch_peer"}


class Worker:
    """One library, and the case built last."""

    def __init__(self, name, threads, device="cpu"):
        self.library = importlib.import_module(MODULES[name])
        self.library.start(threads, device)
        self.calls = {}

    def build(self, op, part, params):
        self.calls = {}  # frees the arrays of the last case
        self.calls = self.library.OPS[op](params, part)
        return {"variants": {name: fingerprint(self.library.numbers(call())) for name, call in self.calls.items()}}

    def time(self, variant, calls):
        """Seconds of `calls` calls, after as many untimed ones, which warm caches and threads."""
        call = self.calls[variant]
        for _ in range(calls if calls > 1 else 0):
            call()
        self.library.synchronize()
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(calls):
            call()
        self.library.synchronize()
        seconds = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        settle()
        return seconds

    def keep(self, variants):
        self.calls = {name: self.calls[name] for name in variants}
        return {}

    def memory(self, op, part, params, steps=3):
        """Peaks after the import alone, and after some steps of the first variant."""
        imported = peak_memory()
        call = next(iter(self.library.OPS[op](params, part).values()))
        for _ in range(steps):
            call()
        return {"imported": imported, "peak": peak_memory()}


def settle(limit=0.2, nap=0.002):
    """Wait until this process's threads have stopped polling for work, so that the other libraries get all cores."""
    end = time.perf_counter() + limit
    while time.perf_counter() < end:
        before = time.process_time()
        time.sleep(nap)
        if time.process_time() - before < nap / 10:
            return


def peak_memory():
    """The peak of this process's resident memory, in bytes."""
    if os.path.exists("/proc/self/status"):  # on Linux ru_maxrss starts at the parent's value
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main(name, threads, device):
    """Answer requests, one JSON line each, until the parent closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to this process too; the parent ends it
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # output printed by a library goes to standard error, not between the answers
    try:
        worker = Worker(name, int(threads), device)
    except RuntimeError as error:  # no GPU for this library
        answers.write(json.dumps({"error": str(error)}) + "\n")
        return
    answers.write(json.dumps({"ready": name}) + "\n")
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(worker, request.pop("do"))(**request)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
