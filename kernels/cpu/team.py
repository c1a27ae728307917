"""How kernels are compiled, and how many threads share a piece of work.

Kernels take the number of threads as their argument T and cut the work themselves: `for t in prange(T)`, equal shares.
(Asked inside a kernel, Numba's thread count is a pointer into this process, and the kernel cannot be cached on disk.)
"""

from numba import get_num_threads, njit

# "numpy": a division by zero gives infinity. Python's error would be a branch, and a loop with a way out has no vectors.
kernel = njit(parallel=True, cache=True, error_model="numpy")
# What only kernels call needs no way in from Python: that halves its compile time.
_within = {"cache": True, "error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
inner = njit(**_within)
# Part of its caller, so that what the caller knows of the arguments holds inside.
inlined = njit(**_within, forceinline=True)
# Sums may run in vector lanes; NaN and infinity stay what they are.
summing = njit(**_within, fastmath={"reassoc", "contract"})
# The same for inner loops: Numba counts who holds an array, with an atomic addition wherever one is handed on; not here.
within = njit(cache=True, forceinline=True, _nrt=False)


def team(elements):
    """1 where sharing costs more than it saves: a thread takes about as long to start as 16000 elements to add."""
    return get_num_threads() if elements > 16384 else 1
