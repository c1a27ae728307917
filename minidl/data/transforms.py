"""Joint transforms of an image and its target: `transform(image, target, rng)` gives a new (image, target).

Images are H x W x 3, uint8 until Normalize or ToFloat, which come last; a target is a mask or a dictionary of
instances (see targets.py). Masks are sampled by nearest neighbour and never interpolated. All chance comes from `rng`,
a numpy Generator, so that a sample can be made again bit for bit. Names and arguments are torchvision's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from ..typing import Array, ArrayLike, Size2
from .targets import change
from .types import Sample, Target, Transform

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, of images in 0..1


class Compose:
    """The transforms one after another."""

    def __init__(self, transforms: Iterable[Transform]) -> None:
        self.transforms = list(transforms)

    def __call__(self, image: Array, target: Target, rng: np.random.Generator) -> Sample:
        for transform in self.transforms:
            image, target = transform(image, target, rng)
        return image, target


def _pair(size, where):
    H, W = (size, size) if isinstance(size, int) else size
    if H < 1 or W < 1:
        raise ValueError(f"{where}: size {size}; needed positive H and W")
    return int(H), int(W)


def _need_uint8(image, where):
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise TypeError(f"{where}: image is {image.dtype} {image.shape}; needed uint8 H x W x 3 (Normalize comes last)")


def resize(image: Array, target: Target, size: Sequence[int], where: str = "resize") -> Sample:
    """Image by a bilinear filter that widens when it shrinks, labels by nearest neighbour, to size (H, W)."""
    from PIL import Image

    _need_uint8(image, where)
    H, W = image.shape[:2]
    h, w = size
    rows, columns = (2 * np.arange(h) + 1) * H // (2 * h), (2 * np.arange(w) + 1) * W // (2 * w)  # half-pixel centres
    image = np.array(Image.fromarray(image).resize((w, h), Image.Resampling.BILINEAR))
    target = change(
        target,
        labels=lambda mask: mask[..., rows[:, None], columns],
        boxes=lambda boxes: boxes * np.array([w / W, h / H, w / W, h / H]),
    )
    return image, target


def crop(
    image: Array, target: Target, top: int, left: int, size: Sequence[int], fill: Sequence[float], ignore_index: int
) -> tuple[Array, Target]:
    """The window of `size` (H, W) whose corner is at (top, left); what lies outside is `fill` and `ignore_index`."""
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
    """To size (H, W), or an int for the shorter side, keeping the ratio."""

    def __init__(self, size: Size2) -> None:
        _pair(size, "Resize")
        self.size = size

    def __call__(self, image: Array, target: Target, rng: np.random.Generator | None = None) -> Sample:
        size = self.size
        if isinstance(size, int):
            H, W = image.shape[:2]
            size = (size, max(size * W // H, 1)) if H <= W else (max(size * H // W, 1), size)
        return resize(image, target, size, "Resize")


class RandomScale:
    """Both sides by one factor, drawn uniformly from `scales`; with RandomCrop the usual augmentation."""

    def __init__(self, scales: tuple[float, float] = (0.5, 2.0)) -> None:
        if not 0 < scales[0] <= scales[1]:
            raise ValueError(f"RandomScale: scales {scales}; needed 0 < smallest <= largest")
        self.scales = scales

    def __call__(self, image: Array, target: Target, rng: np.random.Generator) -> Sample:
        factor = rng.uniform(*self.scales)
        H, W = image.shape[:2]
        return resize(image, target, (max(round(H * factor), 1), max(round(W * factor), 1)), "RandomScale")


def _uint8_fill(fill):
    return tuple(round(255 * m) for m in MEAN) if fill is None else tuple(np.broadcast_to(fill, 3).tolist())


class RandomCrop:
    """A window of `size` at a random place; a smaller image is padded evenly, first.

    Padding is `fill` (a level or three of them, 0..255; ImageNet's mean colour by default) in the image and
    `ignore_index` (give the dataset's) in the mask; instance masks are padded with 0.
    """

    def __init__(self, size: Size2, ignore_index: int = 255, fill: ArrayLike | None = None) -> None:
        self.size, self.ignore_index, self.fill = _pair(size, type(self).__name__), ignore_index, _uint8_fill(fill)

    def _offset(self, spare, rng):
        return int(rng.integers(spare + 1)) if spare > 0 else spare // 2

    def __call__(self, image: Array, target: Target, rng: np.random.Generator | None = None) -> Sample:
        _need_uint8(image, type(self).__name__)
        top, left = (self._offset(have - want, rng) for have, want in zip(image.shape[:2], self.size))
        return crop(image, target, top, left, self.size, self.fill, self.ignore_index)


class CenterCrop(RandomCrop):
    """The window of `size` at the centre, padded like RandomCrop's where the image is smaller."""

    def _offset(self, spare, rng):
        return spare // 2


class RandomHorizontalFlip:
    """Left and right exchanged with probability p."""

    def __init__(self, p: float = 0.5) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"RandomHorizontalFlip: p {p}; needed 0..1")
        self.p = p

    def __call__(self, image: Array, target: Target, rng: np.random.Generator) -> Sample:
        if rng.random() >= self.p:
            return image, target
        W = image.shape[1]
        target = change(
            target,
            labels=lambda mask: np.ascontiguousarray(mask[..., ::-1]),
            boxes=lambda boxes: np.stack([W - boxes[:, 2], boxes[:, 1], W - boxes[:, 0], boxes[:, 3]], axis=1),
        )
        return np.ascontiguousarray(image[:, ::-1]), target


class ColorJitter:
    """Brightness, contrast, saturation and hue changed by random amounts in random order, as torchvision does.

    The first three: a factor from [max(0, 1 - a), 1 + a] blends with black, with the mean grey, with the grey image.
    hue: a turn of the colour circle by a fraction from [-a, a], a <= 0.5.
    """

    def __init__(
        self, brightness: float = 0.0, contrast: float = 0.0, saturation: float = 0.0, hue: float = 0.0
    ) -> None:
        if min(brightness, contrast, saturation, hue) < 0 or hue > 0.5:
            raise ValueError(
                f"ColorJitter: brightness {brightness}, contrast {contrast}, saturation {saturation}, hue {hue}; "
                "needed 0 or more, and at most 0.5 for hue"
            )
        self.amounts = (brightness, contrast, saturation, hue)

    def __call__(self, image: Array, target: Target, rng: np.random.Generator) -> Sample:
        _need_uint8(image, "ColorJitter")
        for kind in rng.permutation(4):
            a = self.amounts[kind]
            if a > 0:
                amount = rng.uniform(-a, a) if kind == 3 else rng.uniform(max(0, 1 - a), 1 + a)
                image = (_brightness, _contrast, _saturation, _hue)[kind](image, amount)
        return image, target


def _blend(image, other, amount):
    return np.clip(other + np.float32(amount) * (image - other) + 0.5, 0, 255).astype(np.uint8)


def _grey(image):
    return (image @ np.array([0.299, 0.587, 0.114], np.float32))[..., None]  # H x W x 1


def _brightness(image, amount):
    return _blend(image, np.float32(0), amount)


def _contrast(image, amount):
    return _blend(image, _grey(image).mean(dtype=np.float32), amount)


def _saturation(image, amount):
    return _blend(image, _grey(image), amount)


def _hue(image, amount):
    from PIL import Image

    hue, saturation, value = Image.fromarray(image).convert("HSV").split()
    hue = np.asarray(hue) + np.uint8(round(amount * 255) % 256)  # wraps around the circle
    return np.array(Image.merge("HSV", (Image.fromarray(hue), saturation, value)).convert("RGB"))


class ToFloat:
    """uint8 0..255 to float32 0..1."""

    def __call__(self, image: Array, target: Target, rng: np.random.Generator | None = None) -> Sample:
        _need_uint8(image, "ToFloat")
        return image.astype(np.float32) / 255, target


class Normalize:
    """(image / 255 - mean) / std in float32, of a uint8 image; ImageNet's mean and std by default."""

    def __init__(self, mean: ArrayLike = MEAN, std: ArrayLike = STD) -> None:
        if np.min(std) <= 0:
            raise ValueError(f"Normalize: std {std}; needed positive")
        self.scale = (1 / (255 * np.array(std))).astype(np.float32)
        self.shift = (-np.array(mean) / np.array(std)).astype(np.float32)

    def __call__(self, image: Array, target: Target, rng: np.random.Generator | None = None) -> Sample:
        _need_uint8(image, "Normalize")
        return image * self.scale + self.shift, target
