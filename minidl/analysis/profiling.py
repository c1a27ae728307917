"""A profiler of CUDA C kernels: memory requests and bank conflicts, counted on the CPU by the simulator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .. import backend

_COUNTS = (
    *("global_loads", "global_stores", "global_atomics", "shared_loads", "shared_stores", "shared_atomics", "barriers"),
    *("global_requests", "global_sectors", "ideal_sectors", "uncoalesced", "shared_requests", "bank_conflicts"),
)


@dataclass
class LineProfile:
    """One load or store in the source text: the number of warps' requests, and their cost.

    `sectors` counts the 32-byte sectors of global memory that the requests touch, `ideal` those that contiguous accesses to
    as many bytes would touch; `conflicts` counts passes over the banks of shared memory beyond one per request.
    """

    where: str
    shared: bool
    write: bool
    requests: int = 0
    sectors: int = 0
    ideal: int = 0
    conflicts: int = 0


@dataclass
class KernelProfile:
    """All launches of one kernel: accesses by threads, requests by warps (32 threads) and their cost; see LineProfile."""

    name: str
    launches: int = 0
    blocks: int = 0
    threads: int = 0
    lines: list = field(default_factory=list)
    global_loads: int = 0
    global_stores: int = 0
    global_atomics: int = 0
    shared_loads: int = 0
    shared_stores: int = 0
    shared_atomics: int = 0
    barriers: int = 0  # counted once per thread
    global_requests: int = 0
    global_sectors: int = 0
    ideal_sectors: int = 0
    uncoalesced: int = 0  # requests that touch at least two sectors more than they need
    shared_requests: int = 0
    bank_conflicts: int = 0

    def add(self, grid: Any, block: Any, counters: Any, lines: Any) -> None:
        """Add the counts of one launch."""
        blocks, size = grid[0] * grid[1] * grid[2], block[0] * block[1] * block[2]
        self.launches += 1
        self.blocks += blocks
        self.threads += blocks * size
        for name in _COUNTS:
            setattr(self, name, getattr(self, name) + getattr(counters, name))
        known = {(line.where, line.shared, line.write): line for line in self.lines}
        for where, counted in lines:
            key = where or "?", bool(counted.shared), bool(counted.write)
            line = known.setdefault(key, LineProfile(*key))
            for name in ("requests", "sectors", "ideal", "conflicts"):
                setattr(line, name, getattr(line, name) + getattr(counted, name))
        self.lines = sorted(known.values(), key=lambda line: line.where)

    def __str__(self) -> str:
        share = f"{self.global_sectors / max(1, self.global_requests):.1f}"
        needed = f"{self.ideal_sectors / max(1, self.global_requests):.1f}"
        text = [
            f"{self.name}: {self.threads:,} threads in {self.blocks:,} blocks, launched {_times(self.launches)}",
            f"  global memory  {self.global_loads:,} loads, {self.global_stores:,} stores, {self.global_atomics:,} atomics;",
            f"                 {self.global_requests:,} requests of {share} sectors where {needed} would do; "
            f"{self.uncoalesced:,} uncoalesced",
            f"  shared memory  {self.shared_loads:,} loads, {self.shared_stores:,} stores, {self.shared_atomics:,} atomics;",
            f"                 {self.shared_requests:,} requests; {self.bank_conflicts:,} turns lost to bank conflicts",
            f"  barriers       {self.barriers:,}",
        ]
        for line in self.lines:
            verb = "store" if line.write else "load"
            if line.sectors > line.ideal + line.requests:
                cost = f"{line.sectors / line.requests:.1f} sectors a request where {line.ideal / line.requests:.1f} would do"
                text.append(f"  {line.where}: a global {verb} of {cost}")
            if line.conflicts:
                text.append(
                    f"  {line.where}: a shared {verb} that takes {1 + line.conflicts / line.requests:.1f} turns a request"
                )
        return "\n".join(text)


def profile_kernel(function: Callable[..., Any], *arguments: Any) -> list[KernelProfile]:
    """Run `function(*arguments)` on the simulator, print the counts of each CUDA kernel, and return the KernelProfiles.

    Counted are loads, stores and atomics in global and shared memory, barriers, the 32-byte sectors that the requests
    of each warp touch (uncoalesced access), and bank conflicts, with the most expensive lines of the `.cu` files. It
    needs a C++ compiler, and no GPU.

    >>> import numpy as np, minidl
    >>> from minidl.kernels import cuda
    >>> profiles = minidl.profile_kernel(cuda.relu, np.ones(1024, np.float32))
    relu: 1,024 threads in 4 blocks, launched once
      global memory  1,024 loads, 1,024 stores, 0 atomics;
                     64 requests of 4.0 sectors where 4.0 would do; 0 uncoalesced
      shared memory  0 loads, 0 stores, 0 atomics;
                     0 requests; 0 turns lost to bank conflicts
      barriers       0
    >>> profiles[0].global_sectors
    256

    `function` may be any function, such as `lambda: model(x)`. The k-th executions of one load by the lanes of a warp count as
    one request, which is exact where all lanes of the warp take the same path (CUDA C++ Programming Guide, 5.3).
    """
    from ..kernels.cuda.simulator import run

    found = []
    run.profiles.append(found)
    try:
        with backend.use("cudasim"):
            function(*arguments)
    finally:
        run.profiles.pop()
    profiles = {}
    for name, *launch in found:
        profiles.setdefault(name, KernelProfile(name)).add(*launch)
    print("\n".join(map(str, profiles.values())) or "profile_kernel: no kernel was launched")
    return list(profiles.values())


def _times(n):
    return "once" if n == 1 else f"{n:,} times"
