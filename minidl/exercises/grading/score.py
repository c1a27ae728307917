"""Scores and feedback for a folder of submissions."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ..exercise import Exercise
from ..report import Report, judge, suspects_of
from . import wire
from .process import Limits, Outcome, outcomes


@dataclass
class Mark:
    """The score of one exercise, from 0 to 1 (the share of right cases), and lines of feedback."""

    name: str
    score: float
    lines: list
    missing: bool = False


@dataclass
class Graded:
    """A submission's name and its marks."""

    name: str
    marks: list

    @property
    def total(self) -> float:
        """The sum of the scores."""
        return sum(mark.score for mark in self.marks)


def submissions(folder: Path) -> list[Path]:
    """The submissions in a folder: every folder and every Python file that lies directly in it."""
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is not a folder of submissions")
    found = [p for p in sorted(folder.iterdir()) if not p.name.startswith((".", "__")) and not p.is_symlink()]
    found = [p for p in found if p.is_dir() or p.suffix == ".py"]
    if not found:
        raise ValueError(f"{folder} holds no submissions: each is a folder, or a Python file")
    return found


def grade(
    paths: list[Path],
    exercises: list[Exercise],
    limits: Limits,
    jobs: int,
    cache: Path | None = None,
    allow_library: bool = False,
    each: Callable[[Graded], None] = lambda graded: None,
) -> list[Graded]:
    """The Graded of every submission, in the order of `paths`; `each` is called with each when it is ready.

    `jobs` workers run at the same time; their results are compared in this process, so that no submission can affect its score.
    """
    names = [exercise.name for exercise in exercises]
    graded = []
    with ThreadPoolExecutor(jobs) as pool:
        running = [pool.submit(outcomes, path, names, limits, cache) for path in paths]
        for path, future in zip(paths, running):
            try:
                found = future.result()
            except OSError as error:  # an unreadable submission scores 0, and the others are graded
                found = {name: Outcome(fault=f"the submission cannot be read: {error}") for name in names}
            marks = [_marked(exercise, found[exercise.name], limits, allow_library) for exercise in exercises]
            graded.append(Graded(path.stem if path.is_file() else path.name, marks))
            each(graded[-1])
    return graded


def _marked(exercise, outcome, limits, allow_library):
    if outcome.missing:
        return Mark(exercise.name, 0.0, ["not handed in"], missing=True)
    suspects = suspects_of(exercise.name, limits.seed, limits.drawn)
    total = len(suspects.cases)
    results = []
    for message, case, expected in zip(outcome.results, suspects.cases, suspects.expected):
        try:
            results.append(wire.unpacked(message, case, expected))
        except ValueError as error:
            return Mark(exercise.name, 0.0, [f"its process writes something else than results ({error})"])
    if not results:
        return Mark(exercise.name, 0.0, [outcome.fault or "no case was reached"])
    report: Report = judge(exercise, suspects, results, allow_library)
    lines = [*report.lines, outcome.fault] if outcome.fault else report.lines
    return Mark(exercise.name, sum(report.right) / total, lines)
