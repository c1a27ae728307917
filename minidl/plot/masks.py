"""Masks over images: one in detail, or predictions side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..data.overlay import paint
from ..typing import Array, ArrayLike
from .style import INK, halo, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def _enlarged(array, min_side=320):
    """The array enlarged by a whole factor to `min_side` pixels or more, so that borders one pixel wide are thin lines."""
    factor = max(1, -(-min_side // max(array.shape[:2])))
    return array.repeat(factor, axis=0).repeat(factor, axis=1)


def _draw_mask(ax, image, mask, classes, colors, background, alpha=0.55):
    big = _enlarged(mask)
    ax.imshow(paint(_enlarged(image), big, colors, alpha, background))
    for label in np.unique(mask):
        if label == background or label >= len(classes):
            continue
        share, y, x = _deepest_point(big == label)
        if share > 0.012:  # the name fits only into large regions
            ax.text(x, y, classes[label], ha="center", va="center", fontsize=7, color="white", path_effects=halo())


def _deepest_point(region):
    """(area as a share of the picture, y, x) of the region's point that is farthest from its border."""
    from scipy.ndimage import distance_transform_edt

    depth = distance_transform_edt(np.pad(region, 1))[1:-1, 1:-1]
    return (region.mean(), *np.unravel_index(depth.argmax(), depth.shape))


def _blank(ax, title=None):
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    if title:
        ax.set_title(title)


def _legend(figure, labels, classes, colors, background):
    from matplotlib.patches import Patch

    handles = [
        Patch(facecolor=np.asarray(colors[k]) / 255, edgecolor=INK, linewidth=0.5, label=classes[k])
        for k in labels
        if k < len(classes) and k != background
    ]
    if handles:
        columns = max(1, min(len(handles), int(figure.get_figwidth() * 1.1)))
        figure.legend(handles=handles, loc="outside lower left", ncols=columns, fontsize=8)


@styled
def overlay(
    image: Array,
    mask: Array,
    classes: Sequence[str],
    colors: ArrayLike,
    title: str | None = None,
    background: int | None = None,
) -> Figure:
    """The image, and the image under the mask: tints, borders, class names in the regions, and a legend.

    image: H x W x 3 uint8; mask: H x W labels; those outside 0..K-1 have no tint. classes: K names; colors: K x 3.
    """
    image, mask = np.asarray(image), np.asarray(mask)
    H, W = mask.shape
    figure = new_figure(8, 4 * H / W + 0.9, title)
    left, right = figure.subplots(1, 2)
    left.imshow(_enlarged(image))
    _draw_mask(right, image, mask, classes, colors, background)
    _blank(left, "image")
    _blank(right, _shares(mask, classes))
    _legend(figure, np.unique(mask), classes, colors, background)
    return figure


def _shares(mask, classes):
    labels, counts = np.unique(mask[mask < len(classes)], return_counts=True)
    order = counts.argsort()[::-1][:3]
    return (
        "mostly " + ", ".join(f"{classes[labels[k]]} {counts[k] / mask.size:.0%}" for k in order) if len(labels) else ""
    )


@styled
def comparison(
    images: Sequence[Array],
    columns: Mapping[str, Sequence[Array]],
    classes: Sequence[str],
    colors: ArrayLike,
    title: str | None = None,
    background: int | None = None,
    ignore_index: int = 255,
) -> Figure:
    """One row per image: the image, then each of `columns` ({title: masks}), the first of which is the ground truth.

    Under every other mask is its IoU with the truth, averaged over the classes that occur in either.
    """
    from ..train.metrics import ConfusionMatrix

    names = list(columns)
    truth = columns[names[0]]
    H, W = np.shape(images[0])[:2]
    cell = 1.7
    figure = new_figure(cell * (len(names) + 1) + 0.2, (cell * H / W + 0.22) * len(images) + 0.9, title)
    axes = figure.subplots(len(images), len(names) + 1, squeeze=False)
    for i, image in enumerate(images):
        axes[i][0].imshow(_enlarged(np.asarray(image)))
        _blank(axes[i][0], "image" if i == 0 else None)
        for ax, name in zip(axes[i][1:], names):
            _draw_mask(ax, np.asarray(image), np.asarray(columns[name][i]), classes, colors, background, alpha=0.8)
            _blank(ax, name if i == 0 else None)
            if name != names[0]:
                matrix = ConfusionMatrix(len(classes), ignore_index).update(columns[name][i], truth[i])
                iou = matrix.iou()[matrix.counts.any(axis=1)].mean()
                ax.set_xlabel(f"IoU {iou:.2f}", fontsize=8, labelpad=2)
    present = np.unique(np.concatenate([np.ravel(masks) for masks in columns.values()]))
    _legend(figure, present, classes, colors, background)
    return figure


@styled
def confusion(counts: ArrayLike, classes: Sequence[str], title: str | None = None) -> Figure:
    """The confusion matrix (K x K pixel counts) as shares of each true class; one row per true class."""
    counts = np.asarray(counts, float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    K = len(classes)
    side = min(2.5 + 0.35 * K, 14)
    figure = new_figure(side + 1, side, title or "Share of each true class that is predicted as each class")
    ax = figure.subplots()
    ax.imshow(shares, cmap="Greys", vmin=0, vmax=1)
    ax.set_xticks(range(K), classes, rotation=90)
    ax.set_yticks(range(K), classes)
    ax.set(xlabel="predicted", ylabel="true")
    for i, j in zip(*np.nonzero(shares >= 0.005)) if K <= 30 else ():
        color = "white" if shares[i, j] > 0.5 else INK
        ax.text(j, i, f"{100 * shares[i, j]:.0f}", ha="center", va="center", fontsize=7, color=color)
    return figure
