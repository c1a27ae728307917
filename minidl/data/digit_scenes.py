"""DigitScenes: real handwriting over real photographs with exact masks, generated from a seed, no download."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from . import glyphs
from .targets import mask_boxes
from .types import Sample

# Files inside scikit-image's own package, which need no download. The splits have no photograph in common.
PHOTOGRAPHS = {
    "train": (
        "astronaut.png",
        "camera.png",
        "coffee.png",
        "rocket.jpg",
        "motorcycle_left.png",
        "grass.png",
        "coins.png",
    ),
    "val": ("chelsea.png", "gravel.png", "hubble_deep_field.jpg", "brick.png"),
}
COLORS = [(0, 0, 0), (230, 25, 75), (60, 180, 75), (255, 225, 25), (0, 130, 200), (245, 130, 48)]
COLORS += [(145, 30, 180), (70, 240, 240), (240, 50, 230), (210, 245, 60), (250, 190, 212)]
LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)


@cache
def photographs(split: str) -> Any:
    """The split's photographs as loaded Pillow RGB images."""
    from PIL import Image

    found = find_spec("skimage")
    if found is None or found.origin is None:
        raise ImportError(
            'DigitScenes(photographs=True) needs scikit-image: pip install "minidl[lessons]", or pass photographs=False'
        )
    folder = Path(found.origin).parent / "data"
    present = [folder / name for name in PHOTOGRAPHS[split] if (folder / name).is_file()]
    if len(present) < len(PHOTOGRAPHS[split]):
        warnings.warn(f"DigitScenes: this scikit-image bundles only {present}, so scenes differ", stacklevel=2)
    if not present:
        raise ImportError(
            f"DigitScenes: this scikit-image bundles none of {PHOTOGRAPHS[split]}; pass photographs=False"
        )
    return [Image.open(path).convert("RGB") for path in present]


class DigitScenes:
    """`length` scenes of handwritten digits over photographs: (image H x W x 3 uint8, mask H x W uint8).

    classes: which digits appear, labelled 1, 2, ... in order, 0 being the background: a number n for 0..n-1, a sequence
        of digits, or a dictionary that groups them, {"even": (0, 2, 4, 6, 8), "odd": (1, 3, 5, 7, 9)}. A small
        network needs much longer to learn all 10 than the default's 5.
    digits: (minimum, maximum) per scene; a digit for which 20 random positions do not fit is left out, except the first.
    scales: smallest and largest height of a digit, as fractions of the shorter side.
    split: "train" and "val" share no handwriting sample and no photograph.
    photographs: False for smooth colour gradients behind the digits.
    instances: instead of the mask, torchvision's detection target (see targets.py), with masks of the visible part of
        each digit; image_id is the index.

    Scene i depends on (seed, split, i) and the arguments alone, not on the order of access or the process. A pixel
    belongs to the digit that covers at least half of it; where digits overlap, to the one on top.
    """

    ignore_index = 255  # the label with which transforms pad; no scene has it

    def __init__(
        self,
        size: tuple[int, int] = (96, 96),
        length: int = 1000,
        classes: int | Sequence[str] = 5,
        seed: int = 0,
        *,
        split: str = "train",
        digits: tuple[int, int] = (1, 4),
        scales: tuple[float, float] = (0.3, 0.6),
        photographs: bool = True,
        instances: bool = False,
    ) -> None:
        self.size = (size, size) if isinstance(size, int) else tuple(size)
        self.length, self.seed, self.split, self.digits, self.scales = length, seed, split, tuple(digits), tuple(scales)
        self.photographs, self.instances = photographs, instances
        if not isinstance(classes, dict):
            chosen = list(range(classes) if isinstance(classes, int) else classes)
            classes = {str(d): [d] * chosen.count(d) for d in chosen}  # keeps a duplicate digit, which `_check` rejects
        self.groups = tuple(tuple(members) for members in classes.values())
        self.classes = ("background", *classes)
        self.colors = np.array(COLORS[: len(self.classes)], np.uint8)
        self._check()

    def _check(self):
        chosen = [d for group in self.groups for d in group]
        distinct = len(set(chosen)) == len(chosen) and set(chosen) <= set(range(10))
        (low, high), (smallest, largest) = self.digits, self.scales
        for fine, text in (
            (len(self.size) == 2 and min(self.size) >= 16, f"size {self.size}; needed H and W of at least 16"),
            (self.length >= 0, f"length {self.length}; needed at least 0"),
            (
                chosen and all(self.groups) and distinct,
                f"classes {self.groups}; needed distinct digits 0..9, none empty",
            ),
            (self.seed >= 0, f"seed {self.seed}; needed at least 0"),
            (self.split in PHOTOGRAPHS, f"split {self.split!r}; needed 'train' or 'val'"),
            (1 <= low <= high <= 255, f"digits {self.digits}; needed 1 <= minimum <= maximum <= 255"),
            (0 < smallest <= largest <= 1, f"scales {self.scales}; needed 0 < smallest <= largest <= 1"),
        ):
            if not fine:
                raise ValueError(f"DigitScenes: {text}")

    def __len__(self) -> int:
        return self.length

    def name(self, index: int) -> str:
        """The name of sample `index` in messages."""
        return f"scene {index} of seed {self.seed}, {self.split}"

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < self.length:
            raise IndexError(f"DigitScenes: index {index}; needed 0..{self.length - 1}")
        rng = np.random.default_rng([self.seed, list(PHOTOGRAPHS).index(self.split), index, 0xD161])
        image = self._background(rng)
        ids = np.zeros(self.size, np.uint8)  # 0 background, k the k-th digit placed
        labels = [0]
        for _ in range(rng.integers(self.digits[0], self.digits[1] + 1)):
            self._place(image, ids, labels, rng)
        image = np.clip(image + 0.5, 0, 255).astype(np.uint8)
        labels = np.array(labels)
        if not self.instances:
            return image, labels.astype(np.uint8)[ids]
        masks = (ids == np.arange(1, len(labels))[:, None, None]).astype(np.uint8)  # K x H x W
        target = {"boxes": mask_boxes(masks), "labels": labels[1:].astype(np.int64), "masks": masks}
        target["iscrowd"], target["area"] = np.zeros(len(masks), np.int64), masks.sum(axis=(1, 2), dtype=np.float64)
        return image, target | {"image_id": index}

    def _background(self, rng):
        """A random crop of a photograph, or a gradient between two colours: H x W x 3 float32, 0..255."""
        H, W = self.size
        if not self.photographs:
            ends = rng.uniform(10, 150, (2, 3)).astype(np.float32)
            angle = rng.uniform(0, 2 * np.pi)
            y, x = np.mgrid[-0.5 : 0.5 : H * 1j, -0.5 : 0.5 : W * 1j].astype(np.float32)
            t = (0.5 + (np.cos(angle) * x + np.sin(angle) * y) / 2**0.5)[..., None]  # H x W x 1 in 0..1
            return (1 - t) * ends[0] + t * ends[1]
        from PIL import Image

        pool = photographs(self.split)
        photo = pool[rng.integers(len(pool))]
        largest = min(photo.width / W, photo.height / H)
        zoom = largest * rng.uniform(0.3, 1.0)  # photograph pixels per scene pixel
        left, top = rng.uniform(0, photo.width - zoom * W), rng.uniform(0, photo.height - zoom * H)
        box = (left, top, min(left + zoom * W, photo.width), min(top + zoom * H, photo.height))
        crop = np.asarray(photo.resize((W, H), Image.Resampling.BILINEAR, box, reducing_gap=2.0))
        crop = crop[:, ::-1] if rng.random() < 0.5 else crop
        return crop * rng.uniform(0.35, 0.7, 3).astype(np.float32)  # darker, so that digits can be brighter

    def _place(self, image, ids, labels, rng):
        """Draw one more digit on `image` and `ids`, in place, and append its label."""
        H, W = self.size
        label = int(rng.integers(len(self.groups))) + 1
        digit = rng.choice(self.groups[label - 1])
        areas = np.bincount(ids.ravel(), minlength=len(labels))
        for _ in range(20):
            low, high = np.log(self.scales)
            height = max(min(H, W) * np.exp(rng.uniform(low, high)), 10)  # smaller digits are not legible
            cover = glyphs.draw(digit, self.split, height, rng)  # P x P in 0..1
            P = len(cover)
            y, x = (int(c) for c in rng.uniform((0.4 * height, 0.4 * height), (H - 0.4 * height, W - 0.4 * height)))
            y, x = y - P // 2, x - P // 2
            there = np.s_[max(y, 0) : y + P, max(x, 0) : x + P]
            cover = cover[max(-y, 0) : H - y, max(-x, 0) : W - x]
            inside = cover >= 0.5
            hidden = np.bincount(ids[there][inside], minlength=len(labels))
            if inside.any() and (hidden[1:] <= 0.2 * areas[1:]).all():
                break
        else:
            return
        patch = image[there]
        ink = _ink(patch[inside].mean(axis=0) @ LUMINANCE, rng)
        opacity = rng.uniform(0.8, 1.0) * cover[..., None].astype(np.float32)
        patch += opacity * (ink - patch)
        ids[there][inside] = len(labels)
        labels.append(label)


def _ink(behind, rng):
    """A random colour brighter than `behind` (mean luminance, 0..255) by at least 75 levels, if one exists."""
    colours = rng.uniform(0, 255, (12, 3)).astype(np.float32)
    clear = colours @ LUMINANCE - behind > 75
    return colours[clear.argmax()] if clear.any() else np.full(3, 250, np.float32)
