"""Worker processes that apply one function, started by spawn: OpenMP and CUDA do not survive a fork."""

from __future__ import annotations

import contextlib
import pickle
import signal
import sys
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

PATIENCE, MAX_WAITS = (
    60.0,
    10,
)  # seconds between warnings about a worker that does not answer; their number before an error


def _work(connection, function, number):
    """The loop of a worker: receives arguments and sends the result or exception, until the other side closes the pipe."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # sent to the whole group; the parent stops the workers
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    with contextlib.suppress(EOFError, OSError):  # the other side has closed the pipe
        while True:
            arguments = connection.recv()
            try:
                answer = (True, function(*arguments))
            except Exception as error:
                answer = (False, _portable(error, number))
            connection.send(answer)


def _portable(error, number):
    """The exception with its traceback as a note, since tracebacks cannot be pickled; a RuntimeError if it cannot be either."""
    text = "".join(traceback.format_exception(error))
    try:
        error = pickle.loads(pickle.dumps(error))
    except Exception:
        error = RuntimeError(f"{type(error).__name__}: {error}")
    error.add_note(f"\nTraceback in worker process {number}:\n{text}")
    return error


@contextlib.contextmanager
def _interrupts_blocked():
    """Context: workers started inside ignore Ctrl-C, which a terminal sends to every process; the parent stops them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # the first spawn would start it, and it unblocks the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _stop(processes, connections):
    for connection in connections:
        connection.close()
    for process in processes:
        process.join(timeout=5)
        if process.is_alive():
            process.kill()
            process.join()
        process.close()


def _spawning(count):
    """The context of multiprocessing that starts new processes; RuntimeError where the system has none (a browser)."""
    try:
        import multiprocessing.connection
    except ImportError as error:
        raise RuntimeError(
            f"DataLoader(num_workers={count}): this system starts no processes ({error}); use num_workers=0"
        ) from error
    return multiprocessing.get_context("spawn")


class Workers:
    """`count` processes, each with a copy of `function` and one pipe; closed at the latest when this object is deleted."""

    def __init__(self, function: Callable[..., Any], count: int) -> None:
        context = _spawning(count)
        self._connections, self._processes = [], []
        from multiprocessing.util import (
            Finalize,  # unlike weakref's, it runs before the exit that waits for all processes
        )

        self.close = Finalize(self, _stop, (self._processes, self._connections), exitpriority=10)
        for number in range(count):
            ours, theirs = context.Pipe()
            self._connections.append(ours)
            process = context.Process(target=_work, args=(theirs, function, number), daemon=True)
            try:
                with _interrupts_blocked():
                    process.start()
                    self._processes.append(process)
            except Exception as error:
                self.close()
                if isinstance(error, (pickle.PicklingError, AttributeError, TypeError)):
                    raise TypeError(
                        f"DataLoader(num_workers={count}): dataset and transform travel to worker processes, but "
                        f"cannot be pickled: {error}. Define them in a module, without lambdas, or use num_workers=0"
                    ) from error
                raise
            finally:
                theirs.close()

    def map(self, tasks: Iterable[tuple[Any, ...]], ahead: int) -> Iterator[Any]:
        """Results of `function(*task)`, in order; each worker has up to `ahead` tasks queued."""
        waiting, count = deque(), len(self._connections)
        tasks = iter(enumerate(tasks))

        def give():
            for number, task in tasks:
                self._send(number % count, task)
                waiting.append(number % count)
                return

        for _ in range(count * ahead):
            give()
        while waiting:
            worker = waiting.popleft()
            good, answer = self._receive(worker)
            if not good:
                raise answer
            give()
            yield answer

    def _send(self, worker, task):
        try:
            self._connections[worker].send(task)
        except OSError as error:
            raise self._death(worker) from error

    def _receive(self, worker):
        try:
            for waited in range(MAX_WAITS):
                if self._connections[worker].poll(PATIENCE):
                    return self._connections[worker].recv()
                seconds = (waited + 1) * PATIENCE
                print(f"DataLoader: worker process {worker} has not answered for {seconds:g} s", file=sys.stderr)
            raise RuntimeError(
                f"DataLoader: worker process {worker} has not answered for {MAX_WAITS * PATIENCE:g} s: it is stopped, or a "
                "sample takes longer than that"
            )
        except (EOFError, OSError) as error:
            raise self._death(worker) from error

    def _death(self, worker):
        process = self._processes[worker]
        process.join(timeout=5)
        return RuntimeError(
            f"DataLoader: worker process {worker} died (exit code {process.exitcode}). If this happened at the start: "
            "put a script's code under `if __name__ == \"__main__\":`, and a notebook's dataset and transform classes into "
            "a module. If later, it may have run out of memory"
        )
