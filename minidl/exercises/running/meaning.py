"""Explanations of exceptions in the reader's function: the line and the meaning."""

import re
import traceback
from pathlib import Path

import numpy as np

MEANINGS = (  # (exception, pattern of its message, what it means)
    (RecursionError, "", "the function calls itself without an end: a recursion needs a case that returns at once"),
    (NotImplementedError, "", "a line with `raise NotImplementedError` still stands there"),
    (UnboundLocalError, "", "a variable is read before it gets a value: its assignment is skipped, or comes later"),
    (NameError, "", "this name has no value here: is it misspelt, or does an import miss?"),
    (ImportError, "", "this module is not installed, or its name is misspelt"),
    (ZeroDivisionError, "", "a number is divided by 0: which size or count is 0 in this case?"),
    (MemoryError, "", "an array is larger than the memory: print the shape before it is made"),
    (IndexError, "too many indices", "an array has fewer axes than indices are given: print its shape"),
    (IndexError, "out of bounds", "an index is beyond the end of an axis: which size gives the last valid index?"),
    (IndexError, "only integers", "an index is not a whole number: convert it with int() or .astype(int)"),
    (IndexError, "", "an index does not fit the array: print both"),
    (
        ValueError,
        "could not broadcast|operands could not be broadcast|shapes? mismatch",
        "the shapes of two arrays do not fit: print both, and compare them from the last axis to the first",
    ),
    (
        ValueError,
        "cannot reshape",
        "the new shape has another number of cells than the array: multiply both shapes out",
    ),
    (
        ValueError,
        "matmul|not aligned|dimension|subscript|einstein",
        "the axes that are summed over have different lengths, "
        "or an array has another number of axes: print the shapes",
    ),
    (ValueError, "truth value", "an array stands where one True or False is needed: use np.where, .any() or .all()"),
    (ValueError, "not enough values|too many values", "the number of names on the left is not the number of values"),
    (ValueError, "negative", "a size is negative: which size does the formula give for this case?"),
    (TypeError, "positional argument", "a function is called with a number of arguments that it does not take"),
    (TypeError, "not subscriptable|not iterable", "a number (or None) is used as if it were an array"),
    (
        TypeError,
        "cannot be interpreted as an integer|slice indices",
        "a size or index is not a whole number: / gives a fraction, // does not",
    ),
    (TypeError, "NoneType", "None is used as a value: does a function miss its `return`?"),
    (TypeError, "", "a value has another type than the operation needs: print type(...) of each part"),
    (AttributeError, "NoneType", "None is used as a value: does a function miss its `return`?"),
    (AttributeError, "", "the object has no attribute of this name: is it misspelt, or another type than meant?"),
    (KeyError, "", "the dictionary has no such key"),
    (AssertionError, "", "one of your own assertions does not hold"),
    (np.exceptions.AxisError, "", "the array has fewer axes than the axis that is named: print its shape"),
    (OSError, "", "a file cannot be opened or written; no exercise needs one"),
)


def explained(error, function):
    """Lines on an exception: its type and message, the reader's own line, what it means."""
    lines = [f"it stops with {type(error).__name__}: {first_line(error)}"]
    if place := own_line(error, function):
        lines.append(f"in line {place.lineno}: {place.line}" if place.line else f"in line {place.lineno}")
    return [*lines, *(f"that means: {meaning}" for meaning in _meaning(error))]


def first_line(error):
    """The first line of the message, at most 200 characters."""
    text = str(error).strip()
    return text.splitlines()[0][:200] if text else "(without a message)"


def own_line(error, function):
    """The last line of the traceback that the reader wrote; None where there is none."""
    code = getattr(getattr(function, "py_func", function), "__code__", None)
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if code and f.filename == code.co_filename]
    other = [f for f in frames if not _installed(f.filename)]
    return (own or other or [None])[-1]


def _installed(path):
    here = Path(__file__).resolve().parents[2]
    return "site-packages" in path or Path(path).resolve().is_relative_to(here) or path.startswith("<__array")


def _meaning(error):
    for kind, pattern, meaning in MEANINGS:
        if isinstance(error, kind) and re.search(pattern, str(error)):
            return [meaning]
    return []
