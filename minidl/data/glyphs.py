"""Real handwriting: scikit-learn's 8 x 8 digits, enlarged smoothly, rotated and sheared."""

from __future__ import annotations

import gzip
import zlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from ..typing import Array

FRAME = 12  # cells: the 8 x 8 digit with two empty cells around it
FINE = 4  # pixels per cell of the enlarged digit


@cache
def handwriting() -> tuple[Array, Array]:
    """scikit-learn's 1797 digits: (samples 1797 x 8 x 8 in 0..16, their digits)."""
    found = find_spec("sklearn")
    if found is None or found.origin is None:
        raise ImportError('DigitScenes needs scikit-learn for its handwriting: pip install "minidl[lessons]"')
    table = Path(found.origin).parent / "datasets" / "data" / "digits.csv.gz"
    if table.is_file():  # avoids the import of scikit-learn, which takes about a second
        try:
            with gzip.open(table, "rt") as lines:
                rows = np.loadtxt(lines, delimiter=",", dtype=np.uint8, ndmin=2)
            if rows.shape[1] != 65:
                raise ValueError(f"{rows.shape[1]} columns; needed 65")
        except (OSError, EOFError, ValueError, zlib.error) as error:
            raise ValueError(f"{table} is damaged: {error}; install scikit-learn again") from error
        return rows[:, :64].reshape(-1, 8, 8), rows[:, 64]
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return bunch.images.astype(np.uint8), bunch.target


@cache
def samples(digit: int, split: str) -> Array:
    """Indices of the split's samples of a digit; the last fifth of each digit's samples is for validation."""
    numbers = np.flatnonzero(handwriting()[1] == digit)
    cut = len(numbers) * 4 // 5
    return numbers[:cut] if split == "train" else numbers[cut:]


@cache
def enlarged(number: int) -> Any:
    """One sample, smoothly enlarged inside its frame, as a greyscale Pillow image."""
    from PIL import Image, ImageFilter

    frame = Image.fromarray(np.pad(handwriting()[0][number] * 12, 2))  # 16 levels to 0..192
    side = FRAME * FINE
    return frame.resize((side, side), Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(0.3 * FINE))


def draw(digit: int, split: str, height: int, rng: np.random.Generator) -> Array:
    """The coverage, P x P float32 in 0..1, of a random sample of `digit`, about `height` pixels high."""
    from PIL import Image

    numbers = samples(digit, split)
    source = enlarged(int(numbers[rng.integers(len(numbers))]))
    turn, slant, squeeze = rng.uniform((-0.25, -0.15, 0.85), (0.25, 0.15, 1.15))  # radians, shear, width / height
    zoom = height / (8 * FINE)  # scene pixels per enlarged pixel
    forward = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    forward = zoom * forward @ np.array([[squeeze, slant], [0, 1]])
    (a, b), (c, d) = np.linalg.inv(forward)
    P, half = int(1.6 * height) + 2, FRAME * FINE / 2
    affine = (a, b, half - (a + b) * P / 2, c, d, half - (c + d) * P / 2)  # scene to source, centre to centre
    field = source.transform((P, P), Image.Transform.AFFINE, affine, Image.Resampling.BILINEAR)
    # The stroke's edge is a level set: steepen the grey field until the edge is about one pixel wide.
    return np.clip((np.asarray(field, np.float32) - 90) * (height / 900) + 0.5, 0, 1)
