"""Joint transforms of an image and its target: `transform(image, target, rng)` returns a new (image, target).

Images are H x W x C, uint8 or (pictures of more than 8 bits) float64, until Normalize or ToFloat, which come last; a
target is a mask or a dictionary of instances (see targets.py). Masks are sampled by nearest neighbour and never
interpolated. All randomness comes from `rng`, a NumPy Generator, so that samples are reproducible bit for bit. Names and
arguments are torchvision's where it has the transform.
"""

from .base import MEAN, STD, Compose
from .color import ColorJitter, GaussianBlur, GaussianNoise
from .erase import RandomErasing
from .flip import RandomHorizontalFlip, RandomQuarterTurn, RandomVerticalFlip
from .geometry import CenterCrop, RandomCrop, RandomScale, Resize, crop, resize
from .mirror import MirrorPad
from .normalize import Normalize, ToFloat
from .presets import PRESETS, SINGLE, augmentations, preset
from .warp import ElasticGrid, ElasticTransform, RandomAffine, RandomRotation

__all__ = [
    "MEAN",
    "PRESETS",
    "SINGLE",
    "STD",
    "CenterCrop",
    "ColorJitter",
    "Compose",
    "ElasticGrid",
    "ElasticTransform",
    "GaussianBlur",
    "GaussianNoise",
    "MirrorPad",
    "Normalize",
    "RandomAffine",
    "RandomCrop",
    "RandomErasing",
    "RandomHorizontalFlip",
    "RandomQuarterTurn",
    "RandomRotation",
    "RandomScale",
    "RandomVerticalFlip",
    "Resize",
    "ToFloat",
    "augmentations",
    "crop",
    "preset",
    "resize",
]
