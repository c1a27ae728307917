"""Threads and memory of the CPU column: one setting, and what Numba's threading layers need beside Python threads and forks.

No kernel here calls a BLAS library, so Numba's number of threads is the only one, and NumPy keeps its own. Numba starts its
threads by one of three layers, `tbb`, `omp` or `workqueue`, the first of them that is installed. Two of them have limits:

- `workqueue` aborts the process when two Python threads run kernels at once: with it, a lock admits one thread at a time. A
  fork waits for that lock, so that the child's threads start from an empty queue.
- GNU `omp` ends a process that was forked after a kernel ran: there every kernel raises an error that names the remedy.
"""

import ctypes
import functools
import os
import sys
import threading
import warnings

import numba

# How often a waiting GNU OpenMP thread polls before it sleeps. The default, 300000, suits machines that do nothing else: beside
# another busy process, a thread that polls takes the processor from the thread that it waits for, and a training step takes
# ten times as long.
SPIN = "2000"


def set_num_threads(n):
    """Lets kernels that this thread calls use n threads, from 1 to the number that Numba started with."""
    most = numba.config.NUMBA_NUM_THREADS
    if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= most:
        raise ValueError(f"set_num_threads: n must be a whole number from 1 to {most}, not {n!r}")
    numba.set_num_threads(n)


def get_num_threads():
    """The number of threads that kernels called from this thread use."""
    return numba.get_num_threads()


def threads_for(elements):
    """The threads for a pass over so many elements: 1 below 16384, which take about as long as to wake a thread."""
    return numba.get_num_threads() if elements > 16384 else 1


def protect(namespace, names):
    """Makes the kernels `names` of a module safe with Python threads and after a fork, as far as the layer asks for it."""
    os.environ.setdefault("GOMP_SPINCOUNT", SPIN)
    numba.get_num_threads()  # starts the threads
    layer = numba.threading_layer()
    if layer == "workqueue":
        warnings.warn(
            "Numba found neither TBB nor OpenMP and uses its slow workqueue: kernels run one at a time (pip install tbb)",
            stacklevel=3,
        )
        lock = threading.RLock()
        for name in names:
            namespace[name] = _one_at_a_time(namespace[name], lock)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
    if layer == "omp" and sys.platform == "linux":
        os.register_at_fork(after_in_child=lambda: namespace.update({name: _refuse(name) for name in names}))


def _one_at_a_time(kernel, lock):
    @functools.wraps(kernel)
    def locked(*args):
        with lock:
            return kernel(*args)

    return locked


def _refuse(name):
    def refused(*args):
        raise RuntimeError(
            f"{name}: this process was forked from one that had loaded the CPU kernels, and OpenMP's threads do not survive"
            ' a fork; start processes with multiprocessing.get_context("spawn"), or compute with backend.use("reference")'
        )

    return refused


def keep_memory():
    """Asks glibc to keep freed arrays up to 1 GB for the next ones: a fresh page costs more than the sum that fills it."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        if hasattr(libc, "mallopt"):
            m_trim_threshold, m_mmap_threshold = -1, -3  # malloc.h
            libc.mallopt(m_mmap_threshold, 1 << 30)
            libc.mallopt(m_trim_threshold, 1 << 30)
