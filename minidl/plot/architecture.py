"""A network as in the figure of its paper: feature maps as boxes, whose height shows the size, the width the channels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .style import ACCENT, INK, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAPER = {"fc": "white", "ec": "none", "pad": 0.6, "alpha": 0.85}  # behind text that lies on an arrow


@styled
def architecture(
    maps: dict[str, tuple[float, float, int, int]], links: list[tuple[str, str, str]], title: str | None = None
) -> Figure:
    """Feature maps and the layers between them.

    maps: {name: (x, y, channels, size)}: the box's centre on a grid of columns x and rows y (upwards), its channels and side.
    links: [(from, to, layer)]; an empty layer is a copy, drawn dashed. The height of a box grows with the logarithm of
    `size`, its width with that of `channels`; a box without channels (0) holds only its name.
    """
    xs, ys = ([place[i] for place in maps.values()] for i in (0, 1))
    width, height = max(xs) - min(xs) + 1.1, max(ys) - min(ys) + 1.1
    figure = new_figure(max(1.45 * width, 0.098 * len(title or "") + 0.2), 1.15 * height + 0.4, title)
    ax = figure.subplots()
    largest = max((place[3] for place in maps.values()), default=1) or 1
    boxes = {name: _box(ax, name, *place, largest) for name, place in maps.items()}
    for start, end, layer in links:
        _arrow(ax, boxes[start], boxes[end], layer)
    ax.set(xlim=(min(xs) - 0.6, max(xs) + 0.6), ylim=(min(ys) - 0.6, max(ys) + 0.6))
    ax.axis("off")
    return figure


def _box(ax, name, x, y, channels, size, largest):
    """Draws one map; returns its patch."""
    from matplotlib.patches import Rectangle

    w = 0.1 + 0.03 * math.log2(channels) if channels else 0.62
    h = 0.14 + 0.36 * math.log2(2 * size) / math.log2(2 * largest) if size else 0.3
    patch = ax.add_patch(Rectangle((x - w / 2, y - h / 2), w, h, fc="0.88" if channels else "white", ec=INK, zorder=2))
    if channels:
        text = f"{name}\n{channels} x {size}²" if size else f"{name}\n{channels}"
        ax.text(x, y - h / 2 - 0.03, text, ha="center", va="top", fontsize=7, zorder=4, bbox=PAPER)
    else:
        ax.text(x, y, name, ha="center", va="center", fontsize=7, zorder=3)
    return patch


def _arrow(ax, start, end, layer):
    """An arrow between two boxes, horizontal between columns, else vertical; the layer's name is above its middle."""
    (x0, y0), (x1, y1) = ((p.get_x() + p.get_width() / 2, p.get_y() + p.get_height() / 2) for p in (start, end))
    style = {"arrowstyle": "-|>", "lw": 1, "color": INK if layer else ACCENT, "ls": "-" if layer else "--"}
    ax.annotate(
        "", (x1, y1), (x0, y0), arrowprops={**style, "patchA": start, "patchB": end, "shrinkA": 0, "shrinkB": 0}
    )
    if layer:
        across = abs(x1 - x0) > 0.2
        ax.text(
            (x0 + x1) / 2 + (0 if across else 0.05), (y0 + y1) / 2 + (0.05 if across else 0), layer,
            ha="center" if across else "left", va="bottom" if across else "center", fontsize=6.5, zorder=4,
            bbox=PAPER,
        )  # fmt: skip
