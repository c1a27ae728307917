"""Runs the worker process of one submission: starts it, reads its messages, and ends it after the time limit."""

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from . import wire

SINGLE = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
KEPT = ("PATH", "LANG", "CXX", "LD_LIBRARY_PATH", "SYSTEMROOT", "PYTHONPATH", "VIRTUAL_ENV")
STARTING = 30.0  # seconds for imports or a compiler
LARGEST_FILE = 1 << 20


@dataclass(frozen=True)
class Limits:
    """Limits of one submission: seconds in total and per case, megabytes; and the choice of its cases."""

    seconds: float = 120.0
    case_seconds: float = 5.0
    megabytes: int = 4096
    seed: int = 1
    drawn: int = 4


@dataclass
class Outcome:
    """The outcome of one exercise: `results` of its cases, or a `fault` as text; `missing` if there is no such function."""

    results: list = field(default_factory=list)
    fault: str = ""
    missing: bool = False


def outcomes(submission: Path, exercises: list, limits: Limits, cache: Path | None = None) -> dict:
    """{exercise: Outcome} of a submission, a Python file or a folder of them.

    It is copied to a temporary folder, where its worker runs. A worker that ends or hangs is restarted for the remaining
    exercises. `cache` is a folder of compiled code with which the worker's own cache begins.
    """
    found = {name: Outcome(fault="the time for this submission was over before") for name in exercises}
    end = time.monotonic() + limits.seconds
    with tempfile.TemporaryDirectory(prefix="minidl-grade-", ignore_cleanup_errors=True) as scratch:
        folder = Path(scratch) / "submission"
        _copy(submission, folder)
        if cache and cache.is_dir():
            shutil.copytree(cache, Path(scratch) / "cudasim")
        left = list(exercises)
        while left and time.monotonic() < end:
            left = _worked(folder, Path(scratch), left, found, limits, end)
    return found


def _copy(submission, folder):
    """The Python files of the submission, none of them a link, none larger than a megabyte."""
    folder.mkdir()
    files = [submission] if submission.is_file() else sorted(submission.rglob("*.py"))
    for path in files[:200]:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > LARGEST_FILE:
            continue
        target = folder / (path.name if submission.is_file() else path.relative_to(submission))
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


def _worked(folder, scratch, left, found, limits, end):
    """Run one worker and fill `found`; returns the exercises that remain after its end."""
    job = {"folder": str(folder), "exercises": left, "seconds": limits.seconds, "case_seconds": limits.case_seconds}
    job |= {"megabytes": limits.megabytes, "seed": limits.seed, "drawn": limits.drawn}
    environment = {name: os.environ[name] for name in KEPT if name in os.environ} | dict.fromkeys(SINGLE, "1")
    environment |= {"HOME": str(scratch), "TMPDIR": str(scratch), "MINIDL_CUDASIM_CACHE": str(scratch / "cudasim")}
    environment |= {"NUMBA_CACHE_DIR": str(scratch / "numba"), "PYTHONDONTWRITEBYTECODE": "1", "MPLBACKEND": "Agg"}
    worker = subprocess.Popen(
        [sys.executable, "-m", "minidl.exercises.grading.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        env=environment,
        start_new_session=os.name == "posix",
    )
    current, reason = None, "its process ends by itself: out of memory, an exit, or a crash"
    try:
        worker.stdin.write(wire.line(job))
        worker.stdin.close()
        done, wait = set(), [STARTING]
        for message in _messages(worker.stdout, wait, end):
            name = message.get("exercise")
            if name not in left or name in done:
                continue
            if current != name:
                current, found[name] = name, Outcome()
            wait[0] = limits.case_seconds * 2 + (3 if message.get("plain") else STARTING)  # until the next message
            if _noted(found[name], message):
                done.add(name)
                current = None
    except TimeoutError:
        reason = "it was stopped: the time is over"
    except (OSError, ValueError) as error:
        reason = f"its process writes something else than results ({error})"
    finally:
        _end(worker)
    if current:
        found[current].fault = found[current].fault or reason
        done.add(current)
    elif not done:
        done = set(left[:1])
        found[left[0]] = Outcome(fault=reason)
    return [name for name in left if name not in done]


def _noted(outcome, message):
    """Add a message to the outcome; returns whether it is the last one of the exercise."""
    if "result" in message:
        outcome.results.append(message["result"])
    outcome.missing |= bool(message.get("missing"))
    outcome.fault = str(message.get("fault", outcome.fault))[:500]
    return bool(message.keys() & {"missing", "fault", "done"})


def _messages(stream, patience, end):
    """The messages of a worker; TimeoutError without a message for `patience[0]` seconds, or after the time `end`."""
    rest, descriptor = b"", stream.fileno()
    while True:
        wait = min(patience[0], end - time.monotonic())
        if wait <= 0 or not select.select([descriptor], [], [], wait)[0]:
            raise TimeoutError
        part = os.read(descriptor, 1 << 16)
        if not part:
            return
        *lines, rest = (rest + part).split(b"\n")
        if len(rest) > wire.LARGEST:
            raise ValueError("a line without an end")
        yield from map(wire.read, lines)


def _end(worker):
    """End the worker and all its child processes."""
    if os.name == "posix":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(worker.pid, signal.SIGKILL)
    worker.kill()
    worker.stdout.close()
    worker.wait()
