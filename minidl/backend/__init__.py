"""Where arrays live and which kernels serve them.

`columns` chooses a column of the kernel table by the type of an array; `cuda` moves arrays to a GPU and back; `threads` and
`random` hold the one number of threads and the one random generator; `convolution` says which algorithm a convolution uses.
"""

from .columns import COLUMNS, asarray, is_array, kernels, like, use, xp
