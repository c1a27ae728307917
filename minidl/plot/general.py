"""General figures: pictures side by side, lines, and a dependency graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from ..typing import Array, ArrayLike
from .style import INK, new_figure, styled, write_values

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DASHES, GUIDES, MARKERS = ("-", "--", "-.", ":"), (":", "-."), "osD^v"


@styled
def images(
    pictures: Mapping[str, Array],
    title: str | None = None,
    columns: int = 4,
    limits: tuple[float, float] | None = None,
    colorbar: str | None = None,
    height: float = 2.6,
    values: bool = False,
) -> Figure:
    """{caption: array} side by side: H x W x 3 as colours, H x W as brightness between `limits` (by default the array's).

    With `colorbar`, a label, every H x W picture has a colour bar; with `values`, each cell shows its number.
    """
    rows = -(-len(pictures) // columns)
    columns = min(columns, len(pictures))
    width = height * columns * (1.2 if colorbar else 1) + 0.2
    figure = new_figure(_min_width(width, title), (height + 0.2) * rows + 0.4, title)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes[len(pictures) :]:
        ax.set_visible(False)
    for ax, (caption, picture) in zip(axes, pictures.items()):
        low, high = limits or (None, None)
        shown = ax.imshow(np.asarray(picture), vmin=low, vmax=high)
        ax.set(xticks=[], yticks=[])
        ax.set_title(fill(str(caption), round(height * 12)))
        ax.spines[:].set_visible(False)
        if values and np.ndim(picture) == 2:
            write_values(ax, np.asarray(picture), np.mean(shown.get_clim()))
        if colorbar and np.ndim(picture) == 2:
            figure.colorbar(shown, ax=ax, label=colorbar, shrink=0.75)
    return figure


@styled
def lines(
    series: Mapping[str, tuple[ArrayLike, ArrayLike]],
    xlabel: str,
    ylabel: str,
    title: str | None = None,
    log: str = "",
    fit: Sequence[str] = (),
) -> Figure:
    """{name: (x, y)} as lines with different dashes and markers; `log` names the logarithmic axes ("x", "y", "xy").

    Series named in `fit` are drawn thin and without markers, as guides.
    """
    figure = new_figure(_min_width(6.5, title), 3.4, title)
    ax = figure.subplots()
    for k, (name, (x, y)) in enumerate(series.items()):
        shade = f"{0.6 * k / max(len(series) - 1, 1):.2f}"  # black to grey
        guide = name in fit
        style: dict[str, Any] = (
            {"lw": 0.9, "ls": GUIDES[list(fit).index(name) % 2]}
            if guide
            else {"ls": DASHES[k % 4], "marker": MARKERS[k % 5], "ms": 4}
        )
        ax.plot(x, y, color=shade, label=name, **style)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    whole = all((np.asarray(x) % 1 == 0).all() for x, _ in series.values())
    if whole and "x" not in log:
        ax.xaxis.get_major_locator().set_params(integer=True)  # type: ignore[call-arg]
    if "x" in log:
        halves = all((np.frexp(x)[0] == 0.5).all() for x, _ in series.values())  # 1/2, 1, 2, 4, ...
        ax.set_xscale("log", base=2 if whole or halves else 10)
    if "y" in log:
        ax.set_yscale("log")
    ax.legend(
        **({"loc": "upper left", "bbox_to_anchor": (1, 1)} if len(series) > 3 else {})
    )  # many would cover the lines
    return figure


@styled
def dependencies(
    links: Mapping[str, Sequence[str]], title: str | None = None, labels: Mapping[str, str] | None = None
) -> Figure:
    """A graph drawn from left to right: {node: nodes that it depends on}, with `labels` for nodes where given."""
    depth = {}
    for node in _inputs_first(links):
        depth[node] = 1 + max((depth[parent] for parent in links[node]), default=-1)
    levels = [[n for n in depth if depth[n] == d] for d in range(max(depth.values()) + 1)]
    tallest = max(map(len, levels))
    figure = new_figure(_min_width(1.6 * len(levels) + 0.4, title), 0.75 * tallest + 0.7, title)
    ax = figure.subplots()
    place = {n: (d, (len(level) - 1) / 2 - i) for d, level in enumerate(levels) for i, n in enumerate(level)}
    boxes = {}
    for node, (x, y) in place.items():
        look = {"boxstyle": "round" if links[node] else "square", "fc": "white" if links[node] else "0.85", "ec": INK}
        text = ax.text(x, y, (labels or {}).get(node, node), ha="center", va="center", bbox=look, fontsize=8, zorder=3)
        boxes[node] = text.get_bbox_patch()
    for node, parents in links.items():
        for parent in dict.fromkeys(parents):
            arrow = {"arrowstyle": "-|>", "color": INK, "lw": 1, "patchA": boxes[parent], "patchB": boxes[node]}
            if depth[node] - depth[parent] > 1:  # around the levels between
                arrow["connectionstyle"] = "arc3,rad=0.25"
            ax.annotate("", place[node], place[parent], arrowprops=arrow)
    ax.set(xlim=(-0.6, len(levels) - 0.4), ylim=(-tallest / 2 - 0.2, tallest / 2 + 0.2))
    ax.axis("off")
    return figure


def _inputs_first(links):
    """Nodes in topological order: each comes after those it depends on."""
    done, stack = {}, list(links)
    while stack:
        node = stack[-1]
        waiting = [p for p in links[node] if p not in done]
        if waiting and node not in done:
            stack += waiting
        else:
            done[stack.pop()] = True
    return done


def _min_width(width, title):
    """The figure's width in inches, at least that of the title."""
    return max(width, 0.098 * len(title or "") + 0.2)
