"""Cost of networks against their accuracy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from .style import INK, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..analysis.cost import Cost


@styled
def costs(costs: Sequence[Cost], accuracy: Mapping[str, float] | None = None, title: str | None = None) -> Figure:
    """Networks as points: multiply-adds on the x axis; on the y axis mean IoU ({name: value}) or, without it, parameters.

    The area of a point grows with the parameters. If `accuracy` names some of the networks, the others are left out.
    """
    accuracy = accuracy or {}
    shown = [c for c in costs if c.name in accuracy] or list(costs)
    if not shown:
        raise ValueError("costs: costs is empty; needed at least one Cost")
    figure = new_figure(7, 4, title or f"Cost of one image of {shown[0].size[0]}x{shown[0].size[1]}")
    ax, labels = figure.subplots(), []
    for c in shown:
        point = c.multiply_adds / 1e9, accuracy.get(c.name, c.parameters / 1e6)
        area = 30 + 300 * c.parameters / max(s.parameters for s in shown)  # points squared
        ax.scatter(*point, area, facecolor="0.85", edgecolor=INK)
        text = c.name if c.milliseconds is None else f"{c.name}, {c.milliseconds:.0f} ms"
        labels.append((ax.annotate(text, point, (0, 0), textcoords="offset points"), area**0.5 / 2))
    ax.set(xlabel="multiply-adds (billions)", ylabel="mean IoU" if accuracy else "parameters (millions)", xscale="log")
    if not accuracy:
        ax.set_yscale("log")
    ax.margins(x=0.25, y=0.15)
    _keep_apart(figure, ax, labels)
    return figure


def _keep_apart(figure, ax, labels):
    """Move each label, given with its point's radius, to the first of six positions where it covers no label and no point."""
    from matplotlib.transforms import Bbox

    figure.draw_without_rendering()  # fixes the positions of the points
    scale = figure.dpi / 72
    centres = [ax.transData.transform(label.xy) for label, _ in labels]
    taken = [Bbox([c - 0.8 * r * scale, c + 0.8 * r * scale]) for c, (_, r) in zip(centres, labels)]
    for label, r in labels:
        beside, above = r + 3, r + 1
        places = [(beside, 4, "left"), (beside, -12, "left"), (-beside, 4, "right"), (-beside, -12, "right")]
        for x, y, side in [*places, (0, above + 2, "center"), (0, -above - 10, "center")]:
            label.set(position=(x, y), ha=side)
            box = label.get_window_extent()
            if not any(box.overlaps(other) for other in taken):
                break
        taken.append(box)
