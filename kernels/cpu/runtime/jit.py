"""How kernels are compiled, and how many threads share a piece of work.

Kernels take the number of threads as their argument T and cut the work themselves: `for t in prange(T)`, equal shares.
(Asked inside a kernel, Numba's thread count is a pointer into this process, and the kernel cannot be cached on disk.)
"""

import numba
from numba import get_num_threads

from .disk_cache import KernelCache


def njit(*, cache=False, **options):
    """Numba's decorator `njit(**options)`; with `cache`, compiled code is kept by `disk_cache` instead of Numba's own cache."""

    def compiled(function):
        dispatcher = numba.njit(**options)(function)
        if cache:
            dispatcher._cache = KernelCache(function)
        return dispatcher

    return compiled


# "numpy": a division by zero gives infinity. Python's error would be a branch, and a loop with a way out has no vectors.
kernel = njit(parallel=True, cache=True, error_model="numpy")
# What only kernels call needs no way in from Python: that halves its compile time. Nor does it count who holds an array: the
# counter is shared by all threads, and went up and down wherever an array was handed on. A row of 128 pixels took 50 ns to
# copy, and takes 15. Without it no array can be made; `making` is for what does.
_within = {"cache": True, "error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True, "_nrt": False}
inner = njit(**_within)
making = njit(**_within | {"_nrt": True})
# Part of its caller, so that what the caller knows of the arguments holds inside.
inlined = njit(**_within, forceinline=True)
# Sums may run in vector lanes; NaN and infinity stay what they are.
summing = njit(**_within, fastmath={"reassoc", "contract"})


def team(elements):
    """1 where sharing costs more than it saves: a thread takes about as long to start as 16000 elements to add."""
    return get_num_threads() if elements > 16384 else 1
