"""An exercise's input, the expected array and the returned array, cell by cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..typing import ArrayLike
from .style import ACCENT, INK, new_figure, styled, write_values

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def _plane(array, at=()):
    """The last two axes, at index `at` of the others (0 where `at` is out of range); scalars and vectors become planes."""
    array = np.asarray(array, np.float64)
    if array.ndim > 2:
        lead = array.shape[:-2]
        at = at if len(at) == len(lead) and all(i < n for i, n in zip(at, lead)) else (0,) * len(lead)
        return array[tuple(at)], f"[{', '.join(map(str, at))}]"
    return array.reshape((1, -1) if array.ndim < 2 else array.shape), ""


def _draw(ax, plane, title, limit, crosses=None):
    H, W = plane.shape
    ax.imshow(np.where(np.isfinite(plane), plane, 0), vmin=-limit, vmax=limit, cmap="gray")
    if plane.size <= 150:
        write_values(ax, plane, 0)
    if crosses is not None:
        for i, j in np.argwhere(crosses):
            ax.plot([j - 0.45, j + 0.45], [i - 0.45, i + 0.45], color=ACCENT, lw=1.5)
            ax.plot([j - 0.45, j + 0.45], [i + 0.45, i - 0.45], color=ACCENT, lw=1.5)
    ax.set(title=title, xticks=range(0, W, max(1, W // 8)), yticks=range(0, H, max(1, H // 8)))
    ax.spines[:].set(visible=True, color=INK)


@styled
def answers(
    source: str, given: ArrayLike, name: str, expected: ArrayLike, returned: ArrayLike, at: Sequence[int] = ()
) -> Figure:
    """Side by side: the input `given` (titled `source`), the `expected` result (titled `name`), and the `returned` one.

    Of arrays with more than two axes one plane is shown, at the leading index `at`. Cells that differ are crossed out.
    """
    given, expected, returned = (np.asarray(a, np.float64) for a in (given, expected, returned))
    (a, where_a), (b, where_b), (c, where_c) = _plane(given, at), _plane(expected, at), _plane(returned, at)
    same = expected.shape == returned.shape
    wrong = ~np.isclose(c, b, rtol=1e-6, atol=1e-9) if same else None
    if not same:
        finding = f"{name}: shape {returned.shape} was returned, {expected.shape} is needed"
    else:
        bad = int((~np.isclose(returned, expected, rtol=1e-6, atol=1e-9)).sum())
        finding = f"{name}: {bad} of {expected.size} cells are wrong" if bad else f"{name}: every cell is right"
    widths = [max(p.shape[1], 3) for p in (a, b, c)]
    tallest = max(p.shape[0] for p in (a, b, c))
    figure = new_figure(min(max(0.36 * sum(widths) + 1.5, 7), 14), min(max(0.36 * tallest + 1.2, 2), 9), finding)
    axes = figure.subplots(1, 3, width_ratios=widths)
    limit = max(np.abs(p[np.isfinite(p)]).max(initial=1e-9) for p in (b, c))
    _draw(axes[0], a, f"{source} {where_a}", np.abs(a).max(initial=1e-9))
    _draw(axes[1], b, f"expected {where_b}", limit)
    _draw(axes[2], c, f"returned {where_c}", limit, wrong)
    return figure
