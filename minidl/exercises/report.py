"""The check of a reader's function: whether it is right, and if not, where and why."""

import functools
import itertools
from dataclasses import dataclass, field

import numpy as np

from .. import backend
from .counting import count
from .diagnosis.agree import agree
from .diagnosis.cause import LIKELY, SURE, Cause, Suspects, find_cause
from .exercise import quiet
from .running.call import call, unfit
from .running.limits import SECONDS, TimeIsUp, time_limit
from .running.values import EXACT, SINGLE
from .tasks import BY_NAME
from .verdict import case_line, verdict

DRAWN = 2  # cases that are drawn besides the fixed ones
SCORE_SECONDS = 5.0


@dataclass
class Report:
    """The outcome of a check; true if all is right.

    `causes` maps each wrong output to the text of its cause (None: unknown), `certainty` to sure, likely or unknown;
    `right` has a boolean for each case.
    """

    name: str
    passed: bool
    lines: list
    causes: dict = field(default_factory=dict)
    certainty: dict = field(default_factory=dict)
    right: tuple = ()

    @property
    def text(self):
        """The whole report."""
        head = f"{self.name}: {'right' if self.passed else 'not yet'}"
        return "\n".join([head, *(f"  {line}" for line in self.lines)])

    def __bool__(self):
        return self.passed

    def __repr__(self):
        return f"<Report of {self.name}: {'right' if self.passed else 'not yet'}>"

    def _ipython_display_(self):
        """Nothing: `check` has printed it."""


def all_cases(exercise, seed=0, drawn=DRAWN):
    """The fixed cases and `drawn` more from a seed."""
    rng = np.random.default_rng([seed, *map(ord, exercise.name)])
    return (*exercise.cases, *(exercise.draw_case(rng) for _ in range(drawn)))


def expect(exercise, arguments):
    """The expected results, as a list of float64 arrays."""
    with backend.use("reference"), quiet():
        answer = exercise.expected(**arguments)
    return [np.asarray(a, np.float64) for a in (answer if len(exercise.returns) > 1 else [answer])]


@functools.lru_cache(maxsize=64)
def suspects_of(exercise_name, seed=0, drawn=DRAWN):
    """The Suspects of an exercise in the cases of a seed."""
    exercise = BY_NAME[exercise_name]
    cases = all_cases(exercise, seed, drawn)
    return Suspects(exercise, cases, [expect(exercise, case) for case in cases])


def examine(exercise, function, seconds=SECONDS, allow_library=False):
    """The Report on `function` as an answer to `exercise`."""
    if not callable(function) and not exercise.prepare:
        raise TypeError(f"check: {exercise.name} needs a function, not {type(function).__name__}")
    if lines := unfit(exercise, function):
        return Report(exercise.name, False, lines, right=(False,) * (len(exercise.cases) + DRAWN))
    suspects = suspects_of(exercise.name)
    results = []
    for arguments, expected in zip(suspects.cases, suspects.expected):
        results.append(call(exercise, function, arguments, expected, seconds))
        if results[-1].final:
            break  # other cases would end in the same way
    report = judge(exercise, suspects, results, allow_library)
    if report.passed:
        report.lines += _score(exercise, function)
    else:
        report.lines += _repeated(exercise, function, results, seconds, report)
        report.lines.append(_help(exercise, function))
    return report


def judge(exercise, suspects, results, allow_library=False):
    """The Report on the results of the first cases of `suspects`."""
    right = tuple(r.values is not None and not any(r.notes) and _agrees(r) for r in results)
    right += (False,) * (len(suspects.cases) - len(results))
    called = sorted({name for r in results for name in r.called})
    printed = next((r.printed for r in results if r.printed), "")
    lines, causes, certainty = [], {}, {}
    if not all(right):
        lines, found = _faults(exercise, suspects, results)
        causes = {name: cause.text for name, cause in found.items()}
        certainty = {name: cause.certainty for name, cause in found.items()}
    else:
        lines = [f"all {len(results)} cases agree"]
    if called and not allow_library:
        text = f"it calls {', '.join(called[:3])}: write that part yourself (to allow it: --allow-library)"
        lines.insert(0 if all(right) else len(lines), text)
        right = (False,) * len(right)
        causes = causes or {"library": text}
        certainty = certainty or {"library": SURE}
    if printed:
        lines.append("it prints: " + " | ".join(printed.strip().splitlines()[:5])[:300])
    return Report(exercise.name, all(right), lines, causes, certainty, right)


def _agrees(result):
    return all(agree(a, e, EXACT) for a, e in zip(result.values, result.expected))


def _faults(exercise, suspects, results):
    """(lines, {output: Cause}) on results of which at least one is wrong."""
    total, lines, causes = len(suspects.cases), [], {}
    stopped = next((i for i, r in enumerate(results) if r.values is None), None)
    failing = next(
        (i for i, r in enumerate(results) if r.values is not None and (any(r.notes) or not _agrees(r))), None
    )
    notes = list(dict.fromkeys(note for r in results for note in r.notes if note))
    lines += notes
    if failing is not None:
        lines.append(case_line(results[failing].arguments, failing, total))
        causes = _causes(exercise, suspects, results)
        for k, name in enumerate(exercise.returns):
            lines += verdict(exercise, results[failing], k)
            if name in causes:
                lines += _cause_lines(exercise, name, causes[name])
    if stopped is not None:
        lines.append(case_line(results[stopped].arguments, stopped, total))
        lines += results[stopped].problem
        if not causes:
            causes = {"answer": Cause("; ".join(results[stopped].problem), SURE)}
    return lines, causes


def _causes(exercise, suspects, results):
    """{name of a wrong output: Cause}."""
    there = [r for r in results if r.values is not None]
    if order := _order(exercise, there):
        return {name: Cause(order, SURE) for name in exercise.returns}
    causes = {}
    for k, name in enumerate(exercise.returns):
        note = next((r.notes[k] for r in there if r.notes[k]), None)
        single = note is not None or all(agree(r.values[k], r.expected[k], SINGLE) for r in there)
        tolerance = SINGLE if single else EXACT
        if all(agree(r.values[k], r.expected[k], EXACT) for r in there) and not note:
            continue
        if not all(agree(r.values[k], r.expected[k], tolerance) for r in there):
            causes[name] = find_cause(suspects, results, k, tolerance)
        else:
            causes[name] = Cause(note, SURE) if note else _nearly(suspects, results, k)
    return causes


def _nearly(suspects, results, k):
    """The Cause of a small error: a known mistake if it makes exactly this one, else rounding."""
    cause = find_cause(suspects, results, k, EXACT)
    if cause.certainty == SURE:
        return cause
    return Cause("digits are lost: a step computes in float32, or approximates; keep float64", SURE, cause.tried)


def _order(exercise, results):
    """A line about the order, where the right results are returned in another order."""
    names = exercise.returns
    for order in itertools.permutations(range(len(names))):
        if list(order) == sorted(order):
            continue
        if all(agree(r.values[j], r.expected[k], SINGLE) for r in results for k, j in enumerate(order)):
            given = [names[order.index(j)] for j in range(len(names))]
            return f"the results are in the wrong order: it returns {', '.join(given)}; needed {', '.join(names)}"
    return None


def _cause_lines(exercise, name, cause):
    place = f" for {name}" if len(exercise.returns) > 1 else ""
    if cause.certainty == SURE:
        return [f"cause{place} (sure, it explains every cell of every case): {cause.text}"]
    if cause.certainty == LIKELY:
        return [f"cause{place} (likely, it fits all wrong cells): {cause.text}"]
    return [
        f"cause{place}: unknown; none of {cause.tried} known mistakes gives this answer. draw shows the wrong cells"
    ]


def _repeated(exercise, function, results, seconds, report):
    """A line where the answer to the first case differs between calls, which explains otherwise unknown errors."""
    first = results[0]
    if first.values is None or exercise.prepare or set(report.certainty.values()) <= {SURE}:
        return []
    again = call(exercise, function, first.arguments, first.expected, seconds)
    if again.values is not None and all(agree(a, b) for a, b in zip(again.values, first.values)):
        return []
    text = (
        "the same arguments give another answer at the second call: np.empty, random numbers, or a variable outside it"
    )
    unknown = [name for name, certainty in report.certainty.items() if certainty != SURE]
    report.causes |= dict.fromkeys(unknown, text)
    report.certainty |= dict.fromkeys(unknown, SURE)
    return [f"cause (sure): {text}"]


def _help(exercise, function):
    given = getattr(function, "__name__", "")
    given = given if given.isidentifier() else exercise.name  # a lambda, or a text in CUDA C
    return (
        f'see it: draw("{exercise.name}", {given}); a hint: hint("{exercise.name}", 1), '
        f"or minidl exercises {exercise.name} --hint 1"
    )


def _score(exercise, function):
    """A line about the number of multiplications, where they can be counted."""
    if not exercise.cost:
        return []
    arguments = exercise.cases[-1]
    needed = exercise.cost(**arguments)
    try:
        with backend.use("reference"), quiet(), time_limit(SCORE_SECONDS):
            made = count(lambda **a: function(*a.values()), arguments)
    except (Exception, TimeIsUp):  # the function is right on plain arrays; it does not work on counting ones
        made = 0
    if made < needed:
        return [f"score: {needed} multiplications suffice in the last case (yours, one by one, cannot be counted)"]
    measure = "none is wasted" if made == needed else f"{made / needed:.2g} times as many as needed"
    return [f"score: {made} multiplications where {needed} suffice: {measure}"]
