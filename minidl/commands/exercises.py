"""`minidl exercises`: which there are, what is solved, the task of one, and a check of a file."""

import argparse
import importlib.util
from pathlib import Path

EPILOG = """examples:
  minidl exercises                                      all, with what is solved so far
  minidl exercises conv2d_backward > my_answer.py       the task, as a file to complete
  minidl exercises conv2d_backward --check my_answer.py
  minidl exercises conv2d_backward --hint 1
"""


def register(subparsers):
    """Add the command and its options to the parser."""
    parser = subparsers.add_parser(
        "exercises",
        help="list the exercises, show one, check an answer",
        description="Functions to write yourself, checked here and offline: what is wrong, where, and the likely cause.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="the exercise; without it, list all")
    parser.add_argument("--check", metavar="FILE", help="a Python file that defines the function NAME")
    parser.add_argument("--hint", type=int, metavar="N", help="hint 1, 2 or 3")


def run(args):
    """Carry out the command; returns its exit code, None for 0."""
    from ..exercises import check, find, hint

    if args.name is None:
        if args.check or args.hint is not None:
            raise ValueError("--check and --hint need the NAME of an exercise")
        return _list()
    exercise = find(args.name)
    if args.hint is not None:
        hint(args.name, args.hint)
    if args.check:
        return 0 if check(args.name, _load(args.name, Path(args.check))) else 1
    if args.hint is None:
        print(exercise.stub(), end="")


def _list():
    from ..exercises import EXERCISES, progress

    solved = progress.solved()
    print(f"{len(solved & EXERCISES.keys())} of {len(EXERCISES)} solved ({progress.path()})\n")
    for exercise in EXERCISES.values():
        mark = "x" if exercise.name in solved else " "
        print(f"[{mark}] lesson {exercise.lesson}  {exercise.name:22} {exercise.title}")
    print("\nminidl exercises NAME shows a task; minidl exercises --help says more.")


def _load(name, path):
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist")
    spec = importlib.util.spec_from_file_location("answer", path)
    if spec is None:
        raise ValueError(f"{path} is not a Python file (.py)")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, name):
        raise ValueError(f"{path} defines no {name}")
    return getattr(module, name)
