"""Exercises that check themselves: `check("conv2d_backward", my_function)`, `draw(...)`, `hint("conv2d_backward", 1)`."""

from textwrap import fill

from . import progress
from .diagnosis.agree import agree
from .progress import solved
from .report import Report, examine, expect
from .running.call import call, unfit
from .running.limits import SECONDS
from .tasks import BY_NAME as EXERCISES
from .verdict import guilty


def find(name):
    """The Exercise of that name; ValueError, listing all names, for any other."""
    if name not in EXERCISES:
        raise ValueError(f"there is no exercise {name!r}; there are {', '.join(EXERCISES)}")
    return EXERCISES[name]


def check(name, function, seconds=SECONDS, allow_library=False):
    """Try `function` on every case of the exercise `name`; print and return a Report, which is true if all is right.

    For a wrong answer the report gives the wrong cells and the cause, which is sure, likely or unknown. For gradients it gives
    the numerical value (centred difference in float64) next to the analytic one; a relative error above 1e-2 is wrong, below
    1e-7 right. Each case may take `seconds`. A function that calls minidl for the answer passes only with `allow_library`.
    """
    report = examine(find(name), function, seconds, allow_library)
    print(on_a_page(report.text))
    if report:
        try:
            progress.record(name)
        except (OSError, ValueError) as error:
            print(f"  (not noted as solved: {error})")
    return report


def hint(name, level=1):
    """Print hint 1, 2 or 3 of the exercise `name`: hint 1 is general, hint 3 is nearly the solution."""
    hints = find(name).hints
    if level not in range(1, len(hints) + 1):
        raise ValueError(f"hint: {name} has hints 1 to {len(hints)}, not {level!r}")
    print(on_a_page(f"{name}, hint {level} of {len(hints)}: {hints[level - 1]}"))


def on_a_page(text, width=100):
    """The text with lines longer than `width` broken at spaces; continuation lines are indented."""
    return "\n".join(
        line if len(line) <= width else fill(line, width, subsequent_indent=" " * 6, break_on_hyphens=False)
        for line in text.splitlines()
    )


def draw(name, function):
    """A Figure of the first wrong case, or else the first case: input, expected and returned array, wrong cells crossed out."""
    from ..plot import answers

    exercise = find(name)
    if lines := unfit(exercise, function):
        raise ValueError(f"draw: {name}: {lines[0]}")
    shown = None
    for arguments in exercise.cases:
        result = call(exercise, function, arguments, expect(exercise, arguments))
        if result.values is None:
            raise ValueError(f"draw: {name}: {result.problem[0]}")
        got, right = result.values, result.expected
        k = next((k for k in range(len(right)) if not agree(got[k], right[k])), None)
        if shown is None or k is not None:
            shown = (arguments, got[k or 0], right[k or 0], exercise.returns[k or 0])
        if k is not None:
            break
    arguments, got, right, what = shown
    what = f"the gradient in {what}" if exercise.forward else what
    source = exercise.draws or next(iter(arguments))
    at = guilty(got, right)[:-2] if got.shape == right.shape else (0,) * max(right.ndim - 2, 0)
    return answers(f"input {source}", arguments[source], what, right, got, at)
