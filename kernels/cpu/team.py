"""How many threads share a piece of work.

Kernels take the number as their argument T and cut the work themselves: `for t in prange(T)` over equal shares.
(Asked inside a kernel, Numba's thread count is a pointer into this process, and the kernel cannot be cached on disk.)
"""

from numba import get_num_threads


def team(elements):
    """1 where sharing costs more than it saves: a thread takes about as long to start as 16000 elements to add."""
    return get_num_threads() if elements > 16384 else 1
