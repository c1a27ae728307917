"""Running a reader's function: is it right, and if not, where and why."""

import traceback

import numpy as np

from .. import backend
from ..autograd.tensor import Tensor
from .cause import agree, likely_cause
from .counting import count
from .exercise import Unfit

STEP, DIRECTIONS = 1e-5, 3
WRONG, HAPPY = 1e-2, 1e-7


class Report:
    """The outcome of a check: `passed`, the likely `causes` by output, the whole `text`; true if passed."""

    def __init__(self, name, passed, lines, causes=None):
        self.name, self.passed, self.causes = name, passed, causes or {}
        self.text = "\n".join([f"{name}: {'right' if passed else 'not yet'}", *(f"  {line}" for line in lines)])

    def __bool__(self):
        return self.passed

    def __repr__(self):
        return f"<Report of {self.name}: {'right' if self.passed else 'not yet'}>"

    def _ipython_display_(self):
        """Nothing: `check` has printed it."""


def examine(exercise, function):
    """The Report on `function` as an answer to `exercise`."""
    if not callable(function) and not exercise.prepare:
        raise TypeError(f"check: {exercise.name} needs a function, not {type(function).__name__}")
    if exercise.compiled and not hasattr(function, "py_func"):
        return Report(exercise.name, False, ["it is plain Python: put @numba.njit above the function"])
    results = []
    for arguments in exercise.cases:
        answers, problem = run(exercise, function, arguments)
        if problem and not any(r[1] is not None and _wrong(r) for r in results):
            return Report(
                exercise.name, False, [_case(exercise, arguments, len(results)), *problem, _help(exercise, function)]
            )
        results.append((arguments, answers, expect(exercise, arguments)))
    failing = next((r for r in results if r[1] is None or _wrong(r)), None)
    if failing is None:
        return Report(exercise.name, True, [f"all {len(results)} cases agree", *_score(exercise, function)])
    lines = [_case(exercise, failing[0], next(i for i, r in enumerate(results) if r is failing))]
    causes = {}
    for k, name in enumerate(exercise.returns):
        lines += _verdict(exercise, failing, k)
        if not agree(failing[1][k], failing[2][k]):
            cause = likely_cause(exercise, results, k)
            causes[name] = cause
            label = f"likely cause for {name}" if len(exercise.returns) > 1 else "likely cause"
            lines.append(f"{label}: {cause}" if cause else f"{label}: none that is known; draw shows the wrong cells")
    return Report(exercise.name, False, [*lines, _help(exercise, function)], causes)


def run(exercise, function, arguments):
    """(answers as float64 arrays, None), or (None, lines that say what went wrong)."""
    copies = {name: a.copy() if isinstance(a, np.ndarray) else a for name, a in arguments.items()}
    try:
        with backend.use("reference"), np.errstate(all="ignore"):
            answer = (exercise.prepare(function) if exercise.prepare else function)(*copies.values())
    except NotImplementedError as error:
        return None, [f"still to be written: {error}" if str(error) else "still to be written"]
    except Unfit as error:
        return None, list(error.args)
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return None, [f"it stops with {type(error).__name__}: {error}", f"in line {place.lineno}: {place.line}"]
    changed = [n for n, a in arguments.items() if isinstance(a, np.ndarray) and not np.array_equal(a, copies[n])]
    if changed:
        return None, [f"it writes into its argument {changed[0]}: work on a copy"]
    if answer is None:
        return None, ["it returns None: is there a `return`?"]
    count = len(exercise.returns)
    if count > 1 and not (isinstance(answer, tuple | list) and len(answer) == count):
        return None, [f"it returns {_kind(answer)}; needed {count} values: {', '.join(exercise.returns)}"]
    parts = answer if count > 1 else [answer]
    try:
        return [np.asarray(a.data if isinstance(a, Tensor) else a, np.float64) for a in parts], None
    except (TypeError, ValueError):
        return None, [f"it returns {_kind(answer)}; needed arrays of numbers"]


def expect(exercise, arguments):
    """What should come out, as a list of float64 arrays."""
    with backend.use("reference"):
        answer = exercise.expected(**arguments)
    return [np.asarray(a, np.float64) for a in (answer if len(exercise.returns) > 1 else [answer])]


def _kind(answer):
    return f"{len(answer)} values" if isinstance(answer, tuple | list) else f"one {type(answer).__name__}"


def _wrong(result):
    return not all(agree(a, b) for a, b in zip(result[1], result[2]))


def _case(exercise, arguments, i):
    shown = ", ".join(f"{n} {a.shape}" if isinstance(a, np.ndarray) else f"{n}={a}" for n, a in arguments.items())
    return f"case {i + 1} of {len(exercise.cases)}: {shown}"


def _help(exercise, function):
    given = getattr(function, "__name__", "")
    given = given if given.isidentifier() else exercise.name  # a lambda, or a text in CUDA C
    return f'see it: draw("{exercise.name}", {given}); a hint: hint("{exercise.name}", 1)'


def _verdict(exercise, result, k):
    """What is wrong with output k in this case, and where."""
    arguments, answers, expected = result
    name, got, right = exercise.returns[k], answers[k], expected[k]
    what = f"the gradient in {name}" if exercise.forward else name
    if got.shape != right.shape:
        return [f"{what} has shape {got.shape}; needed {right.shape}"]
    lines = []
    if exercise.forward:
        error = max(_directional(exercise, arguments, name, got, seed) for seed in range(DIRECTIONS))
        word = "wrong" if error > WRONG else "right" if error < HAPPY else "doubtful"
        lines.append(f"{what} is {word}: relative error {error:.0e} in the worst of {DIRECTIONS} random directions")
    if agree(got, right):
        return lines or [f"{what} is right"]
    index = guilty(got, right)
    if not right.shape:
        return [*lines, f"{what} is {got:.6g}, and should be {right:.6g}"]
    if exercise.forward:
        unit = np.zeros_like(right)
        unit[index] = 1
        lines.append(
            f"at [{_at(index)}]: analytic (yours) {got[index]:.6g}, numerical {_slope(exercise, arguments, name, unit):.6g}"
        )
    else:
        share = f"{(~np.isclose(got, right)).sum()} of {got.size} cells"
        lines.append(
            f"{what} is wrong in {share}; at [{_at(index)}] it is {got[index]:.6g}, and should be {right[index]:.6g}"
        )
    return lines


def _at(index):
    return ", ".join(map(str, index))


def guilty(got, right):
    """The index of the element that is furthest off."""
    distance = np.abs(np.where(np.isfinite(got), got, np.inf) - right)
    return tuple(map(int, np.unravel_index(distance.argmax(), distance.shape)))


def _slope(exercise, arguments, name, v):
    """The centred difference of <g, forward> in argument `name` along v."""
    rest = {n: a for n, a in arguments.items() if n != "g"}
    sides = []
    for sign in (1, -1):
        moved = rest | {name: rest[name] + sign * STEP * v}
        tensors = {n: Tensor(a) if isinstance(a, np.ndarray) else a for n, a in moved.items()}
        with backend.use("reference"):
            sides.append(np.vdot(arguments["g"], exercise.forward(*tensors.values()).data))
    return float(sides[0] - sides[1]) / (2 * STEP)


def _directional(exercise, arguments, name, got, seed):
    """|a - n| / max(|a|, |n|) along a random direction."""
    v = np.random.default_rng(seed).standard_normal(got.shape)
    a, n = float(np.vdot(v, got)), _slope(exercise, arguments, name, v)
    return abs(a - n) / max(abs(a), abs(n), 1e-300)


def _score(exercise, function):
    """How many multiplications it took, where that says something."""
    if not exercise.cost:
        return []
    arguments = exercise.cases[-1]
    needed = exercise.cost(**arguments)
    try:
        with backend.use("reference"), np.errstate(all="ignore"):
            made = count(lambda **a: function(*a.values()), arguments)
    except Exception:  # the function is right on plain arrays; a tally that does not fit it says nothing
        made = 0
    if made < needed:
        return [f"score: {needed} multiplications suffice in the last case (yours, one by one, cannot be counted)"]
    verdict = "none is wasted" if made == needed else f"{made / needed:.2g} times as many as needed"
    return [f"score: {made} multiplications where {needed} suffice: {verdict}"]
