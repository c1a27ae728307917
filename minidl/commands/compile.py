"""`minidl compile`: compiles the CPU kernels in several processes, so that their first use does not wait."""

import argparse
import io
import os
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import zip_longest
from multiprocessing import get_context

EXAMPLES = """examples:
  minidl compile                   once, after installing or updating
  minidl compile --processes 1     with little memory: each process takes about 0.5 GB
"""


def register(subparsers):
    """Add the command and its options to the parser."""
    parser = subparsers.add_parser(
        "compile",
        help="compile the CPU kernels ahead of their first use",
        description="Run the kernels of `minidl bench` once, in float32, on all processors; the compiled code is kept on disk. "
        "Kernels that the benchmark does not run are compiled at their first use, in a few seconds.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--processes", type=int, default=os.cpu_count(), metavar="N", help="how many (all processors)")


def run(args):
    """Run the command; returns its exit code, or None for 0."""
    from tqdm import tqdm

    from ..bench.cases import CASES

    if args.processes < 1:
        raise ValueError(f"--processes {args.processes}; needed at least 1")
    tasks = {}
    for case in CASES:
        if not case.chance:  # large networks with dropout run the kernels of the other cases
            tasks.setdefault((case.group, case.op), []).append((case.op, case.part, case.params))
    tasks = list(tasks.values())
    half = (
        len(tasks) + 1
    ) // 2  # neighbours use the same kernels, which would be compiled twice if they ran at the same time
    apart = [task for pair in zip_longest(tasks[:half], tasks[half:]) for task in pair if task]
    said = {}
    with ProcessPoolExecutor(args.processes, get_context("spawn"), _silence) as pool:
        jobs = [pool.submit(_run_once, task) for task in apart]
        try:
            for job in tqdm(as_completed(jobs), "compiling", len(jobs), disable=None):
                said |= job.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    if said:
        print("\n".join(f"minidl: {line}" for line in said.values()), file=sys.stderr)


def _silence():
    """Suppress the messages about compilation: the parent shows a progress bar and reports errors."""
    sys.stderr = io.StringIO()


def _run_once(cases):
    """Run the cases; returns a message about the folder of compiled code."""
    from ..bench.ours import OPS
    from ..kernels import cache

    for op, part, params in cases:
        for call in OPS[op](params, part).values():
            call()
    return cache.said
