"""Properties of layers without their data: overlap maps, spectra of outputs, receptive fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..typing import Array
from .style import ACCENT, INK, halo, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..analysis.receptive_field import ReceptiveField


@styled
def overlaps(maps: Mapping[str, Array], title: str | None = None) -> Figure:
    """Overlap maps (`analysis.checkerboard.overlap_map`, 1-D or 2-D) side by side; {name: map}.

    Each title gives the least and the largest number of contributions to an inner pixel.
    """
    figure = new_figure(2.5 * len(maps) + 0.5, 3.0, title)
    for ax, (name, counts) in zip(figure.subplots(1, len(maps), squeeze=False)[0], maps.items()):
        counts = np.asarray(counts)
        inner = counts[tuple(slice(n // 4, n - n // 4) for n in counts.shape)]
        low, high = inner.min(), inner.max()
        finding = "even" if low == high else f"{high} against {low} times"
        ax.set_title(f"{name}\n{finding}")
        if counts.ndim == 1:
            ax.bar(np.arange(len(counts)), counts, width=0.9, color=INK)
            ax.set(xlabel="output pixel", ylabel="times painted")
        else:
            shown = ax.imshow(counts, vmin=0)
            ax.set(xlabel="x", ylabel="y")
            figure.colorbar(shown, ax=ax, label="times painted", shrink=0.7)
    return figure


@styled
def spectra(images: Mapping[str, Array], title: str | None = None, periods: Sequence[int] = (2, 4)) -> Figure:
    """Power spectra of {name: image} on one scale, marked at the checkerboard periods."""
    from ..analysis.checkerboard import checkerboard_spectrum

    figure = new_figure(6, 3.2, title)
    ax = figure.subplots()
    for (name, image), dashes in zip(images.items(), ("-", "--", ":", "-.") * len(images)):
        ax.semilogy(*checkerboard_spectrum(image), dashes, color=INK if dashes == "-" else None, label=name)
    for period in periods:
        ax.axvline(1 / period, color=ACCENT, lw=0.8, ls=":")
        ax.text(1 / period, 1.02, f"every {period} px", ha="center", transform=ax.get_xaxis_transform())
    ax.set(xlabel="frequency (cycles per pixel)", ylabel="power")
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1))  # outside the axes: peaks may be anywhere
    return figure


@styled
def receptive_fields(image: Array, fields: Mapping[str, ReceptiveField], title: str | None = None) -> Figure:
    """The receptive field of each layer's central unit: squares over the image, and their size as a curve.

    fields: {layer: ReceptiveField} from the first layer to the last. A square may extend beyond the image.
    """
    from matplotlib.patches import Rectangle

    image = np.asarray(image)
    H, W = image.shape[:2]
    sizes = {name: max(field.size) for name, field in fields.items()}
    last = list(sizes)[-1]
    share = (
        "more than the image"
        if sizes[last] >= max(H, W)
        else f"{sizes[last] / max(H, W):.0%} of the image's longer side"
    )
    figure = new_figure(9, 4, title or f"One unit of {last} sees {sizes[last]} pixels: {share}")
    left, right = figure.subplots(1, 2)
    left.imshow(image, alpha=0.75, extent=(0, W, H, 0))
    reach = max(max(sizes.values()), H, W) / 2 * 1.05
    for k, (name, field) in enumerate(fields.items()):
        (top, bottom), (x0, x1) = _seen(field, H, 0), _seen(field, W, 1)
        dashes = ("-", "--", ":", "-.")[k % 4]
        left.add_patch(Rectangle((x0, top), x1 - x0, bottom - top, fill=False, lw=2.6, ls="-", ec=INK))
        left.add_patch(Rectangle((x0, top), x1 - x0, bottom - top, fill=False, lw=1.1, ls=dashes, ec="white"))
        left.annotate(name, (x0, top), fontsize=7, color="white", ha="left", va="top", path_effects=halo())
    left.set(
        xlim=(W / 2 - reach, W / 2 + reach),
        ylim=(H / 2 + reach, H / 2 - reach),
        xlabel="x (pixels)",
        ylabel="y (pixels)",
    )
    right.plot(range(len(sizes)), sizes.values(), "-o", color=INK)
    for k, size in enumerate(sizes.values()):
        right.annotate(f"{size}", (k, size), textcoords="offset points", xytext=(-4, 5), ha="right")
    right.axhline(max(H, W), color=ACCENT, ls="--", lw=1)
    right.text(0, max(H, W), "the image", color=ACCENT, va="bottom")
    right.set_xticks(range(len(sizes)), sizes, rotation=30, ha="right")
    right.set(ylabel="receptive field (pixels)", ylim=(0, 1.15 * max(*sizes.values(), H, W)))
    return figure


def _seen(field, length, axis):
    """First and last position in the receptive field of the unit nearest to the image's centre on one axis (0: y, 1: x)."""
    units = field.ends[axis].shape[1 + axis]
    middle = [field.box(*((k, 0) if axis == 0 else (0, k)))[axis::2] for k in range(units)]
    return min(middle, key=lambda ends: abs(sum(ends) - length))
