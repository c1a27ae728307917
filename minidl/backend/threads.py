"""The number of threads of CPU kernels; Numba is loaded at the first call."""

from __future__ import annotations


def set_num_threads(n: int) -> None:
    """Set the number of threads of CPU kernels called from this thread; NumPy's own threads are not affected."""
    from ..kernels.cpu.runtime import threads

    threads.set_num_threads(n)


def get_num_threads() -> int:
    """The number of threads of CPU kernels called from this thread."""
    from ..kernels.cpu.runtime import threads

    return threads.get_num_threads()
