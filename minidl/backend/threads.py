"""The number of threads of CPU kernels; Numba is loaded at the first call."""

from __future__ import annotations


def set_num_threads(n: int) -> None:
    """Lets CPU kernels that this thread calls use n threads; NumPy's own threads stay as they are."""
    from ..kernels.cpu.runtime import threads

    threads.set_num_threads(n)


def get_num_threads() -> int:
    """How many threads CPU kernels called from this thread use."""
    from ..kernels.cpu.runtime import threads

    return threads.get_num_threads()
