"""Boxes over images: the positions that ROI Pool and ROI Align read, and a detector's instances."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.overlay import paint
from ..typing import Array
from .masks import _blank, _enlarged
from .style import ACCENT, INK, halo, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TINTS = [(230, 159, 0), (0, 114, 178), (0, 158, 115), (204, 121, 167), (240, 228, 66), (213, 94, 0), (86, 180, 233)]


@styled
def roi_samples(
    features: Array,
    box: Sequence[float],
    output_size: int = 2,
    sampling_ratio: int = 2,
    aligned: bool = True,
    title: str | None = None,
) -> Figure:
    """The positions that `roi_pool` and `roi_align` read for one box (x1, y1, x2, y2) of one map (H, W), side by side.

    Left: the box, dashed, the rounded box, and an outline around the pixels of every bin. Right: the box, its bins, and
    sampling_ratio x sampling_ratio points in each, which are read by bilinear interpolation. Pixel (i, j) is the square
    of x from j to j + 1 and y from i to i + 1. With aligned=False points are shifted by half a pixel right and down.
    """
    from matplotlib.patches import Rectangle

    features, (x1, y1, x2, y2) = np.asarray(features), (float(v) for v in box)
    if features.ndim != 2 or not (x1 < x2 and y1 < y2) or output_size < 1 or sampling_ratio < 1:
        raise ValueError(
            f"roi_samples: features {features.shape}, box {tuple(box)}, output_size {output_size}, sampling_ratio "
            f"{sampling_ratio}; needed (H, W), x1 < x2 and y1 < y2, and at least 1 of both"
        )
    H, W = features.shape
    figure = new_figure(8, 4 * H / W + 0.8, title)
    pool, align = axes = figure.subplots(1, 2)
    for ax, name in zip(
        axes, (f"ROI Pool: whole pixels, {output_size}x{output_size} bins", "ROI Align: between pixels")
    ):
        ax.imshow(features, extent=(0, W, H, 0), alpha=0.75)
        ax.set(xlabel="x (pixels of the map)", ylabel="y (pixels of the map)", title=name)
        solid = ax is align
        ax.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, lw=2, ls="-" if solid else "--", ec=ACCENT))
    left, top = _half_away(x1), _half_away(y1)
    w, h = max(_half_away(x2) - left + 1, 1), max(_half_away(y2) - top + 1, 1)
    for i in range(output_size):
        for j in range(output_size):
            a, b = left + j * w // output_size, left - (-(j + 1) * w // output_size)
            c, d = top + i * h // output_size, top - (-(i + 1) * h // output_size)
            pool.add_patch(Rectangle((a + 0.06, c + 0.06), b - a - 0.12, d - c - 0.12, fill=False, lw=1.6, ec=INK))
    edges = np.arange(1, output_size) / output_size
    align.vlines(x1 + edges * (x2 - x1), y1, y2, color=ACCENT, lw=1)
    align.hlines(y1 + edges * (y2 - y1), x1, x2, color=ACCENT, lw=1)
    n = output_size * sampling_ratio
    steps = (np.arange(n) + 0.5) / n
    shift = 0 if aligned else 0.5
    x, y = np.meshgrid(x1 + steps * (x2 - x1) + shift, y1 + steps * (y2 - y1) + shift)
    align.plot(x.ravel(), y.ravel(), "o", ms=4, mfc="white", mec=INK)
    return figure


def _half_away(v):
    """The nearest integer, halves away from zero, as `roi_pool` rounds."""
    return int(math.copysign(math.floor(abs(v) + 0.5), v))


@styled
def instances(
    images: Sequence[Array],
    detections: Sequence[Mapping[str, Any]],
    classes: Sequence[str],
    title: str | None = None,
    min_score: float = 0.5,
    columns: int = 4,
) -> Figure:
    """Boxes, masks, classes and scores of objects over images; each object has its own tint, border and box.

    images: H x W x 3 uint8; detections: for each a dictionary with boxes (K, 4), labels (K,) and, where there are any,
    masks (K, H, W) or (K, 1, H, W), drawn where at least 0.5, and scores (K,). Objects scored below `min_score` are left out.
    """
    from matplotlib.patches import Rectangle

    if len(images) != len(detections) or not len(images):
        raise ValueError(
            f"instances: {len(images)} images and {len(detections)} detections; needed one each, at least one"
        )
    rows, columns = -(-len(images) // columns), min(columns, len(images))
    H, W = np.shape(images[0])[:2]
    figure = new_figure(max(2.4 * columns, 0.098 * len(title or "") + 0.2), (2.4 * H / W + 0.25) * rows + 0.4, title)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes[len(images) :]:
        ax.set_visible(False)
    for ax, image, found in zip(axes, images, detections):
        found = {name: np.asarray(getattr(value, "data", value)) for name, value in found.items()}
        scores = found.get("scores", np.ones(len(found["boxes"])))
        kept = np.flatnonzero(scores >= min_score)
        image = np.asarray(image)
        H, W = image.shape[:2]
        mask = np.zeros((H, W), np.uint8)
        if "masks" in found:
            for k in kept[::-1]:  # the highest score on top
                mask[found["masks"][k].reshape(H, W) >= 0.5] = k % len(TINTS) + 1
        ax.imshow(
            paint(_enlarged(image), _enlarged(mask), np.array([(0, 0, 0), *TINTS], np.uint8), 0.5, 0),
            extent=(0, W, H, 0),
        )
        for k in kept:
            x1, y1, x2, y2 = found["boxes"][k]
            ax.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, lw=1.2, ec="white"))
            text = classes[int(found["labels"][k])] + (f" {scores[k]:.2f}" if "scores" in found else "")
            ax.text(x1, y1, text, fontsize=7, color="white", va="bottom", path_effects=halo(), clip_on=True)
        _blank(ax, f"{len(kept)} object{'' if len(kept) == 1 else 's'}")
        ax.set(xlim=(0, W), ylim=(H, 0))
    return figure
