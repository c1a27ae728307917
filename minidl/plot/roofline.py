"""The roofline: speed of kernels against the limits of the machine's arithmetic and memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .style import ACCENT, INK, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARKERS = "osD^vP*X"


@styled
def roofline(
    points: Mapping[str, Sequence[tuple[float, float]]],
    roofs: Mapping[str, tuple[float, float]],
    title: str | None = None,
) -> Figure:
    """Speed over intensity, log-log (Williams, Waterman and Patterson 2009, figure 1).

    points: {group: [(flops per byte, GFLOP/s)]}, a marker for each group; roofs: {name: (peak GFLOP/s, GB/s)}, of which the
    last is that of the measurement. Points lie above it where an algorithm needs fewer multiplications than the
    definition, or reads its data from the cache.
    """
    if not any(points.values()) or not roofs:
        raise ValueError("roofline: at least one point and one roof are needed")
    intensity = np.array([x for group in points.values() for x, _ in group])
    peak, bandwidth = list(roofs.values())[-1]
    ends = np.geomspace(min(intensity.min(), peak / bandwidth) / 2, max(intensity.max(), peak / bandwidth) * 2, 200)
    speeds = [(y, min(peak, x * bandwidth)) for group in points.values() for x, y in group]
    above = sum(y > roof for y, roof in speeds)
    figure = new_figure(8, 4.6, title or f"{above} of {len(speeds)} kernels are above the roof of the direct method")
    ax = figure.subplots()
    for name, (top, slope) in roofs.items():
        last = name == list(roofs)[-1]
        ax.loglog(ends, np.minimum(top, ends * slope), "-" if last else "--", color=INK if last else ACCENT, label=name)
        ax.annotate(f"{top:.0f} GFLOP/s", (ends[-1], top), ha="right", va="bottom", fontsize=8)
    for k, (name, group) in enumerate(points.items()):
        ax.loglog(*zip(*group), MARKERS[k % len(MARKERS)], ms=5, alpha=0.8, label=name)
    ax.set(xlabel="flops per byte that must move", ylabel="GFLOP/s of the definition")
    ax.legend(fontsize=8, ncols=2)
    return figure
