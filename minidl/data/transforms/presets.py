"""Named lists of augmentations for kinds of images, as used by `minidl train --augment NAME`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..types import Transform
from .color import ColorJitter, GaussianBlur, GaussianNoise
from .erase import RandomErasing
from .flip import RandomHorizontalFlip, RandomQuarterTurn, RandomVerticalFlip
from .geometry import RandomScale
from .warp import ElasticGrid, ElasticTransform, RandomAffine, RandomRotation

PRESETS = ("none", "light", "medical", "aerial")


def preset(name: str, ignore_index: int = 255) -> list[Transform]:
    """The list of transforms of a preset; add a crop where images must have one size.

    none: no transform. light (photographs): left-right flip, scale 0.75 to 1.33, slight colour changes. medical (microscopy,
    scans): flips, rotation, elastic deformation, brightness and contrast, noise. aerial (views from above): flips, rotation
    by multiples of 90 degrees, scale, colour, blur.
    """
    if name == "none":
        return []
    if name == "light":
        return [RandomScale((0.75, 1.33)), RandomHorizontalFlip(), ColorJitter(0.2, 0.2, 0.2, 0.02)]
    if name == "medical":
        return [
            RandomHorizontalFlip(),
            RandomVerticalFlip(),
            RandomAffine(15, (0.05, 0.05), (0.9, 1.1), p=0.7, ignore_index=ignore_index),
            ElasticGrid(sigma=6, grid=4, p=0.7),
            ColorJitter(0.2, 0.2),
            GaussianNoise(0.04),
        ]
    if name == "aerial":
        return [
            RandomScale((0.75, 1.33)),
            RandomHorizontalFlip(),
            RandomQuarterTurn(),
            ColorJitter(0.2, 0.2, 0.2, 0.02),
            GaussianBlur((0.1, 1.0), p=0.2),
        ]
    raise ValueError(f"preset: there is no augmentation {name!r}; needed one of {', '.join(PRESETS)}")


# Transforms by the names of `minidl train --augment NAME ...`, with default strengths.
SINGLE = {
    "flip": lambda ignore: RandomHorizontalFlip(),
    "vflip": lambda ignore: RandomVerticalFlip(),
    "turn90": lambda ignore: RandomQuarterTurn(),
    "rotate": lambda ignore: RandomRotation(20, ignore_index=ignore),
    "affine": lambda ignore: RandomAffine(15, (0.1, 0.1), (0.8, 1.25), 10, ignore_index=ignore),
    "elastic": lambda ignore: ElasticTransform(60, 6),
    "elastic-grid": lambda ignore: ElasticGrid(),
    "color": lambda ignore: ColorJitter(0.3, 0.3, 0.3, 0.05),
    "noise": lambda ignore: GaussianNoise(),
    "blur": lambda ignore: GaussianBlur(),
    "cutout": lambda ignore: RandomErasing(ignore_index=ignore),
}


def augmentations(names: Iterable[str], ignore_index: int = 255) -> list[Transform]:
    """The transforms of presets and single names, in order."""
    found: list[Any] = []
    for name in names:
        if name in PRESETS:
            found += preset(name, ignore_index)
        elif name in SINGLE:
            found.append(SINGLE[name](ignore_index))
        else:
            raise ValueError(f"there is no augmentation {name!r}; needed one of {', '.join((*PRESETS, *SINGLE))}")
    return found
