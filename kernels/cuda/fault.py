"""Flags that kernels set for invalid data, such as an index outside its plane."""

import numpy as np


def fault(flag):
    """Whether the flag (1,) int32 is set. On a GPU this waits for the kernel; it is not read while a graph is recorded."""
    if not isinstance(flag, np.ndarray):
        import cupy

        stream = cupy.cuda.get_current_stream()
        if cupy.cuda.runtime.streamIsCapturing(stream.ptr):
            return False
    return bool(flag[0])
