"""Average precision of detections as COCO defines it (Lin et al. 2014, section 5; equal to pycocotools' numbers)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from ..data import rle
from ..typing import Array

RECALLS = np.linspace(0, 1, 101)
AREAS = {"": (0, 1e10), "s": (0, 32**2), "m": (32**2, 96**2), "l": (96**2, 1e10)}  # all, small, medium, large; pixels


class AveragePrecision:
    """Precision of ranked detections, averaged over recalls, IoU thresholds and classes.

    The `max_detections[-1]` best detections of each image and class are matched, in order of decreasing score, to the
    unmatched object with the largest IoU at or above the threshold. Detections of all images are ranked by score; with TP
    and FP among the first k, precision is TP / (TP + FP) and recall TP / objects. Each precision is replaced by the largest
    at any higher recall and read at recalls 0, 0.01, ..., 1; their mean is the AP of a class at a threshold.

    Crowds (iscrowd) and objects outside an area range are ignored, as are detections matched to them; a crowd can be
    matched any number of times, and its IoU is the intersection over the detection's area. Unmatched detections whose own
    area is outside the range are ignored too.

    iou_type: "box", or "mask" for the masks' IoU. iou_thresholds: 0.5, 0.55, ..., 0.95.
    """

    def __init__(
        self,
        iou_type: str = "box",
        iou_thresholds: Sequence[float] | None = None,
        max_detections: Sequence[int] = (1, 10, 100),
    ) -> None:
        if iou_type not in ("box", "mask"):
            raise ValueError(f"AveragePrecision: iou_type {iou_type!r}; needed 'box' or 'mask'")
        thresholds = np.linspace(0.5, 0.95, 10) if iou_thresholds is None else np.asarray(iou_thresholds, float)
        if thresholds.ndim != 1 or not thresholds.size or not ((thresholds > 0) & (thresholds <= 1)).all():
            raise ValueError(f"AveragePrecision: iou_thresholds {iou_thresholds}; needed a list of numbers in 0..1")
        if not max_detections or min(max_detections) < 1:
            raise ValueError(f"AveragePrecision: max_detections {max_detections}; needed at least one, all positive")
        self.iou_type, self.iou_thresholds = iou_type, thresholds
        self.max_detections = tuple(sorted(max_detections))
        self.reset()

    def reset(self) -> None:
        """Forget all images."""
        self.images, self._found = 0, {}  # {class: [result of `_match` for each image]}

    @classmethod
    def merged(cls, parts: Sequence[AveragePrecision]) -> AveragePrecision:
        """The score over the images of all `parts`, in their order; the settings are those of the first."""
        whole = cls(parts[0].iou_type, parts[0].iou_thresholds.tolist(), parts[0].max_detections)
        for part in parts:
            whole.images += part.images
            for label, found in part._found.items():
                whole._found.setdefault(label, []).extend(found)
        return whole

    def update(self, predictions: Sequence[Mapping[str, Any]], targets: Sequence[Mapping[str, Any]]) -> Self:
        """Add images: a list of predictions and a list of targets, one dictionary per image in each; returns self.

        prediction: labels (D), scores (D), and boxes (D x 4: x1, y1, x2, y2) or masks (D x H x W or D x 1 x H x W;
        probabilities are thresholded at 0.5; or a list of run-length codes). target: labels (G), boxes or masks, and,
        optionally, iscrowd (G) and area (G; by default that of the masks, or of the boxes).
        """
        if len(predictions) != len(targets):
            raise ValueError(
                f"AveragePrecision.update: {len(predictions)} predictions and {len(targets)} targets; needed one each per image"
            )
        for prediction, target in zip(predictions, targets):
            self._add(prediction, target)
        return self

    def _add(self, prediction, target):
        labels, scores = _column(prediction, "labels", "prediction"), _column(prediction, "scores", "prediction")
        shapes = self._shapes(prediction, len(labels), "prediction")
        _need(len(scores) == len(labels), f"prediction has {len(labels)} labels and {len(scores)} scores")
        _need(np.isfinite(scores).all(), f"prediction has scores {scores}; needed finite ones")
        classes = _column(target, "labels", "target")
        truth = self._shapes(target, len(classes), "target")
        crowd = _column(target, "iscrowd", "target", len(classes)).astype(bool)
        areas = _column(target, "area", "target", len(classes)) if "area" in target else _areas(target, truth)
        _need(
            len(crowd) == len(areas) == len(classes),
            f"target has {len(classes)} labels, {len(crowd)} iscrowd, {len(areas)} areas",
        )
        if self.iou_type == "mask":
            _need(
                not len(labels) or not len(classes) or shapes.shape[1:] == truth.shape[1:],
                f"masks are {shapes.shape[1:]} in the prediction and {truth.shape[1:]} in the target",
            )
        self.images += 1
        for label in np.union1d(labels, classes).tolist():
            chosen, real = np.flatnonzero(labels == label), np.flatnonzero(classes == label)
            chosen = chosen[np.argsort(-scores[chosen], kind="stable")][: self.max_detections[-1]]
            found, sizes = shapes[chosen], _measure(shapes[chosen])
            ious = (_box_ious if found.ndim == 2 else _mask_ious)(found, truth[real], crowd[real])
            matched = _match(ious, sizes, areas[real], crowd[real], self.iou_thresholds)
            self._found.setdefault(label, []).append((scores[chosen], *matched))

    def _shapes(self, source, count, name):
        """Boxes N x 4 float64, or masks N x H x W bool."""
        key = {"box": "boxes", "mask": "masks"}[self.iou_type]
        _need(key in source, f"{name} has {', '.join(map(str, source))}; needed {key} for iou_type {self.iou_type!r}")
        if key == "masks":
            return _masks(source[key], count, name)
        shapes = np.asarray(source[key], np.float64)
        shapes = shapes.reshape(0, 4) if shapes.size == 0 else shapes
        _need(shapes.shape == (count, 4), f"{name} has boxes {shapes.shape} for {count} labels; needed {count} x 4")
        fine = np.isfinite(shapes).all() and (shapes[:, 2:] >= shapes[:, :2]).all()
        _need(fine, f"{name} has boxes that are not finite, or with x2 < x1 or y2 < y1")
        return shapes

    def _table(self, label):
        """(precision A x T x M x 101, recall A x T x M) of a class; nan where an area range holds no object."""
        A, T, M = len(AREAS), len(self.iou_thresholds), len(self.max_detections)
        precision, recall = np.full((A, T, M, len(RECALLS)), np.nan), np.full((A, T, M), np.nan)
        images = self._found.get(label, [])
        objects = sum((counted for *_, counted in images), np.zeros(A, np.int64))
        for m, most in enumerate(self.max_detections):
            scores = np.concatenate([scores[:most] for scores, *_ in images] or [np.zeros(0)])
            order = np.argsort(-scores, kind="stable")
            hits, misses = (
                np.concatenate([image[k][..., :most] for image in images] or [np.zeros((A, T, 0))], 2)[..., order]
                for k in (1, 2)
            )
            for a in np.flatnonzero(objects):
                for t in range(T):
                    precision[a, t, m], recall[a, t, m] = _read(hits[a, t], misses[a, t], objects[a])
        return precision, recall

    def _tables(self):
        tables = [self._table(label) for label in sorted(self._found)]
        A, T, M = len(AREAS), len(self.iou_thresholds), len(self.max_detections)
        empty = [(np.full((A, T, M, len(RECALLS)), np.nan), np.full((A, T, M), np.nan))]
        precision, recall = zip(*(tables or empty))
        return np.stack(precision), np.stack(recall)  # classes first

    def compute(self) -> dict[str, float]:
        """{"AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"}, as COCO prints them.

        AP: over all thresholds; 50, 75: at IoU 0.5 and 0.75, where these are among the thresholds; s, m, l: of areas up
        to 32^2, up to 96^2, and beyond; AR: the highest recall, over thresholds, with 1, 10 and 100 detections per image
        and class. Means over the classes that have objects; nan where there are none (pycocotools says -1).
        """
        precision, recall = self._tables()  # K x A x T x M x 101, K x A x T x M
        scores = {"AP": _mean(precision[:, 0, :, -1])}
        for percent in (50, 75):
            at = np.isclose(self.iou_thresholds, percent / 100)
            scores |= {f"AP{percent}": _mean(precision[:, 0, at, -1])} if at.any() else {}
        scores |= {f"AP{size}": _mean(precision[:, a, :, -1]) for a, size in enumerate(AREAS) if size}
        scores |= {f"AR{most}": _mean(recall[:, 0, :, m]) for m, most in enumerate(self.max_detections)}
        return scores | {f"AR{size}": _mean(recall[:, a, :, -1]) for a, size in enumerate(AREAS) if size}

    def per_class(self) -> dict[int, float]:
        """{label: AP}; nan for a class without objects."""
        return {label: _mean(self._table(label)[0][0, :, -1]) for label in sorted(self._found)}

    def curve(self, label: int, iou: float = 0.5) -> tuple[Array, Array]:
        """(recalls 0, 0.01, ..., 1; precision at each) of a class at the threshold `iou`."""
        at = np.flatnonzero(np.isclose(self.iou_thresholds, iou))
        _need(at.size, f"curve at iou {iou}; needed one of {self.iou_thresholds.round(3).tolist()}", "curve")
        return RECALLS.copy(), self._table(label)[0][0, at[0], -1]

    def __repr__(self) -> str:
        scores = ", ".join(f"{name} {value:.3f}" for name, value in self.compute().items() if name[:2] == "AP")
        return f"AveragePrecision({self.iou_type}, {self.images} images: {scores})"


def _need(fine, text, where="update"):
    if not fine:
        raise ValueError(f"AveragePrecision.{where}: {text}")


def _column(source, key, name, default=None):
    """One number per instance; where the key is missing, `default` (zeros), or ValueError without one."""
    _need(isinstance(source, dict), f"{name} is {type(source).__name__}; needed a dictionary")
    _need(key in source or default is not None, f"{name} has {', '.join(map(str, source))}; needed {key}")
    column = np.asarray(source.get(key, np.zeros(default or 0, np.int64)))
    _need(column.ndim == 1, f"{name} has {key} {column.shape}; needed one value per detection or object")
    if key in ("scores", "area"):
        return column.astype(np.float64)
    _need(column.dtype.kind in "iub" or not column.size, f"{name} has {key} of {column.dtype}; needed integers")
    return column.astype(np.int64)


def _measure(shapes):
    """Areas of boxes or masks."""
    if shapes.ndim == 2:
        return (shapes[:, 2] - shapes[:, 0]) * (shapes[:, 3] - shapes[:, 1])
    return shapes.sum(axis=(1, 2), dtype=np.float64)


def _areas(target, shapes):
    """The area of each object where the target gives none: its mask's, else its box's."""
    return _measure(_masks(target["masks"], len(shapes), "target") if "masks" in target else shapes)


def _masks(given, count, name):
    """N x H x W bool, of arrays, N x 1 x H x W, run-length codes; probabilities are thresholded at 0.5."""
    coded = isinstance(given, list | tuple) and len(given) and isinstance(given[0], dict)
    masks = np.asarray([rle.decode(code) for code in given] if coded else given)
    if not len(masks) and not count:
        return np.zeros((0, 0, 0), bool)
    masks = masks[:, 0] if masks.ndim == 4 and masks.shape[1] == 1 else masks
    _need(masks.ndim == 3 and len(masks) == count, f"{name} has masks {masks.shape} for {count} labels")
    return masks >= 0.5 if masks.dtype.kind == "f" else masks.astype(bool)


def _box_ious(boxes, truth, crowd):
    """D x G: intersection over union; for a crowd, intersection over the detection's area."""
    low, high = np.maximum(boxes[:, None, :2], truth[None, :, :2]), np.minimum(boxes[:, None, 2:], truth[None, :, 2:])
    return _ratios(np.maximum(high - low, 0).prod(axis=2), _measure(boxes), _measure(truth), crowd)


def _mask_ious(masks, truth, crowd):
    """D x G, as `_box_ious`. Pixel counts are exact: products are in float32 only while counts are below 2^24."""
    if not len(masks) or not len(truth):
        return np.zeros((len(masks), len(truth)))
    kind = np.float32 if masks[0].size < 2**24 else np.float64
    shared = masks.reshape(len(masks), -1).astype(kind) @ truth.reshape(len(truth), -1).astype(kind).T
    return _ratios(shared.astype(np.float64), _measure(masks), _measure(truth), crowd)


def _ratios(shared, areas, truth_areas, crowd):
    whole = np.where(crowd, areas[:, None], areas[:, None] + truth_areas - shared)
    return np.divide(shared, whole, out=np.zeros(shared.shape), where=shared > 0)


def _match(ious, sizes, areas, crowd, thresholds):
    """(hits A x T x D, misses A x T x D, number of objects A) of one image and class, with detections ordered by score.

    All area ranges and thresholds are computed at once, the detections one after another.
    """
    (D, G), T = ious.shape, len(thresholds)
    low, high = np.array(list(AREAS.values()), float).T[:, :, None]  # A x 1
    ignored = crowd | (areas < low) | (areas > high)  # A x G
    beyond = (sizes < low) | (sizes > high)  # A x D
    A = len(ignored)
    free = np.ones((A, T, G), bool)
    hits, misses = np.zeros((2, A, T, D), bool)
    for d in range(D):
        open_to = (ious[d] >= np.minimum(thresholds, 1 - 1e-10)[:, None]) & (free | crowd)  # A x T x G
        wanted = open_to & ~ignored[:, None]
        hit = wanted.any(axis=2)  # A x T
        open_to = np.where(hit[..., None], wanted, open_to)
        taken = open_to.any(axis=2)
        if taken.any():
            best = G - 1 - np.where(open_to, ious[d], -1)[..., ::-1].argmax(axis=2)  # the last of equals
            free[*np.nonzero(taken), best[taken]] = False
        hits[..., d] = hit
        misses[..., d] = ~taken & ~beyond[:, d, None]
    return hits, misses, (~ignored).sum(axis=1)


def _read(hits, misses, objects):
    """(precision at RECALLS, highest recall) of detections ranked by score."""
    right, wrong = np.cumsum(hits, dtype=float), np.cumsum(misses, dtype=float)
    recall, precision = right / objects, right / (right + wrong + np.spacing(1))
    falling = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(recall, RECALLS, side="left")
    return np.append(falling, 0)[at], recall[-1] if len(recall) else 0.0


def _mean(values):
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")
