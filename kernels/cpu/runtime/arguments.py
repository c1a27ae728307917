"""What every row of the CPU column does to its arrays first, so that kernels see one kind of array."""

import functools

import numpy as np


def dense(a):
    """The array C-contiguous, aligned and marked writable, for which kernels are compiled.

    A read-only array that is contiguous is not copied: it is seen through a view that lacks the mark. Kernels write only to
    what the table says they write.
    """
    if not a.flags.c_contiguous or not a.flags.aligned:
        return np.array(a, order="C")
    return a if a.flags.writeable else np.asarray(_Unmarked(a))


class _Unmarked:
    """The memory of an array as NumPy's array interface describes it, without the mark read-only."""

    def __init__(self, a):
        self.owner = a
        interface = a.__array_interface__
        self.__array_interface__ = interface | {"data": (interface["data"][0], False)}


def with_dense_arrays(function, row):
    """The function of a row, called with dense arrays; those that it writes into come as they are."""
    as_they_are = {k for k, p in enumerate(row.parameters.values()) if getattr(p, "written", False)}

    @functools.wraps(function)
    def called(*arguments, **named):
        if named:
            arguments += tuple(named.pop(name) for name in list(row.parameters)[len(arguments) :] if name in named)
        for a in arguments:
            if type(a) is np.ndarray and not a.flags.carray:  # dense in NumPy's terms
                arguments = [
                    dense(a) if type(a) is np.ndarray and k not in as_they_are else a for k, a in enumerate(arguments)
                ]
                break
        return function(*arguments, **named)

    return called
