"""Mean-field inference of a dense CRF: maps of scores and beliefs over the iterations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .style import new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..crf.inference import Trace


@styled
def beliefs(trace: Trace, label: int, iterations: Sequence[int] = (0, 1, 2, 4, 10), title: str | None = None) -> Figure:
    """Two rows of maps of one label, a column for each of `iterations`: scores before the softmax above, beliefs below.

    trace: what `DenseCRF.inference(unary, history=True)` returns for one image, (T + 1, C, H, W) scores and beliefs. All
    scores share one colour scale; that of beliefs runs from 0 to 1.
    """
    scores, maps = np.asarray(trace.scores), np.asarray(trace.beliefs)
    if scores.ndim != 4 or maps.shape != scores.shape:
        raise ValueError(
            f"beliefs: scores are {scores.shape} and beliefs {maps.shape}; needed (T + 1, C, H, W) of one image, both"
        )
    T, C, H, W = scores.shape
    if not 0 <= label < C or not iterations or min(iterations) < 0 or max(iterations) >= T:
        raise ValueError(
            f"beliefs: label {label} of iterations {tuple(iterations)}; there are labels 0..{C - 1} and iterations 0..{T - 1}"
        )
    width = 1.6 * len(iterations) + 0.9
    figure = new_figure(max(width, 0.098 * len(title or "") + 0.2), 3.2 * H / W + 1.1, title)
    rows = figure.subplots(2, len(iterations), squeeze=False)
    shown = scores[list(iterations), label]
    scales = (("score", shown, shown.min(), shown.max()), ("belief", maps[list(iterations), label], 0, 1))
    for axes, (name, values, low, high) in zip(rows, scales):
        for ax, value, t in zip(axes, values, iterations):
            drawn = ax.imshow(value, vmin=low, vmax=high)
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
            if name == "score":
                ax.set_title(f"{t} iteration{'' if t == 1 else 's'}")
        figure.colorbar(drawn, ax=axes, label=name, shrink=0.8)
    return figure
