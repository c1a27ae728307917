"""How kernels are compiled: the options that every file of the CPU column shares.

Kernels take the number of threads as their argument T and cut the work themselves: `for t in prange(T)`, equal shares.
(Asked inside a kernel, Numba's thread count is a pointer into this process, and the kernel cannot be cached on disk.)

Arguments that belong together are named tuples, which Numba compiles away. In a `kernel` do not store into an array that is a
field of one (`y.data[i] = v`): Numba takes the store for dead code. Call an `inlined` function that stores.
"""

import numba

from .disk_cache import KernelCache


def njit(*, cache=False, **options):
    """Numba's decorator `njit(**options)`; with `cache`, compiled code is kept by `disk_cache` instead of Numba's own cache."""

    def compiled(function):
        dispatcher = numba.njit(**options)(function)
        if cache:
            dispatcher._cache = KernelCache(function)
        return dispatcher

    return compiled


# "numpy": a division by zero gives infinity. Python's exception would be a side exit, and side exits prevent vectorisation.
kernel = njit(parallel=True, cache=True, error_model="numpy")
# Functions that only kernels call need no CPython wrapper: without it they compile in half the time. They do no reference
# counting either (_nrt=False): the counter of an array is shared by all threads and would change at every call that passes
# the array on. Without reference counting no array can be allocated; `allocating` is for functions that do.
_within = {"cache": True, "error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True, "_nrt": False}
inner = njit(**_within)
allocating = njit(**_within | {"_nrt": True})
# Part of the caller, so that what the caller knows of the arguments holds inside.
inlined = njit(**_within, forceinline=True)
# Sums may be reordered to run in vector lanes; NaN and infinity stay what they are.
reassociated = njit(**_within, fastmath={"reassoc", "contract"})
