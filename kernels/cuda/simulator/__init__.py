"""`cudasim`: the kernels of this column compiled for the CPU and run on NumPy arrays."""

from .run import KernelError, launch

__all__ = ["KernelError", "launch"]
