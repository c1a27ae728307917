"""One call of a reader's function on one case: an answer, or lines that explain its absence."""

import contextlib
import inspect
import io
import threading
from dataclasses import dataclass, field

import numpy as np

from ... import backend
from ..exercise import Unfit, quiet
from .apart import apart
from .library import watched
from .limits import SECONDS, TimeIsUp, time_limit
from .meaning import explained
from .values import checked

PRINTED = 2000  # characters of a function's own output that are kept


@dataclass
class Result:
    """The result of one case: `values` (None after an error), lines of the `problem`, printed text and called functions."""

    arguments: dict
    expected: list
    values: list | None = None
    notes: list = field(default_factory=list)
    problem: list = field(default_factory=list)
    printed: str = ""
    called: list = field(default_factory=list)
    final: bool = False  # whether other cases would end in the same way


class Printed(io.StringIO):
    """Keeps the first characters of its text, and drops the rest."""

    def write(self, text):
        """Keep the text up to the limit."""
        room = PRINTED - self.tell()
        super().write(text[: max(room, 0)])
        return len(text)


def call(exercise, function, arguments, expected, seconds=SECONDS):
    """The Result of the function on one case."""
    result = Result(arguments, expected)
    copies = {name: _copy(a) for name, a in arguments.items()}
    out = Printed()
    try:
        with contextlib.redirect_stdout(out), backend.use("reference"), quiet():
            answer = _answer(exercise, function, copies, seconds, result)
        result.values, result.notes = checked(exercise, answer)
    except NotImplementedError as error:
        result.final = True
        result.problem = [f"still to be written: {error}" if str(error) else "still to be written"]
    except Unfit as error:
        result.final = True
        result.problem = list(error.args)
        if "None" in result.problem[0] and out.getvalue():
            result.problem.append("it prints its result: return it instead")
    except TimeIsUp:
        result.final = True
        result.problem = [
            f"it is still running after {seconds:g} s and was stopped: an endless loop? Does the loop's condition change?"
        ]
    except SystemExit:
        result.final = True
        result.problem = ["it calls exit(): a function returns its result, and the program goes on"]
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        result.problem = explained(error, function)
    changed = [n for n, a in arguments.items() if not _same(a, copies[n])]
    if changed and not (result.problem and result.problem[0].startswith("still to be")):
        result.values = None
        result.problem = [
            f"it changes its argument {' and '.join(changed)} in place: work on a copy, {changed[0]}.copy()"
        ]
    result.printed = out.getvalue()
    return result


def _answer(exercise, function, copies, seconds, result):
    """The function's return value; `result.called` receives the calls that are not allowed."""
    if exercise.prepare:
        prepared = exercise.prepare(function)
        return apart(lambda: prepared(*copies.values()), seconds)
    if exercise.compiled:
        with watched(exercise, function) as result.called:
            pass
        _compile(function, copies)
        return apart(lambda: function(*copies.values()), seconds)
    if threading.current_thread() is threading.main_thread():
        with watched(exercise, function) as result.called, time_limit(seconds):
            return function(*copies.values())
    answer, result.called = apart(
        lambda: _listened(exercise, function, copies), seconds
    )  # signals do not stop compiled code
    return answer


def _listened(exercise, function, copies):
    """(the function's return value, its calls that are not allowed)."""
    with watched(exercise, function) as called:
        answer = function(*copies.values())
    return answer, called


def _compile(function, arguments):
    """Let Numba compile before the time limit begins; returns its errors as the reader's."""
    import numba

    try:
        function.compile(tuple(map(numba.typeof, arguments.values())))
    except numba.core.errors.NumbaError as error:
        message = " ".join(line.strip() for line in str(error).splitlines() if line.strip())
        place = f" in line {error.loc.line}" if getattr(error, "loc", None) else ""
        raise Unfit(
            f"Numba cannot compile it{place}: {message[:300]}",
            "that means: it uses something that Numba does not know; loops, indices and np.zeros are enough",
        ) from None


def _copy(value):
    if isinstance(value, tuple):
        return tuple(map(_copy, value))
    return value.copy() if isinstance(value, np.ndarray) else value


def _same(a, b):
    if isinstance(a, tuple):
        return all(map(_same, a, b))
    return np.array_equal(a, b)


def unfit(exercise, function):
    """Lines about a function that cannot be called: not compiled, or a wrong number of arguments; [] if it can."""
    if exercise.prepare:
        return []
    if exercise.compiled and not hasattr(function, "py_func"):
        return ["it is plain Python: put @numba.njit above the function"]
    needed = exercise.signature.split(", ")
    try:
        signature = inspect.signature(getattr(function, "py_func", function))
    except (TypeError, ValueError):
        return []
    names = list(signature.parameters)
    try:
        signature.bind(*needed)
    except TypeError:
        count = f"{len(names)} argument{'' if len(names) == 1 else 's'}"
        return [f"it takes {count} ({', '.join(names)}); needed {len(needed)}: {', '.join(needed)}"]
    if names != needed and sorted(names) == sorted(needed):
        return [f"its arguments are in another order ({', '.join(names)}); needed {', '.join(needed)}"]
    return []
