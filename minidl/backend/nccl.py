"""Sums over the ranks of arrays on GPUs: NCCL through CuPy, one device per rank, on a stream beside that of the kernels.

It has never run: no machine with two GPUs was at hand.
"""

from __future__ import annotations

import functools
from typing import Any


class _Sum:
    """A running sum on the communication stream."""

    def __init__(self, done: Any, compute: Any) -> None:
        self.done, self.compute = done, compute

    def test(self) -> bool:
        """Whether the GPU has finished the sum."""
        return bool(self.done.done)

    def wait(self) -> None:
        """Order later kernels after the sum; the CPU does not wait."""
        self.compute.wait_event(self.done)


@functools.cache
def _communicator(ranks):
    """(NCCL communicator, stream) of this rank's current device."""
    import cupy
    from cupy.cuda import nccl

    identifier = ranks.broadcast(nccl.get_unique_id())
    return nccl.NcclCommunicator(ranks.size, identifier, ranks.rank), cupy.cuda.Stream(non_blocking=True)


def start_sum(ranks: Any, array: Any) -> _Sum:
    """Begin to sum `array`, a contiguous CuPy array, over the ranks, in place."""
    import cupy
    from cupy.cuda import nccl

    kinds = {"float32": nccl.NCCL_FLOAT32, "float64": nccl.NCCL_FLOAT64, "int64": nccl.NCCL_INT64}
    communicator, stream = _communicator(ranks)
    compute = cupy.cuda.get_current_stream()
    stream.wait_event(compute.record())  # the array's content is computed first
    pointer = array.data.ptr
    communicator.allReduce(pointer, pointer, array.size, kinds[array.dtype.name], nccl.NCCL_SUM, stream.ptr)
    return _Sum(stream.record(), compute)
