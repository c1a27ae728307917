"""Memory in use: arrays of tensors, arrays that the tape keeps for backward, freed pages that the allocator keeps."""

from __future__ import annotations

import ctypes
import gc
import sys

from ..autograd.tape import Leaf, Node
from ..autograd.tensor import Tensor
from ..backend import cuda, is_array

MB = 2**20
_FIELDS = ["arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"]


class _Mallinfo(ctypes.Structure):
    """struct mallinfo2 of malloc.h (glibc 2.33 or newer)."""

    _fields_ = [(name, ctypes.c_size_t) for name in _FIELDS]


def memory_summary() -> str:
    """A table, as text, of the arrays that tensors, gradients and the tape hold, and of the process's memory.

    Parameters are all leaves that require a gradient. Every array counts once, in the first row that it belongs to, and a
    view counts as its whole base array. "Kept for reuse" is freed memory that the C library keeps for the next arrays,
    because a new page from the system is expensive; `empty_cache` returns it to the system. With a GPU in use a line for
    CuPy's memory pool follows. Lines whose figures the operating system does not provide are left out.

    >>> print(memory_summary())  # doctest: +SKIP
    parameters            62 arrays      29.6 MB
    gradients             62 arrays      29.6 MB
    kept for backward     98 arrays     141.2 MB
    other tensors          3 arrays       1.5 MB
    process              now 402.1 MB, at most 460.9 MB
    C library            in use 220.4 MB, kept for reuse 96.3 MB
    """
    tensors, nodes = [], []
    for thing in gc.get_objects():
        if issubclass(type(thing), Tensor):
            tensors.append(thing)
        elif type(thing) is Node and thing.saved:
            nodes.append(thing)
    seen = set()
    lines = [
        _row("parameters", [t for t in tensors if isinstance(t.node, Leaf)], seen),
        _row("gradients", [t.grad for t in tensors if isinstance(t.grad, Tensor)], seen),
        _row("kept for backward", [value for node in nodes for value in node.saved], seen),
        _row("other tensors", tensors, seen),
    ]
    now, most = _status("VmRSS"), _status("VmHWM")
    if now:
        lines.append(f"{'process':20} now {now / MB:.1f} MB, at most {most / MB:.1f} MB")
    heap = _heap()
    if heap:
        used, kept = (heap.uordblks + heap.hblkhd) / MB, heap.fordblks / MB
        lines.append(f"{'C library':20} in use {used:.1f} MB, kept for reuse {kept:.1f} MB")
    if "cupy" in sys.modules and cuda.is_available():
        pool = sys.modules["cupy"].get_default_memory_pool()
        used, kept = pool.used_bytes() / MB, pool.free_bytes() / MB
        lines.append(f"{'GPU pool':20} in use {used:.1f} MB, kept for reuse {kept:.1f} MB")
    return "\n".join(lines)


def empty_cache() -> None:
    """Return memory that no array uses to the operating system, and that of CuPy's pool to the GPU."""
    trim = getattr(_libc(), "malloc_trim", None)
    if trim:
        trim(0)
    if "cupy" in sys.modules and cuda.is_available():
        sys.modules["cupy"].get_default_memory_pool().free_all_blocks()


def _row(name, holders, seen):
    count = total = 0
    for array in filter(is_array, (h.data if isinstance(h, Tensor) else h for h in holders)):
        while is_array(array.base):
            array = array.base
        if id(array) not in seen:
            seen.add(id(array))
            count, total = count + 1, total + array.nbytes
    return f"{name:20} {count:4} arrays {total / MB:9.1f} MB"


def _status(field):
    """Bytes of a field of this process's status, or None where there is no such file."""
    try:
        with open("/proc/self/status") as file:
            return next((1024 * int(line.split()[1]) for line in file if line.startswith(field)), None)
    except OSError:
        return None


def _libc():
    return ctypes.CDLL(None) if sys.platform == "linux" else None


def _heap():
    query = getattr(_libc(), "mallinfo2", None)
    if query is None:
        return None
    query.restype = _Mallinfo
    return query()
