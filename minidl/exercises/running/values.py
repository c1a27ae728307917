"""Checks the type, dtype and number of a function's return values."""

import numpy as np

from ...autograd.tensor import Tensor
from ..exercise import Unfit

EXACT, SINGLE = 1e-9, 1e-5  # relative tolerance for answers in float64, and for those in less


def checked(exercise, answer):
    """(values as float64 arrays, notes on their dtypes); Unfit where the answer has another type or number of parts."""
    if answer is None:
        raise Unfit("it returns None: does the `return` miss, or is it not reached?")
    needed = len(exercise.returns)
    if needed > 1 and not (isinstance(answer, tuple | list) and len(answer) == needed):
        raise Unfit(f"it returns {kind(answer)}; needed {needed} values: {', '.join(exercise.returns)}")
    parts = [_part(exercise, name, a) for name, a in zip(exercise.returns, answer if needed > 1 else [answer])]
    return [value for value, _ in parts], [note for _, note in parts]


def _part(exercise, name, answer):
    """One value in float64, and a note on its dtype, or None."""
    what = name if len(exercise.returns) > 1 else "the result"
    if answer is None:
        raise Unfit(f"{what} is None; needed {'an array' if what == 'the result' else 'a value'}")
    answer = answer.data if isinstance(answer, Tensor) else answer
    if isinstance(answer, list | tuple):
        raise Unfit(f"{what} is a {type(answer).__name__}; needed an array: np.array(...) makes one")
    if isinstance(answer, np.ma.MaskedArray):
        raise Unfit(f"{what} is a masked array; needed an ordinary one: .filled(...) makes one")
    try:
        array = np.asarray(answer)
    except (TypeError, ValueError):
        raise Unfit(f"{what} is {kind(answer)}; needed numbers") from None
    if array.dtype.kind == "c":
        raise Unfit(
            f"{what} is complex ({array.dtype}); needed real numbers: where does a root of a negative one come from?"
        )
    if array.dtype.kind == "b":
        raise Unfit(f"{what} is True or False (bool); needed numbers")
    if array.dtype.kind not in "iuf":
        raise Unfit(f"{what} is {kind(answer)} of dtype {array.dtype}; needed numbers")
    return array.astype(np.float64), _dtype(exercise, name, array.dtype)


def _dtype(exercise, name, dtype):
    if name in exercise.whole:
        if dtype.kind == "f":
            return f"{name} has dtype {dtype}; needed whole numbers: .astype(int)"
    elif dtype.kind == "f" and dtype.itemsize < 8:
        return f"{_subject(exercise, name)} has dtype {dtype}; needed float64, the dtype of the arguments"
    return None


def _subject(exercise, name):
    return name if len(exercise.returns) > 1 else "the result"


def kind(answer):
    """The answer in words: '3 values', 'one ndarray'."""
    return f"{len(answer)} values" if isinstance(answer, tuple | list) else f"one {type(answer).__name__}"
