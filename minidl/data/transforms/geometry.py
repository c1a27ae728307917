"""Resizing, random scale, random and central crops."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...typing import Array, ArrayLike, Size2
from ..targets import change
from ..types import Sample, Target
from .base import MEAN, check_image


def pair(size: Size2, where: str) -> tuple[int, int]:
    """(H, W) of an int or a pair, checked."""
    H, W = (size, size) if isinstance(size, int) else size
    if H < 1 or W < 1:
        raise ValueError(f"{where}: size {size}; needed positive H and W")
    return int(H), int(W)


def resize(image: Array, target: Target, size: Sequence[int], where: str = "resize") -> Sample:
    """Image and target resized to (H, W): the image bilinearly, antialiased where it shrinks, labels by nearest neighbour."""
    check_image(image, where)
    H, W = image.shape[:2]
    h, w = size
    rows, columns = (2 * np.arange(h) + 1) * H // (2 * h), (2 * np.arange(w) + 1) * W // (2 * w)  # half-pixel centres
    image = _resize_image(image, h, w)
    target = change(
        target,
        labels=lambda mask: mask[..., rows[:, None], columns],
        boxes=lambda boxes: boxes * np.array([w / W, h / H, w / W, h / H]),
    )
    return image, target


def _resize_image(image, h, w):
    from PIL import Image

    def one(array):
        array = array if array.dtype == np.uint8 else array.astype(np.float32)
        return np.array(Image.fromarray(array).resize((w, h), Image.Resampling.BILINEAR))

    if image.dtype == np.uint8 and image.shape[2] == 3:
        return one(image)
    channels = [one(np.ascontiguousarray(image[..., c])) for c in range(image.shape[2])]
    return np.stack(channels, axis=-1).astype(image.dtype)


def crop(
    image: Array, target: Target, top: int, left: int, size: Sequence[int], fill: Sequence[float], ignore_index: int
) -> Sample:
    """The window of `size` (H, W) with its corner at (top, left); outside the image it is `fill` and `ignore_index`."""
    h, w = size
    inside = np.s_[max(top, 0) : max(top + h, 0), max(left, 0) : max(left + w, 0)]
    y, x = max(-top, 0), max(-left, 0)

    def window(array, value):  # ... x H x W
        out = np.full((*array.shape[:-2], h, w), value, dtype=array.dtype)
        piece = array[..., *inside]
        out[..., y : y + piece.shape[-2], x : x + piece.shape[-1]] = piece
        return out

    image = np.stack([window(image[..., c], value) for c, value in enumerate(fill)], axis=-1)
    target = change(
        target,
        labels=lambda mask: window(mask, ignore_index if mask.ndim == 2 else 0),
        boxes=lambda boxes: np.clip(boxes - [left, top, left, top], 0, [w, h, w, h]),
    )
    return image, target


class Resize:
    """Resizes to (H, W), or, for an int, the shorter side to it, keeping the aspect ratio."""

    def __init__(self, size: Size2) -> None:
        pair(size, "Resize")
        self.size = size

    def __call__(self, image: Array, target: Target, rng: np.random.Generator | None = None) -> Sample:
        size = self.size
        if isinstance(size, int):
            H, W = image.shape[:2]
            size = (size, max(size * W // H, 1)) if H <= W else (max(size * H // W, 1), size)
        return resize(image, target, size, "Resize")


class RandomScale:
    """Resizes both sides by one factor, drawn uniformly from `scales`; usually followed by RandomCrop."""

    def __init__(self, scales: tuple[float, float] = (0.5, 2.0)) -> None:
        if not 0 < scales[0] <= scales[1]:
            raise ValueError(f"RandomScale: scales {scales}; needed 0 < smallest <= largest")
        self.scales = scales

    def __call__(self, image: Array, target: Target, rng: np.random.Generator) -> Sample:
        factor = rng.uniform(*self.scales)
        H, W = image.shape[:2]
        return resize(image, target, (max(round(H * factor), 1), max(round(W * factor), 1)), "RandomScale")


def fill_levels(fill: ArrayLike | None, image: Array) -> list:
    """A level for each channel: `fill`, or ImageNet's mean colour for uint8 RGB, or the image's own mean."""
    channels = image.shape[2]
    if fill is not None:
        return np.broadcast_to(fill, channels).tolist()
    if image.dtype == np.uint8 and channels == 3:
        return [round(255 * m) for m in MEAN]
    levels = image.mean(axis=(0, 1), dtype=np.float64)
    return (np.rint(levels) if image.dtype == np.uint8 else levels).tolist()


class RandomCrop:
    """A window of `size` at a random position; a smaller image is first padded evenly on both sides.

    The padding is `fill` in the image (one level or one per channel; by default ImageNet's mean colour, or the image's own
    mean where it is not uint8 RGB) and `ignore_index` (pass the dataset's) in the mask; instance masks are padded with 0.
    class_p: the probability of a window that contains a pixel of a class other than 0; all classes in the image are equally
        likely, so that rare classes occur often.
    """

    def __init__(
        self, size: Size2, ignore_index: int = 255, fill: ArrayLike | None = None, class_p: float = 0.0
    ) -> None:
        self.size, self.ignore_index, self.fill = pair(size, type(self).__name__), ignore_index, fill
        if not 0 <= class_p <= 1:
            raise ValueError(f"RandomCrop: class_p {class_p}; needed 0..1")
        self.class_p = class_p

    def _offset(self, spare, rng):
        return int(rng.integers(spare + 1)) if spare > 0 else spare // 2

    def __call__(self, image: Array, target: Target, rng: np.random.Generator | None = None) -> Sample:
        check_image(image, type(self).__name__)
        corner = None
        if self.class_p and rng.random() < self.class_p:
            corner = self._around_class(target, image.shape[:2], rng)
        if corner is None:
            corner = [self._offset(have - want, rng) for have, want in zip(image.shape[:2], self.size)]
        top, left = corner
        return crop(image, target, top, left, self.size, fill_levels(self.fill, image), self.ignore_index)

    def _around_class(self, target, shape, rng):
        """The corner of a window that contains a random pixel of a random class other than 0, or None without such a pixel."""
        if isinstance(target, dict):
            if not len(target["boxes"]):
                return None
            x1, y1, x2, y2 = np.asarray(target["boxes"])[rng.integers(len(target["boxes"]))]
            pixel = (int(y1 + y2) // 2, int(x1 + x2) // 2)
        else:
            labels = np.unique(target)
            labels = labels[(labels != 0) & (labels != self.ignore_index)]
            if not len(labels):
                return None
            found = np.flatnonzero(target == labels[rng.integers(len(labels))])
            pixel = np.unravel_index(found[rng.integers(len(found))], target.shape)
        corner = []
        for at, have, want in zip(pixel, shape, self.size):
            low, high = max(at - want + 1, 0), min(at, have - want)
            corner.append(int(rng.integers(low, high + 1)) if high >= low else (have - want) // 2)
        return corner


class CenterCrop(RandomCrop):
    """The window of `size` at the centre, padded as in RandomCrop where the image is smaller."""

    def _offset(self, spare, rng):
        return spare // 2
