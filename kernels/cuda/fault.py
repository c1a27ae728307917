"""Flags that kernels raise about their data, such as an index outside its plane."""

import numpy as np


def fault(flag):
    """Whether the flag (1,) int32 was raised. On a GPU this waits for the kernel; while a graph is recorded it is not read."""
    if not isinstance(flag, np.ndarray):
        import cupy

        stream = cupy.cuda.get_current_stream()
        if cupy.cuda.runtime.streamIsCapturing(stream.ptr):
            return False
    return bool(flag[0])
