"""The process of one submission: reads its job from standard input, and writes the results of each case, line by line.

    python -m minidl.exercises.grading.worker

It only runs the functions; another process compares the results.
"""

import ast
import json
import os
import sys
from pathlib import Path

from .guard import guard, limit
from .wire import line, packed


def main() -> None:
    """Run the exercises that the job on standard input names."""
    job = json.loads(sys.stdin.readline())
    folder = Path(job["folder"])
    out = os.fdopen(os.dup(1), "wb")
    silent = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(silent, descriptor)
    limit(job["megabytes"], job["seconds"])
    from .. import find
    from ..report import all_cases, expect
    from ..running.call import call, unfit
    from ..running.load import load

    files = sorted(folder.rglob("*.py"))
    if any(b"numba" in path.read_bytes() for path in files):
        import numba  # before the guard: it opens libraries

        numba.njit(lambda x: x + 1)(1)
    work = [(find(name), all_cases(find(name), job["seed"], job["drawn"])) for name in job["exercises"]]
    work = [
        (e, [(case, expect(e, case)) for case in cases]) for e, cases in work
    ]  # imports all modules before the guard
    guard(folder)
    for exercise, cases in work:
        plain = not (exercise.compiled or exercise.prepare)  # without compilation every message arrives soon
        _tell(out, {"exercise": exercise.name, "plain": plain})
        try:
            path = defining(files, exercise.name)
            if path is None:
                _tell(out, {"exercise": exercise.name, "missing": True})
                continue
            function = load(path, exercise.name, job["case_seconds"])
        except (ValueError, OSError) as error:
            _tell(out, {"exercise": exercise.name, "fault": str(error).replace(str(folder) + os.sep, "")[:500]})
            continue
        if not callable(function) and not exercise.prepare:
            _tell(out, {"exercise": exercise.name, "fault": f"{exercise.name} is no function"})
            continue
        if lines := unfit(exercise, function):
            _tell(out, {"exercise": exercise.name, "fault": "; ".join(lines)})
            continue
        for arguments, expected in cases:
            result = call(exercise, function, arguments, expected, job["case_seconds"])
            _tell(out, {"exercise": exercise.name, "plain": plain, "result": packed(result)})
            if result.final:
                break
        _tell(out, {"exercise": exercise.name, "done": True})
    out.flush()
    os._exit(0)  # runs no exit handlers of the submission


def _tell(out, message):
    out.write(line(message))
    out.flush()


def defining(files: list, name: str) -> Path | None:
    """The file that is called NAME.py, else the first that defines NAME outside of functions; None if there is none."""
    for path in files:
        if path.stem == name:
            return path
    for path in files:
        try:
            body = ast.parse(path.read_bytes()).body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        for statement in body:
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement]
            if name in [getattr(t, "name", None) or getattr(t, "id", None) for t in targets]:
                return path
    return None


if __name__ == "__main__":
    main()
