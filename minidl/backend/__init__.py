"""Devices of arrays, and which kernels compute on them.

`columns` chooses a column of the kernel table by the type of an array; `cuda` moves arrays to a GPU and back; `threads` sets
the number of threads, `random` holds the random generator, and `convolution` says which algorithm a convolution uses.
"""

from .columns import COLUMNS, asarray, is_array, kernels, like, use, xp
