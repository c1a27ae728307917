"""`minidl grade`: score a folder of submissions."""

import argparse
import os
import tempfile
from pathlib import Path

EPILOG = """examples:
  minidl grade handed_in --csv scores.csv --html report.html
  minidl grade handed_in --exercises im2col col2im --seed 2026
  minidl grade handed_in --json results        one file per submission, in the format of Gradescope and otter-grader

A submission is a folder or a Python file that lies directly in DIR; an exercise is looked for in the file NAME.py, then in
every file that defines NAME. The score of an exercise is the share of its cases that are right; some of them are the ones
that learners see, the others are drawn from --seed. Each submission runs in a process of its own, without a network, with
limits on time and memory, and can write only into a temporary folder. That stops accidents and simple malice; grade
strangers' code in a container.
"""


def register(subparsers):
    """Add the command and its options to the parser."""
    parser = subparsers.add_parser(
        "grade",
        help="score a folder of submissions",
        description="Score submissions of the exercises, with the cause of each mistake as feedback.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", metavar="DIR", help="the folder of submissions")
    parser.add_argument("--exercises", nargs="+", metavar="NAME", help="only these (all)")
    parser.add_argument("--csv", metavar="FILE", help="write the scores as a table")
    parser.add_argument("--html", metavar="FILE", help="write the scores and the feedback as a page")
    parser.add_argument("--json", metavar="DIR", help="write DIR/SUBMISSION.json for each, in Gradescope's format")
    parser.add_argument("--seed", type=int, default=1, help="seed of the hidden cases (1)")
    parser.add_argument("--hidden", type=int, default=4, metavar="N", help="hidden cases of each exercise (4)")
    parser.add_argument("--timeout", type=float, default=120, metavar="S", help="seconds for one submission (120)")
    parser.add_argument("--case-timeout", type=float, default=5, metavar="S", help="seconds for one case (5)")
    parser.add_argument("--memory", type=int, default=4096, metavar="MB", help="memory for one submission (4096)")
    parser.add_argument("--jobs", type=int, default=None, metavar="N", help="submissions at a time (the cores)")
    parser.add_argument("--allow-library", action="store_true", help="answers may call minidl")


def run(args):
    """Run the command; returns its exit code, or None for 0."""
    from tqdm import tqdm

    from ..exercises import EXERCISES, find
    from ..exercises.grading.pages import as_csv, as_html, as_json
    from ..exercises.grading.process import Limits
    from ..exercises.grading.score import grade, submissions
    from ..kernels.files import check_writable, write

    exercises = [find(name) for name in args.exercises or EXERCISES]
    jobs = args.jobs if args.jobs is not None else len(os.sched_getaffinity(0)) if os.name == "posix" else 2
    for name in ("hidden", "timeout", "case_timeout", "memory"):
        if getattr(args, name) <= 0:
            raise ValueError(f"--{name.replace('_', '-')} must be above 0, not {getattr(args, name)}")
    if jobs < 1 or args.seed < 0:
        raise ValueError("--jobs must be at least 1, and --seed at least 0")
    paths = submissions(Path(args.folder))
    for path in filter(None, (args.csv, args.html)):
        check_writable(path)
    if args.json:
        Path(args.json).mkdir(parents=True, exist_ok=True)
    limits = Limits(args.timeout, args.case_timeout, args.memory, args.seed, args.hidden)
    with tempfile.TemporaryDirectory(prefix="minidl-grade-") as scratch:
        cache = _runtime(Path(scratch), exercises)
        with tqdm(total=len(paths), unit="submission", desc="grading", disable=None) as bar:
            graded = grade(paths, exercises, limits, jobs, cache, args.allow_library, lambda one: bar.update())
    for one in graded:
        print(f"{one.name:32} {one.total:6.2f} of {len(exercises)}")
    if args.csv:
        write(args.csv, as_csv(graded))
    if args.html:
        write(args.html, as_html(graded, f"{len(graded)} submissions, {len(exercises)} exercises, seed {args.seed}"))
    if args.json:
        for one in graded:
            write(Path(args.json) / f"{one.name}.json", as_json(one))


def _runtime(scratch, exercises):
    """A folder with the compiled runtime of the CUDA simulator, where an exercise needs it and a compiler is there."""
    if not any(exercise.prepare for exercise in exercises):
        return None
    import shutil

    from ..kernels.cuda.simulator import compile

    try:
        path = compile.runtime()
    except RuntimeError:
        return None
    cache = scratch / "cudasim"
    cache.mkdir()
    shutil.copy(path, cache / path.name)
    return cache
