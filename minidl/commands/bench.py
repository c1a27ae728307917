"""`minidl bench`: times of kernels and training steps on this machine, compared with other libraries and with targets."""

import argparse
import os

from ..bench.cases import GROUPS
from . import building

EXAMPLES = """examples:
  minidl bench --quick --peer torch                 two minutes, a few cases of every group
  minidl bench --peer torch --csv bench.csv --plot roofline.png
  minidl bench --group conv3x3 dilated --filter 65² --rounds 15
  minidl bench --group steps --filter U-Net
  minidl bench --device cuda --peer torch           the same on an NVIDIA GPU, TF32 in both libraries
  minidl bench ladder                               one convolution in six steps, from loops to Winograd
  mpiexec -n 2 --bind-to none minidl bench ranks    training steps of several ranks against one with several threads
  minidl bench layers --seed 7 --count 40 --peer torch   layers drawn from the networks here, forward and both gradients
  minidl bench layers --all --peer torch --csv layers.csv   every layer, images of 224² and 513², batches of 1 and 4

groups: {groups}

ms is the median of the rounds, in each of which every library runs once; ratio is the median over the rounds of the other
library's time over minidl's: above 1, minidl is faster; fastest is the ratio of the best rounds. Where a library has several
variants (memory layouts), its figure is that of the fastest. rate is arithmetic of the definition, or memory traffic, per
second, whichever limits; roof is its share of the rate of the machine's matrix product or copy, and exceeds 100 % where an
algorithm needs fewer multiplications or data stays in the cache. ROI Align is compared with torchvision's if that is installed;
PyTorch has no dense CRF.
"""


def register(subparsers):
    """Add the command and its options to the parser."""
    about = "".join(f"\n  {name:12}{target.about}" for name, target in GROUPS.items())
    parser = subparsers.add_parser(
        "bench",
        help="time kernels and networks on this machine",
        description="Measure this machine's floors, then kernels and whole training steps, float32.",
        epilog=EXAMPLES.format(groups=about),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "what",
        nargs="?",
        choices=["cases", "ladder", "layers", "ranks"],
        default="cases",
        help="the cases of all groups, the ladder, layers drawn from the networks, or several ranks",
    )
    parser.add_argument(
        "--peer",
        nargs="+",
        default=[],
        metavar="NAME",
        help="compare with torch",
    )
    parser.add_argument("--group", nargs="+", metavar="NAME", help="these groups only")
    parser.add_argument("--filter", metavar="TEXT", help="cases whose name contains the text")
    parser.add_argument("--rounds", type=int, default=7, help="rounds in which every library runs once (7)")
    parser.add_argument("--threads", type=int, help="threads of every library (all processors)")
    building.add_device(parser)
    parser.add_argument("--quick", action="store_true", help="a few cases of every group, under two minutes")
    drawn = parser.add_argument_group("layers")
    drawn.add_argument("--seed", type=int, default=0, help="which layers are drawn (0)")
    drawn.add_argument("--count", type=int, default=40, help="how many layers are drawn (40)")
    drawn.add_argument("--all", action="store_true", help="every layer instead: thousands of cases, which take hours")
    parser.add_argument("--csv", metavar="FILE", help="write the table")
    parser.add_argument("--plot", metavar="FILE", help="write a roofline figure")


def run(args):
    """Run the command; returns its exit code, or None for 0."""
    from ..bench import cases, peers, report
    from ..kernels.files import check_writable

    if args.what == "ladder":
        from ..bench import ladder

        print(ladder.table(ladder.measure()))
        return
    if args.rounds < 1:
        raise ValueError(f"bench: --rounds {args.rounds}; needed at least 1")
    if args.what == "ranks":
        return _ranks(args.rounds)
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = processors if args.threads is None else args.threads
    if not 1 <= threads <= processors:
        raise ValueError(f"bench: --threads {threads}; needed 1 to {processors}, the processors of this machine")
    if args.what == "layers":
        from ..bench import layers

        chosen = layers.every() if args.all else layers.draw(args.seed, args.count)
        chosen = [case for case in chosen if not args.filter or args.filter in case.label]
        if not chosen:
            raise ValueError(f"bench layers: no layer that was drawn contains --filter {args.filter!r}")
        names, missing = peers.installed(args.peer)
        print(*missing, sep="\n", end="\n" if missing else "")
    else:
        chosen = cases.select(args.group, args.filter, args.quick)
        names = list(dict.fromkeys(args.peer))
        peers.check(names)
    for path in filter(None, (args.csv, args.plot)):
        check_writable(path)
    rows, roofs = _measure(chosen, names, threads, args.rounds, args.device)
    if args.what == "layers":
        for name in names:
            print("\n" + report.sorted_ratios(rows, name))
    if args.csv:
        where = {"machine": report.machine(threads, args.device), "versions": peers.versions(names, args.device)}
        report.write_csv(args.csv, rows, where)
    if args.plot:
        _plot(args.plot, rows, roofs)


def _ranks(rounds):
    """Training on the ranks of this run; the kernels may use as many threads as there are ranks."""
    from ..backend.ranks import launched, world

    if launched() == 1:
        raise ValueError(
            "bench ranks measures several ranks; start it with mpiexec -n 2 --bind-to none minidl bench ranks"
        )
    if hasattr(os, "sched_getaffinity") and len(os.sched_getaffinity(0)) < launched():
        raise ValueError(
            f"bench ranks: a rank may use {len(os.sched_getaffinity(0))} core, and one rank is also timed with {launched()} "
            "threads; start it with mpiexec --bind-to none"
        )
    os.environ.setdefault("NUMBA_NUM_THREADS", str(launched()))
    rank = world().rank
    from ..bench import ranks

    found = ranks.measure(rounds)
    if not rank:
        print(ranks.table(found))


def _measure(chosen, names, threads, rounds, device):
    """Print group by group as they are done; the table's rows, and the floors by what they were measured with."""
    from contextlib import ExitStack

    from tqdm import tqdm

    from ..bench import cases, floors, measure, report
    from ..bench.peers import OURS, Peer

    if device == "cpu":
        roofs = {f"{n} thread{'s' * (n > 1)}": floors.floors(n) for n in dict.fromkeys((1, threads))}
    else:
        roofs = {device: floors.floors(threads, device)}
    roof = [*roofs.values()][-1]
    print(report.header(threads, names, roofs, device))
    rows = []
    with ExitStack() as stack, tqdm(total=len(chosen), disable=None, leave=False, unit="case") as bar:
        libraries = [stack.enter_context(Peer(name, threads, device)) for name in (OURS, *names)]
        for group in [g for g in cases.TITLES if any(case.group == g for case in chosen)]:
            tqdm.write(f"\n{cases.TITLES[group]}\n{report.title(names)}")
            results = []
            for case in (case for case in chosen if case.group == group):
                bar.set_description(case.label)
                results.append(measure.measure(case, libraries, rounds))
                rows.append(report.row(results[-1], roof))
                tqdm.write(report.line(rows[-1], names))
                bar.update()
            for name in names if group in cases.GROUPS else ():
                tqdm.write(report.verdict(results, group, name, device))
    if any(case is cases.UNET_STEP for case in chosen) and device == "cpu":
        print("\n" + report.memory_table(_memory((OURS, *names), threads)))
    return rows, roofs


def _memory(names, threads):
    """{library: peaks} of the U-Net training step, in fresh processes one after the other."""
    from ..bench.cases import UNET_STEP
    from ..bench.peers import Peer

    memory = {}
    for name in names:
        with Peer(name, threads) as peer:
            memory[name] = peer.ask("memory", op=UNET_STEP.op, part=UNET_STEP.part, params=UNET_STEP.params)
    return memory


def _plot(path, rows, roofs):
    from ..plot.roofline import roofline
    from ..plot.style import save

    points = {}
    for row in rows:
        if row["flops"]:
            point = (row["flops"] / max(row["bytes"], 1), row["flops"] / row["ms"] / 1e6)
            points.setdefault(row["group"], []).append(point)
    save(roofline(points, {name: (roof.sgemm / 1e9, roof.copy / 1e9) for name, roof in roofs.items()}), path)
