"""`minidl lessons`: open the notebooks, copy them, or execute them all."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

EPILOG = """examples:
  minidl lessons                    open Jupyter at the lessons
  minidl lessons --copy my_lessons  a copy of your own to write in; then: jupyter lab my_lessons
  minidl lessons --run              execute every notebook and say how long each took
  minidl lessons --run 05 fcn       only those whose name contains one of these
  minidl lessons -- --no-browser    options after -- are passed to Jupyter
"""


def register(subparsers):
    """Add the command and its options to the parser."""
    parser = subparsers.add_parser(
        "lessons",
        help="open, copy or run the lessons",
        description="The lessons are notebooks in the folder lessons/ of the project.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--copy", metavar="DIR", help="copy the lessons and exercises to a new folder")
    parser.add_argument("--solutions", action="store_true", help="with --copy: copy the worked solutions, too")
    what.add_argument(
        "--run", nargs="*", metavar="NAME", help="execute all, or those named; each in a new kernel; nothing is written"
    )
    parser.add_argument("--timeout", type=int, default=600, metavar="S", help="seconds for each with --run (600)")
    parser.add_argument("jupyter", nargs="*", metavar="-- OPTION", help="options for Jupyter, after --")


def run(args):
    """Run the command; returns its exit code, or None for 0."""
    source = Path(__file__).resolve().parents[2] / "lessons"
    if not source.is_dir():
        raise FileNotFoundError(
            "the lessons are not part of the installed package: clone the project, and install it -e"
        )
    if args.jupyter and (args.copy or args.run is not None):
        raise ValueError(f"only Jupyter takes {' '.join(args.jupyter)}; --copy and --run do not open it")
    if args.copy:
        return _copy(source, Path(args.copy), args.solutions)
    if args.solutions:
        raise ValueError("--solutions goes with --copy")
    return _open(source, args.jupyter) if args.run is None else _run(source, args.run, args.timeout)


def _copy(source, target, solutions):
    left_out = ("__pycache__", ".*") if solutions else ("__pycache__", ".*", "solutions")
    if target.exists():
        raise FileExistsError(f"{target} exists already; name a new folder")
    target.absolute().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".minidl-", dir=target.absolute().parent) as scratch:  # whole or not at all
        copy = shutil.copytree(source, Path(scratch) / "lessons", ignore=shutil.ignore_patterns(*left_out))
        os.rename(copy, target)
    print(f"copied to {target}; open it with: jupyter lab {target}")


def _open(source, options):
    for module, command in (("jupyterlab", "lab"), ("notebook", "notebook")):
        if find_spec(module):
            return subprocess.call([sys.executable, "-m", "jupyter", command, str(source), *options])
    raise ImportError('Jupyter is not installed: pip install "minidl[lessons]"')


def _run(source, names, timeout):
    """Execute the notebooks whose name contains one of `names`, or all; the exit code is 1 if any of them fails."""
    notebooks = [p for p in sorted(source.glob("*.ipynb")) if not names or any(n in p.stem for n in names)]
    if not notebooks:
        raise ValueError(f"no lesson's name contains {' or '.join(names)}; there are those in {source}")
    if not find_spec("nbclient"):
        raise ImportError('nbclient is not installed: pip install "minidl[lessons]"')
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError

    failed, total = 0, 0
    for path in notebooks:
        start, outcome = time.perf_counter(), "done"
        client = NotebookClient(nbformat.read(path, 4), timeout=timeout, resources={"metadata": {"path": source}})
        try:
            client.execute()
        except (CellExecutionError, CellTimeoutError) as error:
            failed, outcome = failed + 1, str(error).strip().splitlines()[-1]
        total += time.perf_counter() - start
        print(f"{path.name:40} {time.perf_counter() - start:6.1f} s  {outcome}", flush=True)
    print(f"{len(notebooks) - failed} of {len(notebooks)} ran through, in {total:.0f} s")
    return 1 if failed else 0
