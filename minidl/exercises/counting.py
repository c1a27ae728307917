"""Counts the multiplications of NumPy code by arrays that count their products."""

import contextlib
from contextvars import ContextVar

import numpy as np

_tally = ContextVar("tally")
_CONTRACTIONS = (np.dot, np.tensordot, np.inner, np.vdot)


class Counted(np.ndarray):
    """An array whose products are counted: element by element, as matrices, or through einsum."""

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **options):
        plain = [_plain(a) for a in inputs]
        if out is not None:
            options["out"] = tuple(_plain(a) for a in out)
        result = getattr(ufunc, method)(*plain, **options)
        if method in ("__call__", "outer", "at"):
            if ufunc is np.multiply:
                _tally.get()["products"] += np.size(result)
            elif ufunc is np.matmul:
                _tally.get()["products"] += np.size(result) * plain[0].shape[-1]
        return out[0] if out is not None else _counted(result)

    def __array_function__(self, function, types, args, kwargs):
        args, kwargs = _strip(args), {name: _strip(value) for name, value in kwargs.items()}
        result = function(*args, **kwargs)
        if function is np.einsum:
            _tally.get()["products"] += _einsum_size(args)
        elif function in _CONTRACTIONS:
            _tally.get()["products"] += round((np.size(args[0]) * np.size(args[1]) * np.size(result)) ** 0.5)
        return _counted(result)


def _plain(value):
    return value.view(np.ndarray) if isinstance(value, Counted) else value


def _strip(value):
    return type(value)(map(_strip, value)) if isinstance(value, list | tuple) else _plain(value)


def _counted(value):
    if isinstance(value, tuple):
        return tuple(map(_counted, value))
    return value.view(Counted) if type(value) is np.ndarray and value.dtype.kind == "f" else value


def _einsum_size(args):
    """Products of an einsum as one loop nest: all index sizes multiplied. Only 'subscripts, arrays' is counted."""
    if not isinstance(args[0], str) or "..." in args[0]:
        return 0
    terms = args[0].replace(" ", "").split("->")[0].split(",")
    sizes = {letter: n for term, array in zip(terms, args[1:]) for letter, n in zip(term, np.shape(array))}
    return int(np.prod(list(sizes.values()), dtype=np.int64)) * (len(terms) - 1)


@contextlib.contextmanager
def counting():
    """Context: a dictionary {"products": number} that counts the multiplications inside the `with` block."""
    token = _tally.set({"products": 0})
    try:
        yield _tally.get()
    finally:
        _tally.reset(token)


def count(function, arguments):
    """The number of multiplications of `function(**arguments)`; products of single numbers are not counted."""
    wrapped = {name: _counted(np.array(a)) if isinstance(a, np.ndarray) else a for name, a in arguments.items()}
    with counting() as tally:
        function(**wrapped)
    return tally["products"]
