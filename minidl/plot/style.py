"""The common style of all figures, and functions that create and save them."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

from ..kernels.files import write
from ..typing import Array, PathLike
from .description import describe

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_Drawing = TypeVar("_Drawing", bound=Callable[..., Any])

STYLE: dict[Any, Any] = {
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "figure.dpi": 110,
    "figure.titlesize": 12,
    "figure.titleweight": "bold",
    "font.size": 9,
    "image.cmap": "cividis",
    "image.interpolation": "nearest",
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "savefig.dpi": 130,
}
INK, ACCENT = "#222222", "#d1495b"


@functools.cache
def _figure_class():
    import matplotlib.figure

    class Figure(matplotlib.figure.Figure):
        alternative = ""  # the caller's alternative text

        def _repr_png_(self):
            buffer = io.BytesIO()
            self.savefig(buffer, format="png")
            return buffer.getvalue(), {"alt": describe(self)}

    return Figure


def styled(function: _Drawing) -> _Drawing:
    """The function, run in the common style; its keyword `alt` is the figure's alternative text (`description.py`)."""

    @functools.wraps(function)
    def drawn(*args, alt="", **kwargs):
        import matplotlib

        with matplotlib.rc_context(STYLE):
            figure = function(*args, **kwargs)
        figure.alternative = alt
        return figure

    return cast(_Drawing, drawn)


def new_figure(width: float, height: float, title: str | None = None) -> Figure:
    """An empty figure of `width` x `height` inches, with the title aligned left."""
    figure = _figure_class()(figsize=(width, height), layout="constrained")
    if title:
        figure.suptitle(title, x=0.01, ha="left")
    return figure


def save(figure: Figure, path: PathLike) -> None:
    """Write the figure atomically, in the format of the file's extension (PNG without one)."""
    import matplotlib

    buffer = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(buffer, format=Path(path).suffix[1:].lower() or "png")
    write(path, buffer.getvalue())


def write_values(ax: Any, plane: Array, middle: float) -> None:
    """Write each cell's number at its centre: black above `middle`, where cells are bright, and white below."""
    for (i, j), value in np.ndenumerate(plane):
        shade = "black" if value > middle else "white"
        ax.text(j, i, f"{value:.3g}", ha="center", va="center", fontsize=7, color=shade)


def halo() -> list[Any]:
    """An outline that keeps text readable on any picture."""
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=1.8, foreground=INK)]
