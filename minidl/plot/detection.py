"""The stages of a detector: anchors, their labels, proposals, samples of ROI Align, masks, precision over recall."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..typing import Array
from .general import DASHES
from .masks import _blank, _enlarged
from .style import ACCENT, INK, halo, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def _show(ax, image, alpha=1.0):
    H, W = image.shape[:2]
    ax.imshow(_enlarged(image), extent=(0, W, H, 0), alpha=alpha)
    ax.set(xlim=(0, W), ylim=(H, 0))


def _frame(ax, box, dashes="-", color="white", width=1.4):
    """A box that is visible on any picture: a line on top of a darker and wider one."""
    from matplotlib.patches import Rectangle

    x1, y1, x2, y2 = map(float, box)
    under = "white" if color == ACCENT else INK
    for look in ({"lw": width + 1.2, "ec": under}, {"lw": width, "ec": color, "ls": dashes}):
        ax.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, **look))


def _boxes(function, boxes, name="boxes"):
    boxes = np.asarray(boxes, np.float64)
    boxes = boxes.reshape(0, 4) if boxes.size == 0 else boxes
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"{function}: {name} are {boxes.shape}; needed K x 4")
    return boxes


def _panels(image, count, title, inches=3.2):
    """A figure with `count` panels of the image's shape side by side, and their axes."""
    H, W = image.shape[:2]
    width = max(inches * count + 0.2, 0.098 * len(title or "") + 0.2)
    figure = new_figure(width, inches * H / W + (0.75 if title else 0.4), title)
    return figure, figure.subplots(1, count, squeeze=False)[0]


@styled
def boxes(
    image: Array,
    boxes: Array,
    labels: Array | None = None,
    scores: Array | None = None,
    classes: Sequence[str] | None = None,
    title: str | None = None,
) -> Figure:
    """Boxes (K x 4: x1, y1, x2, y2) over an image, each with its class and score where these are given.

    labels: K integers, indices of the names `classes`; scores: K. Boxes with higher scores are drawn on top.
    """
    image, boxes = np.asarray(image), _boxes("boxes", boxes)
    for name, column in (("labels", labels), ("scores", scores)):
        if column is not None and np.shape(column) != (len(boxes),):
            raise ValueError(f"boxes: {len(boxes)} boxes, {name} {np.shape(column)}; needed one per box")
    figure, (ax,) = _panels(image, 1, title, 5)
    _show(ax, image)
    for k in np.arange(len(boxes)) if scores is None else np.argsort(scores, kind="stable"):
        _frame(ax, boxes[k])
        words = [] if labels is None else [classes[int(labels[k])] if classes else str(int(labels[k]))]
        words += [] if scores is None else [f"{scores[k]:.2f}"]
        look = {"fontsize": 8, "color": "white", "va": "top", "path_effects": halo()}
        corner = np.clip(boxes[k, :2], 0, None)
        ax.annotate(" ".join(words), corner, xytext=(3, -3), textcoords="offset points", **look)
    _blank(ax)
    return figure


@styled
def anchors(image: Array, levels: Mapping[str, Array], title: str | None = None) -> Figure:
    """Anchors of each level, {name: boxes K x 4}: a dot at every centre of anchors, and boxes at one of them.

    The boxes are those at the centre nearest to the middle of the image; a box may extend beyond the image.
    """
    if not levels:
        raise ValueError("anchors: levels is empty; needed {name: boxes}")
    image = np.asarray(image)
    H, W = image.shape[:2]
    levels = {name: _boxes("anchors", level) for name, level in levels.items()}
    reach = max(
        max(-b[:, :2].min(initial=0), (b[:, 2:] - [W, H]).max(initial=0)) for b in map(_middle_ones, levels.values())
    )
    figure, axes = _panels(np.zeros((H + 2, W + 2)), len(levels), title)
    for ax, (name, level) in zip(axes, levels.items()):
        places = np.unique(_centres(level).round(3), axis=0)
        here = _middle_ones(level)
        _show(ax, image, 0.6)
        for k, box in enumerate(here):
            _frame(ax, box, DASHES[k % len(DASHES)])
        ax.plot(*places.T, "o", ms=2.2, mfc="white", mec=INK, mew=0.5, ls="none")
        margin = min(reach, max(H, W) / 2) + 0.02 * max(H, W)
        ax.set(xlim=(-margin, W + margin), ylim=(H + margin, -margin))
        _blank(ax, f"{name}: {len(here)} at each of {len(places)} places")
    return figure


def _centres(boxes):
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def _middle_ones(boxes):
    """The boxes around the centre that is nearest to the middle of all centres."""
    if not len(boxes):
        return boxes
    centres = _centres(boxes).round(3)
    middle = centres[np.abs(centres - (centres.min(0) + centres.max(0)) / 2).sum(axis=1).argmin()]
    return boxes[(centres == middle).all(axis=1)]


@styled
def assignments(
    image: Array, boxes: Array, matched: Array, truth: Array, most: int = 40, title: str | None = None
) -> Figure:
    """Positive, negative and ignored anchors or proposals in three panels, with the objects' boxes `truth` (G x 4) dashed.

    matched: for each of `boxes` (K x 4) the index of its object (0..G-1; positive), -1 (background; negative) or -2
    (ignored), as returned by `models.detection.match`. At most `most` of each kind, evenly spaced, are drawn.
    """
    image, boxes, truth = np.asarray(image), _boxes("assignments", boxes), _boxes("assignments", truth, "truth")
    matched = np.asarray(matched)
    if matched.shape != (len(boxes),) or (matched.size and not -2 <= matched.min() <= matched.max() < len(truth)):
        raise ValueError(
            f"assignments: {len(boxes)} boxes, {len(truth)} objects, matched {matched.shape} with values "
            f"{np.unique(matched)[:8].tolist()}; needed one value per box: an object's index, -1 or -2"
        )
    figure, axes = _panels(image, 3, title)
    kinds = (("positive", matched >= 0, "-"), ("ignored", matched == -2, "-."), ("negative", matched == -1, ":"))
    for ax, (name, which, dashes) in zip(axes, kinds):
        there = np.flatnonzero(which)
        shown = there[np.unique(np.linspace(0, len(there) - 1, min(most, len(there))).astype(int))]
        _show(ax, image, 0.75)
        for k in shown:
            _frame(ax, boxes[k], dashes, width=1)
        for box in truth:
            _frame(ax, box, "--", ACCENT, 2)
        rest = f", {len(shown)} drawn" if len(shown) < len(there) else ""
        _blank(ax, f"{len(there)} {name}{rest}")
    return figure


@styled
def proposals(
    image: Array,
    boxes: Array,
    scores: Array,
    truth: Array | None = None,
    most: int = 30,
    title: str | None = None,
) -> Figure:
    """The `most` proposals (K x 4) with the highest scores, brighter and on top where the score is higher; `truth` dashed.

    With objects `truth` (G x 4) the title says how many of them have an IoU of at least 0.5 with a shown proposal.
    """
    from ..train.average_precision import _box_ious

    image, boxes, scores = np.asarray(image), _boxes("proposals", boxes), np.asarray(scores, np.float64)
    if scores.shape != (len(boxes),):
        raise ValueError(f"proposals: {len(boxes)} boxes, scores {scores.shape}; needed one per box")
    order = np.argsort(-scores, kind="stable")[:most]
    figure, (ax,) = _panels(image, 1, title, 5)
    _show(ax, image, 0.75)
    for rank, k in reversed(list(enumerate(order))):
        _frame(ax, boxes[k], color=f"{1 - 0.65 * rank / max(len(order) - 1, 1):.2f}" if rank else "white", width=1.1)
    said = f"the best {len(order)} of {len(boxes)}"
    if truth is not None:
        truth = _boxes("proposals", truth, "truth")
        for box in truth:
            _frame(ax, box, "--", ACCENT, 2)
        covered = (_box_ious(boxes[order], truth, np.zeros(len(truth), bool)) >= 0.5).any(axis=0).sum()
        said += f" cover {covered} of {len(truth)} objects"
    _blank(ax, said)
    return figure


@styled
def sampled_rois(
    image: Array,
    boxes: Array,
    output_size: int = 7,
    sampling_ratio: int = 2,
    names: Sequence[str] | None = None,
    title: str | None = None,
) -> Figure:
    """Boxes over an image with the sample points of ROI Align, and beside it the values that it reads from each box.

    Each of output_size x output_size bins (bounded by lines) has sampling_ratio x sampling_ratio points. `names`: a
    caption for each box.
    """
    image, boxes = np.asarray(image), _boxes("sampled_rois", boxes)
    if not len(boxes) or not (boxes[:, 2:] > boxes[:, :2]).all() or min(output_size, sampling_ratio) < 1:
        raise ValueError(
            f"sampled_rois: boxes {boxes.tolist()[:4]}, output_size {output_size}, sampling_ratio {sampling_ratio}; "
            "needed one box or more, x1 < x2 and y1 < y2, and at least 1 of both"
        )
    if names is not None and len(names) != len(boxes):
        raise ValueError(f"sampled_rois: {len(boxes)} boxes and {len(names)} names; needed one name per box")
    names = [f"box {k}" for k in range(len(boxes))] if names is None else names
    H, W = image.shape[:2]
    columns = -(-len(boxes) // 2)
    figure = new_figure(max(4.2 + 1.9 * columns, 0.098 * len(title or "") + 0.2), 4.2 * H / W + 0.5, title)
    grid = figure.add_gridspec(2, 1 + columns, width_ratios=[2.2, *[1] * columns])
    ax = figure.add_subplot(grid[:, 0])
    _show(ax, image, 0.75)
    n = output_size * sampling_ratio
    for k, (box, name) in enumerate(zip(boxes, names)):
        x, y = (box[a] + (np.arange(n) + 0.5) / n * (box[a + 2] - box[a]) for a in (0, 1))
        _frame(ax, box)
        for line, low, high, at in ((ax.vlines, 1, 3, 0), (ax.hlines, 0, 2, 1)):
            edges = box[at] + np.arange(1, output_size) / output_size * (box[at + 2] - box[at])
            line(edges, box[low], box[high], color="white", lw=0.6)
        ax.plot(*map(np.ravel, np.meshgrid(x, y)), "o", ms=2.4, mfc=ACCENT, mec="white", mew=0.4, ls="none")
        ax.text(box[0], box[1], name, fontsize=8, color="white", va="bottom", path_effects=halo(), clip_on=True)
        small = figure.add_subplot(grid[k % 2, 1 + k // 2])
        small.imshow(_averages(image, x, y, sampling_ratio))
        _blank(small, f"{name}: {output_size}x{output_size}")
    _blank(ax)
    return figure


def _averages(image, x, y, ratio):
    """The image read bilinearly at the points y by x (pixel edges), averaged over ratio x ratio of them."""
    from scipy.ndimage import map_coordinates

    at = np.stack(np.meshgrid(y - 0.5, x - 0.5, indexing="ij"))
    planes = image[..., None] if image.ndim == 2 else image
    read = [
        map_coordinates(planes[..., c].astype(np.float64), at, order=1, mode="nearest") for c in range(planes.shape[2])
    ]
    n = len(y) // ratio
    mean = np.stack(read, axis=-1).reshape(n, ratio, n, ratio, -1).mean(axis=(1, 3))
    mean = mean + 0.5 if image.dtype == np.uint8 else mean
    return (mean[..., 0] if image.ndim == 2 else mean).astype(image.dtype)


@styled
def class_masks(
    masks: Array,
    classes: Sequence[str],
    chosen: int,
    crop: Array | None = None,
    columns: int = 6,
    title: str | None = None,
) -> Figure:
    """One box's mask for every class (K x M x M probabilities), on one colour scale; that of class `chosen` has a frame.

    classes: K names; crop: the part of the image in the box (H x W x 3), drawn first where given.
    """
    masks = np.asarray(masks)
    if masks.ndim != 3 or len(masks) != len(classes) or not 0 <= chosen < len(classes):
        raise ValueError(
            f"class_masks: masks {masks.shape}, {len(classes)} classes, chosen {chosen}; needed K x M x M, K names, 0..K-1"
        )
    panels = [("image", crop)] * (crop is not None) + list(zip(classes, masks))
    rows, columns = -(-len(panels) // columns), min(columns, len(panels))
    figure = new_figure(max(1.6 * columns + 0.9, 0.098 * len(title or "") + 0.2), 1.85 * rows + 0.5, title)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes[len(panels) :]:
        ax.set_visible(False)
    for k, (ax, (name, panel)) in enumerate(zip(axes, panels), -(crop is not None)):
        drawn = ax.imshow(panel, vmin=0, vmax=1)
        _blank(ax, f"{name}, taken" if k == chosen else name)
        if k == chosen:
            ax.spines[:].set(visible=True, color=ACCENT, linewidth=3)
    figure.colorbar(drawn, ax=axes, label="probability", shrink=0.8)
    return figure


@styled
def precision_recall(curves: Mapping[str, tuple[Array, Array]], title: str | None = None) -> Figure:
    """Precision over recall, {name: (recall, precision)}, as `metrics.AveragePrecision.curve` returns them.

    The legend gives the mean precision of each curve, which is the average precision at its threshold.
    """
    if not curves:
        raise ValueError("precision_recall: curves is empty; needed {name: (recall, precision)}")
    figure = new_figure(max(6.5, 0.098 * len(title or "") + 0.2), 3.8, title)
    ax = figure.subplots()
    for k, (name, (recall, precision)) in enumerate(curves.items()):
        shade = f"{0.6 * k / max(len(curves) - 1, 1):.2f}"
        name = f"{name}: AP {np.mean(precision):.3f}"
        ax.step(recall, precision, where="pre", ls=DASHES[k % len(DASHES)], color=shade, label=name)
    ax.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.03))
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure
