"""The one style of all figures, and how they are made and written."""

import functools
import io
from pathlib import Path

from .description import describe

STYLE = {
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
        alternative = ""  # the picture in words, where its author gave them

        def _repr_png_(self):
            buffer = io.BytesIO()
            self.savefig(buffer, format="png")
            return buffer.getvalue(), {"alt": describe(self)}

    return Figure


def styled(function):
    """The function, run in the one style; its keyword `alt` is the figure's alternative text (`description.py`)."""

    @functools.wraps(function)
    def drawn(*args, alt="", **kwargs):
        import matplotlib

        with matplotlib.rc_context(STYLE):
            figure = function(*args, **kwargs)
        figure.alternative = alt
        return figure

    return drawn


def new_figure(width, height, title=None):
    """An empty figure of so many inches, its title, the finding, at the left."""
    figure = _figure_class()(figsize=(width, height), layout="constrained")
    if title:
        figure.suptitle(title, x=0.01, ha="left")
    return figure


def save(figure, path):
    """Write the figure, whole or not at all, in the format that the file's ending names."""
    import matplotlib

    from ..train.checkpoint import replacing

    with matplotlib.rc_context(STYLE), replacing(path) as part:
        figure.savefig(part, format=Path(path).suffix[1:].lower() or "png")


def halo():
    """An outline that keeps text readable on any picture."""
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=1.8, foreground=INK)]
