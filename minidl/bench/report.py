"""The table, the comparison with the targets, the CSV file and the points of the roofline."""

import csv
import io
import os
import platform
import time

from ..backend import cuda
from ..kernels.files import write
from .cases import CASES, DATA, FORWARD, GROUPS, WEIGHT
from .costs import cost
from .measure import geometric_mean
from .peers import OURS, PEERS, versions

DRAWN = {"forward": 1.2, "both gradients": 1.3}  # targets of the geometric means of `bench layers`
LEAST_DRAWN = 0.7


def machine(threads, device="cpu"):
    """Processor, cores and system in one line, a GPU first."""
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo") as file:
            model = next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        pass  # not Linux, or a processor without a name
    system = f"{platform.platform(terse=True)}, Python {platform.python_version()}"
    if device != "cpu":
        runtime = cuda.require(f"--device {device}").cuda.runtime
        model = f"{runtime.getDeviceProperties(cuda.parse(device)[1] or 0)['name'].decode()}, TF32, {model}"
    return f"{model}, {threads} threads on {os.cpu_count()} processors, {system}"


def header(threads, peers, roofs, device="cpu"):
    """The header of the table: machine, versions and floors; `roofs` is {description: Floors}."""
    lines = [time.strftime("%Y-%m-%d  ") + machine(threads, device), versions(peers, device)]
    for name, roof in roofs.items():
        lines.append(f"{name}: sgemm {roof.sgemm / 1e9:.0f} GFLOP/s, copy {roof.copy / 1e9:.1f} GB/s (read + write)")
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0
    if load > 1:
        lines.append(f"other programs are running (load {load:.1f}): times are too long, and ratios are inaccurate")
    return "\n".join(lines)


def row(result, floors):
    """One line of the table as a dictionary; rates count the definition's arithmetic or the least traffic."""
    case, seconds = result.case, result.time()
    flops, moved = cost(case)
    arithmetic = floors.bound_by_arithmetic(flops, moved)
    row = {
        "group": case.group,
        "case": case.label,
        "ms": seconds * 1e3,
        "rate": (flops if arithmetic else moved) / seconds / 1e9,
        "unit": "GFLOP/s" if arithmetic else "GB/s",
        "roof": floors.seconds(flops, moved) / seconds,
        "flops": flops,
        "bytes": moved,
    }
    for name in list(result.seconds)[1:]:
        row |= {
            f"{name} ms": result.time(name) * 1e3,
            f"{name} variant": result.variant[name],
            f"{name} ratio": result.ratio(name),
            f"{name} fastest": result.fastest(name),
            f"{name} agrees": name not in result.disagrees,
        }
    return row


def title(peers):
    """The line above the columns of a group."""
    columns = f"{'':58}{'ms':>9}{'rate':>16}{'roof':>6}"
    return columns + "".join(f"{PEERS[name] + ' ms':>14} {'variant':13} ratio fastest" for name in peers)


def line(row, peers):
    """A row as text."""
    text = f"{row['case']:58}{_number(row['ms']):>9}{row['rate']:8.1f} {row['unit']:<7}{row['roof']:6.0%}"
    for name in peers:
        if f"{name} ms" not in row:
            text += f"{'-':>14} {'':27}"
            continue
        text += f"{_number(row[f'{name} ms']):>14} {row[f'{name} variant']:13} "
        text += f"{row[f'{name} ratio']:5.2f}{row[f'{name} fastest']:8.2f}"
        text += "" if row[f"{name} agrees"] else "  RESULTS DIFFER"
    return text


def _number(ms):
    return f"{ms:.2f}" if ms >= 1 else f"{ms:.3g}"


def verdict(results, group, peer, device="cpu"):
    """Geometric mean and least ratio of a group, on a CPU with their targets; each whole step has a target of its own."""
    results = [result for result in results if result.case.group == group and peer in result.seconds]
    if not results:
        return f"{group}: {PEERS[peer]} has none of these cases"
    ratios = {result.case.label: result.ratio(peer) for result in results}
    differ = [result.case.label for result in results if peer in result.disagrees]
    worst = min(ratios, key=ratios.get)
    mean, least, target = geometric_mean(ratios.values()), ratios[worst], GROUPS[group]
    whole = sum(case.group == group for case in CASES)
    text = f"{group}, {len(results)} of {whole} cases: {PEERS[peer]}'s time / ours, geometric mean {mean:.2f}, "
    text += f"least {least:.2f} ({worst})"
    if differ:
        return f"{text}; no verdict: results differ in {', '.join(differ)}"
    if device != "cpu":
        return text
    own = {result.case.label: result.case.target for result in results if result.case.target}
    if own:
        met = [f"{label}: {ratios[label]:.2f} of {goal} {_met(ratios[label] >= goal)}" for label, goal in own.items()]
        return "\n  ".join([text, *met])
    goal = f"target {target.mean} and {target.least}"
    return f"{text}; {goal}: {_met(mean >= target.mean and least >= target.least)}"


def _met(reached):
    return "met" if reached else "NOT MET"


def sorted_ratios(rows, peer):
    """The rows by their ratio, least first; then geometric mean and least of both directions, beside their targets."""
    have = sorted((row for row in rows if f"{peer} ratio" in row), key=lambda row: row[f"{peer} ratio"])
    lines = [f"{PEERS[peer]}'s time / ours, least first"]
    lines += [f"{row[f'{peer} ratio']:8.2f}  {row['case']}" for row in have]
    parts = {"forward": (FORWARD,), "both gradients": (DATA, WEIGHT)}
    for name, wanted in parts.items():
        ratios = [row[f"{peer} ratio"] for row in have if row["case"].rpartition(", ")[2] in wanted]
        if ratios:
            mean = geometric_mean(ratios)
            goal = DRAWN[name]
            text = f"{name}, {len(ratios)} cases: geometric mean {mean:.2f}, least {min(ratios):.2f}"
            met = _met(mean >= goal and min(ratios) >= LEAST_DRAWN)
            lines.append(f"{text}; target {goal} and {LEAST_DRAWN}: {met}")
    return "\n".join(lines)


def memory_table(memory):
    """Peak memory of the U-Net training step: beyond the imported library, and in total."""
    lines = [f"peak memory of the U-Net training step{'beyond imports':>24}{'all':>9}  (MB)"]
    for name, used in memory.items():
        extra = used["peak"] - used["imported"]
        lines.append(f"  {PEERS.get(name, name):36}{extra / 1e6:24.0f}{used['peak'] / 1e6:9.0f}")
    for name in list(memory)[1:]:
        theirs, ours = (memory[n]["peak"] - memory[n]["imported"] for n in (name, OURS))
        lines.append(f"  {PEERS[name]} / ours {theirs / ours:.2f} of 1.0 {_met(theirs >= ours)}")
    return "\n".join(lines)


def write_csv(path, rows, where):
    """Write all columns of all rows; each row includes `where` (machine, versions), so that files can be concatenated."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, [*dict.fromkeys(name for row in rows for name in row), *where])
    writer.writeheader()
    writer.writerows(row | where for row in rows)
    write(path, text.getvalue())
