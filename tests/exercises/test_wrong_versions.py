"""Typical wrong answers, written by hand: none passes, the cause is named, and no other cause is named.

Each function in wrong_versions/EXERCISE.py has a docstring: words, one alternative of which (separated by " | ") the
named cause must contain.
"""

import importlib.util
import inspect
from functools import cache
from pathlib import Path

import pytest

from minidl.exercises import EXERCISES
from minidl.exercises.report import examine

FOLDER = Path(__file__).parent / "wrong_versions"
LEAST, RIGHT = 150, 0.85


def versions():
    """(exercise, name, function) of every wrong answer."""
    for path in sorted(FOLDER.glob("*.py")):
        spec = importlib.util.spec_from_file_location(f"wrong_{path.stem}", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for name, function in vars(module).items():
            if inspect.isfunction(function) and not name.startswith("_") and function.__doc__:
                yield path.stem, name, function


ALL = list(versions())


@cache
def report(number):
    """The Report on a wrong answer."""
    exercise, _, function = ALL[number]
    return examine(EXERCISES[exercise], function, seconds=0.5)


def named(number):
    """True if the words of the docstring stand in a named cause, False if another cause is named, None if unknown."""
    found = " ".join(cause for cause in report(number).causes.values() if cause) or (
        "" if report(number).causes else report(number).text
    )
    if not found:
        return None
    return any(words.strip() in found for words in ALL[number][2].__doc__.split(" | "))


@pytest.mark.parametrize("number", range(len(ALL)), ids=[f"{e}-{n}" for e, n, _ in ALL])
def test_a_wrong_answer_does_not_pass_and_is_not_misled(number):
    assert not report(number).passed
    assert named(number) is not False, f"needed {ALL[number][2].__doc__!r}\n{report(number).text}"


def test_the_cause_is_named():
    right = sum(named(number) is True for number in range(len(ALL)))
    assert len(ALL) >= LEAST
    assert right >= RIGHT * len(ALL), f"{right} of {len(ALL)}"


def test_the_wrong_versions_share_nothing_with_what_recognises_them():
    assert all("minidl.exercises" not in path.read_text(encoding="utf-8") for path in FOLDER.glob("*.py"))
