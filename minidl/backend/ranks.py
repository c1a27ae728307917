"""The processes of an MPI run: this process's rank, sums over all ranks, and the end of all when one fails.

`mpiexec -n 4 python script.py` starts four processes, ranks 0 to 3. `world()` gives this process's `Ranks`; outside mpiexec it
is `ALONE`, one rank, whose sums are their arguments. mpi4py is loaded only in processes started by an MPI launcher.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import time
from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np

from ..typing import Array
from . import xp

T = TypeVar("T")
S = TypeVar("S", bound=Any)  # list, range or array
SIZES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MPI_LOCALNRANKS")  # set by Open MPI, MPICH and Intel MPI, MPICH's hydra
EAGER = 2e-4  # seconds of polling without a pause, after which a wait sleeps between polls


class Ranks:
    """`size` processes that run the same program; this one is number `rank`, and `local_rank` on its machine."""

    def __init__(self, comm: Any = None) -> None:
        self.rank, self.size, self.local_rank, self.waiting = 0, 1, 0, False
        self._comm = comm
        if comm is not None:
            self.rank, self.size = comm.rank, comm.size
            self._gradients = comm.Dup()  # a separate channel, so that running sums do not mix with those of `sum`

    def sum(self, array: Array) -> Array:
        """The sum of the ranks' arrays, all of one shape and dtype, as a new array; every rank gets the same bits."""
        total = xp(array).array(array, order="C")
        if self.size > 1:
            self.start_sum(total, ordered=True).wait()
        return total

    def start_sum(self, array: Array, ordered: bool = False) -> Any:
        """Begin to sum the contiguous `array` over the ranks, in place: an object with `test()` and `wait()`.

        The array must not be used before `wait()` returns. `ordered`: on the channel of `sum`, not on that of the gradients.
        """
        if xp(array) is not np:
            from .nccl import start_sum

            return start_sum(self, array)
        from mpi4py import MPI

        comm = self._comm if ordered else self._gradients
        return _Request(self, comm.Iallreduce(MPI.IN_PLACE, array))

    def mean(self, value: float) -> float:
        """The mean of the ranks' numbers."""
        return value if self.size == 1 else float(self.sum(np.array([value], np.float64))[0]) / self.size

    def any(self, flag: bool) -> bool:
        """Whether the flag is set on any rank."""
        return flag if self.size == 1 else self.mean(float(flag)) > 0

    def gather(self, value: T) -> list[T]:
        """The ranks' values, in order, on every rank; anything that can be pickled."""
        return [value] if self.size == 1 else self._blocking(self._comm.allgather, value)

    def broadcast(self, value: T) -> T:
        """Rank 0's value, on every rank."""
        return value if self.size == 1 else self._blocking(self._comm.bcast, value)

    def part(self, items: S) -> S:
        """This rank's consecutive share of a sequence: every item is on one rank, and shares differ by one item at most."""
        n = len(items)
        return items[n * self.rank // self.size : n * (self.rank + 1) // self.size]

    def barrier(self) -> None:
        """Wait until every rank has called this function."""
        self.any(False)

    @contextlib.contextmanager
    def first(self) -> Iterator[None]:
        """Rank 0 runs the block before the others, for example to download files."""
        if self.rank:
            self.barrier()
        yield
        if not self.rank:
            self.barrier()

    def _blocking(self, function, value):
        self.barrier()  # waits without occupying a processor that other ranks need
        self.waiting = True
        try:
            return function(value)
        finally:
            self.waiting = False

    def abort(self, code: int) -> None:
        """End every rank at once, without saving anything."""
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        self._comm.Abort(code)


class _Request:
    """A running sum."""

    def __init__(self, ranks: Ranks, request: Any) -> None:
        self.ranks, self.request = ranks, request

    def test(self) -> bool:
        """Whether the sum is complete; MPI makes progress during this call."""
        return self.request.Test()

    def wait(self) -> None:
        """Return when the sum is complete; the thread sleeps between polls, so that other ranks can use its processor."""
        self.ranks.waiting = True
        start = time.perf_counter()
        while not self.request.Test():
            waited = time.perf_counter() - start
            time.sleep(0 if waited < EAGER else min(waited / 10, 1e-3))
        self.ranks.waiting = False


ALONE = Ranks()


def launched() -> int:
    """The number of processes started by the launcher; 1 outside mpiexec and srun."""
    sizes = [os.environ.get(name, "") for name in SIZES]
    if "PMI_RANK" in os.environ or "PMIX_RANK" in os.environ:
        sizes.append(os.environ.get("SLURM_NTASKS", ""))
    return max((int(size) for size in sizes if size.isdigit()), default=1)


def launched_rank() -> int:
    """The number of this process, from the launcher's variables."""
    numbers = (os.environ.get(name, "") for name in ("OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK"))
    return max((int(number) for number in numbers if number.isdigit()), default=0)


@functools.cache
def world() -> Ranks:
    """All processes of this run. Also gives the CPU kernels this rank's share of the cores, if they are not loaded yet."""
    if launched() == 1:
        return ALONE
    try:
        from mpi4py import MPI
    except ImportError as error:
        raise RuntimeError(
            f"{launched()} processes were started by an MPI launcher, but mpi4py cannot be loaded ({error}): "
            'python -m pip install "minidl[mpi]"'
        ) from error
    if MPI.COMM_WORLD.size == 1:
        raise RuntimeError(
            f"the launcher started {launched()} processes that do not find each other: mpiexec is not of the MPI that "
            f"mpi4py uses ({MPI.Get_library_version().split(',')[0].strip()})"
        )
    ranks = Ranks(MPI.COMM_WORLD.Dup())
    neighbours = MPI.COMM_WORLD.Split_type(MPI.COMM_TYPE_SHARED)
    ranks.local_rank = neighbours.rank
    _share_cores(neighbours)
    sys.excepthook = functools.partial(_end_all, ranks)
    if MPI.Query_thread() == MPI.THREAD_MULTIPLE:
        from .watch import Watch

        Watch(ranks, MPI.COMM_WORLD.Dup()).start()
    elif not ranks.rank:
        print("minidl: this MPI has no threads, so that a rank that hangs is not noticed", file=sys.stderr)
    return ranks


def _share_cores(neighbours):
    """NUMBA_NUM_THREADS: the cores that this rank may use, divided by the ranks of this machine that may use them too."""
    mine = (
        frozenset(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else frozenset(range(os.cpu_count() or 1))
    )
    sharing = sum(bool(mine & theirs) for theirs in neighbours.allgather(mine))
    if "numba" not in sys.modules:
        os.environ.setdefault("NUMBA_NUM_THREADS", str(max(len(mine) // sharing, 1)))


def _end_all(ranks, kind, error, trace):
    """Exception hook: an uncaught exception ends all ranks, which would otherwise wait for this one for ever."""
    if issubclass(kind, KeyboardInterrupt):
        return sys.__excepthook__(kind, error, trace)
    print(f"rank {ranks.rank} of {ranks.size}:", file=sys.stderr)
    sys.__excepthook__(kind, error, trace)
    ranks.abort(1)


def fail(text: str, code: int) -> int:
    """Print why this process ends, and return its exit code; among several ranks, name this one and end the others.

    Ranks other than 0 wait a moment first, so that an error on all ranks is printed once.
    """
    if world.cache_info().currsize and (ranks := world()).size > 1:
        if ranks.rank:
            time.sleep(0.5)
        print(f"rank {ranks.rank} of {ranks.size}: {text}", file=sys.stderr, flush=True)
        ranks.abort(code)
    print(text, file=sys.stderr)
    return code
