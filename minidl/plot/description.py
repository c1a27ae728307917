"""A figure in words, for readers who cannot see it: the alternative text of pictures in notebooks."""

from __future__ import annotations

from typing import Any

import numpy as np


def describe(figure: Any) -> str:
    """The alternative text passed to the plot function as `alt`, else the figure's title, panels, axes and values."""
    alternative = getattr(figure, "alternative", None)
    if alternative:
        return alternative
    title = figure.get_suptitle()
    scales = {id(bar.ax) for ax in figure.axes for shown in ax.images if (bar := shown.colorbar)}
    panels = [_panel(ax) for ax in figure.axes if ax.get_visible() and id(ax) not in scales]
    return ". ".join(" ".join(text.split()) for text in (title, *panels) if text) + "."


def _panel(ax):
    """One panel: its caption, the labels of its axes, and the ends of each line."""
    parts = [ax.get_title() or ax.get_title("left")]
    if ax.images:
        H, W = ax.images[0].get_array().shape[:2]
        parts.append(f"a picture of {H} x {W} pixels")
    if ax.axison and ax.get_xlabel():
        parts.append(f"{ax.get_ylabel()} over {ax.get_xlabel()}" if ax.get_ylabel() else ax.get_xlabel())
    parts += [_line(line) for line in ax.lines if not line.get_label().startswith("_")]
    if not (ax.images or ax.lines or ax.get_xlabel()):
        parts.append("boxes: " + ", ".join(t.get_text() for t in ax.texts if t.get_text()))
    return ", ".join(part for part in parts if part)


def _line(line):
    x, y = (np.asarray(v, float) for v in line.get_data())
    if not len(y):
        return line.get_label()
    return f"{line.get_label()}: from {y[0]:.3g} at {x[0]:.3g} to {y[-1]:.3g} at {x[-1]:.3g}"
