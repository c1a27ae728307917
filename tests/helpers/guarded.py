"""Arrays against inaccessible pages: an access one element beyond either end stops the process.

Memory comes from mmap, and the pages around it are protected. `placed` puts an array's last byte (or its first) against such a
page; `outputs` makes NumPy's `empty` do the same for the arrays that a kernel allocates, filled with NaN patterns.
"""

import contextlib
import ctypes
import mmap

import numpy as np

PAGE = mmap.PAGESIZE
_libc = ctypes.CDLL(None, use_errno=True)
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


def room(nbytes, at_end=True):
    """`nbytes` bytes of memory as an array, with a protected page on either side, one of them adjacent; all bits are set.

    With all bits set a float is NaN and an integer -1.
    """
    pages = -(-max(nbytes, 1) // PAGE)
    memory = mmap.mmap(-1, (pages + 2) * PAGE)
    whole = np.frombuffer(memory, np.uint8)
    whole[PAGE : PAGE + pages * PAGE] = 255
    start = whole.ctypes.data
    for guard in (start, start + (pages + 1) * PAGE):
        if _libc.mprotect(guard, PAGE, 0):  # PROT_NONE
            raise OSError(ctypes.get_errno(), "mprotect failed")
    first = PAGE + pages * PAGE - nbytes if at_end else PAGE
    return whole[first : first + nbytes]


def placed(a, at_end=True):
    """A copy of the array with its end, or its start, against a protected page."""
    own = room(a.nbytes, at_end).view(a.dtype).reshape(a.shape)
    own[...] = a
    return own


@contextlib.contextmanager
def outputs(module, at_end=True):
    """NumPy's `empty` and `empty_like` in a module's Python code allocate against protected pages inside the `with` block."""

    class Guarded:
        def __getattr__(self, name):
            return getattr(np, name)

        @staticmethod
        def empty(shape, dtype=np.float64):
            dtype = np.dtype(dtype)
            shape = (shape,) if np.ndim(shape) == 0 else tuple(shape)
            return room(int(np.prod(shape)) * dtype.itemsize, at_end).view(dtype).reshape(shape)

        @staticmethod
        def empty_like(a):
            return Guarded.empty(a.shape, a.dtype)

    original, module.np = module.np, Guarded()
    try:
        yield
    finally:
        module.np = original
