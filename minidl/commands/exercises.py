"""`minidl exercises`: lists the exercises, prints a task, checks an answer."""

import argparse
import os
import tempfile
from pathlib import Path

EPILOG = """examples:
  minidl exercises                                      list all, marking the solved ones
  minidl exercises conv2d_backward > my_answer.py       the task, as a file to complete
  minidl exercises conv2d_backward --check my_answer.py
  minidl exercises conv2d_backward --hint 1
  minidl exercises --handout sheets                     all tasks as files for a class, without solutions
"""


def register(subparsers):
    """Add the command and its options to the parser."""
    parser = subparsers.add_parser(
        "exercises",
        help="list the exercises, show one, check an answer",
        description="Functions to write yourself, checked offline: the check names what is wrong, where, and the likely cause.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="the exercise; without it, list all")
    parser.add_argument("--check", metavar="FILE", help="a Python file that defines the function NAME")
    parser.add_argument("--hint", type=int, metavar="N", help="hint 1, 2 or 3")
    parser.add_argument("--handout", metavar="DIR", help="write the tasks (all, or NAME) to a new folder")
    parser.add_argument("--timeout", type=float, default=10, metavar="S", help="seconds for one case with --check (10)")
    parser.add_argument("--allow-library", action="store_true", help="with --check: the answer may call minidl")


def run(args):
    """Run the command; returns its exit code, or None for 0."""
    from ..exercises import check, find, hint

    if args.handout:
        if args.check or args.hint is not None:
            raise ValueError("--handout goes with neither --check nor --hint")
        return _handout(Path(args.handout), [find(args.name)] if args.name else None)
    if args.name is None:
        if args.check or args.hint is not None:
            raise ValueError("--check and --hint need the NAME of an exercise")
        return _list()
    exercise = find(args.name)
    if args.timeout <= 0:
        raise ValueError(f"--timeout must be above 0, not {args.timeout}")
    if args.hint is not None:
        hint(args.name, args.hint)
    if args.check:
        from ..exercises.running.load import load

        function = load(Path(args.check), args.name)
        return 0 if check(args.name, function, args.timeout, args.allow_library) else 1
    if args.hint is None:
        print(exercise.stub(), end="")


def _handout(target, exercises):
    """Write one stub for each exercise and a README to a new folder."""
    from ..exercises import EXERCISES

    if target.exists():
        raise FileExistsError(f"{target} exists already; name a new folder")
    exercises = exercises or list(EXERCISES.values())
    target.absolute().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".minidl-", dir=target.absolute().parent) as scratch:  # whole or not at all
        folder = Path(scratch) / "handout"
        folder.mkdir()
        for exercise in exercises:
            (folder / f"{exercise.name}.py").write_text(exercise.stub(), encoding="utf-8")
        (folder / "README.md").write_text(README.format(table=_table(exercises)), encoding="utf-8")
        os.rename(folder, target)
    print(f"{len(exercises)} exercises in {target}; grade the submissions with: minidl grade DIR")


README = """# Exercises

Complete the function in each file; leave its name and its arguments as they are. `python im2col.py` checks an answer and says
what is wrong, where and why; `minidl exercises im2col --hint 1` gives a hint (then 2, then 3). Hand in the files.

| file | lesson | task |
|---|---|---|
{table}
"""


def _table(exercises):
    return "\n".join(f"| {e.name}.py | {e.lesson} | {e.title} |" for e in exercises)


def _list():
    from ..exercises import EXERCISES, progress

    solved = progress.solved()
    print(f"{len(solved & EXERCISES.keys())} of {len(EXERCISES)} solved ({progress.path()})\n")
    for exercise in EXERCISES.values():
        mark = "x" if exercise.name in solved else " "
        print(f"[{mark}] lesson {exercise.lesson}  {exercise.name:22} {exercise.title}")
    print("\nminidl exercises NAME shows a task; minidl exercises --help says more.")
