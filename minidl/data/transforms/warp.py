"""Rotation, affine maps and elastic deformation, by interpolation at positions in the input (scipy.ndimage)."""

from __future__ import annotations

import numpy as np

from ...typing import Array
from ..targets import change
from ..types import Sample, Target
from .base import check_image, check_probability, like_input
from .geometry import fill_levels


def warp(
    image: Array, target: Target, rows: Array, columns: Array, ignore_index: int, mode: str = "constant"
) -> Sample:
    """Image (bilinear) and target (nearest neighbour) sampled at the positions `rows`, `columns`, each h x w.

    mode: values outside the image; "constant" is the image's fill and `ignore_index` (0 in instance masks), "mirror"
    reflects. Boxes are recomputed from masks where there are any, else from the moved boxes.
    """
    from scipy import ndimage

    places = np.stack([rows, columns])
    fill = fill_levels(None, image)
    channels = [
        ndimage.map_coordinates(image[..., c].astype(np.float32), places, order=1, mode=mode, cval=level)
        for c, level in enumerate(fill)
    ]

    def labels(mask):
        planes = mask.reshape(-1, *mask.shape[-2:])
        value = ignore_index if mask.ndim == 2 else 0
        moved = [ndimage.map_coordinates(plane, places, order=0, mode=mode, cval=value) for plane in planes]
        return np.array(moved, mask.dtype).reshape(*mask.shape[:-2], *rows.shape)

    return like_input(np.stack(channels, axis=-1), image), change(
        target, labels, lambda boxes: _moved_boxes(boxes, rows, columns)
    )


def _moved_boxes(boxes, rows, columns):
    """For each box the bounding box of the output pixels sampled inside it; empty where there are none."""
    moved = np.zeros((len(boxes), 4))
    for k, (x1, y1, x2, y2) in enumerate(boxes):
        inside = (columns + 0.5 >= x1) & (columns + 0.5 <= x2) & (rows + 0.5 >= y1) & (rows + 0.5 <= y2)
        if inside.any():
            y, x = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
            moved[k] = x[0], y[0], x[-1] + 1, y[-1] + 1
    return moved


class RandomAffine:
    """A random rotation (degrees), shift, scale and shear about the centre, as torchvision's.

    degrees: a number d for -d..d, or (minimum, maximum); translate: largest shifts as fractions of (width, height);
    scale: (minimum, maximum) factor; shear: degrees along x, a number or (minimum, maximum).
    p: probability; ignore_index: the label of pixels that come from outside.
    """

    def __init__(
        self,
        degrees: float | tuple[float, float] = 0.0,
        translate: tuple[float, float] | None = None,
        scale: tuple[float, float] | None = None,
        shear: float | tuple[float, float] | None = None,
        p: float = 1.0,
        ignore_index: int = 255,
    ) -> None:
        check_probability(p, type(self).__name__)
        self.degrees, self.shear = _interval(degrees), _interval(shear or 0.0)
        self.translate, self.scale = translate or (0.0, 0.0), scale or (1.0, 1.0)
        self.p, self.ignore_index = p, ignore_index
        if not all(0 <= t <= 1 for t in self.translate) or not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError(
                f"{type(self).__name__}: translate {translate}, scale {scale}; needed fractions 0..1 and 0 < minimum <= maximum"
            )

    def __call__(self, image: Array, target: Target, rng: np.random.Generator) -> Sample:
        check_image(image, type(self).__name__)
        angle, shear = np.radians(rng.uniform(*self.degrees)), np.radians(rng.uniform(*self.shear))
        factor = rng.uniform(*self.scale)
        H, W = image.shape[:2]
        shift = np.array([rng.uniform(-t, t) * n for t, n in zip(self.translate[::-1], (H, W))])  # y, x
        if rng.random() >= self.p:
            return image, target
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        forward = factor * turn @ np.array([[1.0, 0.0], [np.tan(shear), 1.0]])  # acts on (y, x)
        inverse = np.linalg.inv(forward)
        centre = np.array([(H - 1) / 2, (W - 1) / 2])
        y, x = np.mgrid[0:H, 0:W].astype(np.float64)
        y, x = y - centre[0] - shift[0], x - centre[1] - shift[1]
        rows = inverse[0, 0] * y + inverse[0, 1] * x + centre[0]
        columns = inverse[1, 0] * y + inverse[1, 1] * x + centre[1]
        return warp(image, target, rows, columns, self.ignore_index)


class RandomRotation(RandomAffine):
    """A random rotation about the centre; `degrees` as in RandomAffine."""

    def __init__(self, degrees: float | tuple[float, float], p: float = 1.0, ignore_index: int = 255) -> None:
        super().__init__(degrees, p=p, ignore_index=ignore_index)


def _interval(value):
    low, high = (-value, value) if np.isscalar(value) else value
    if not low <= high:
        raise ValueError(f"RandomAffine: {value}; needed a number of at least 0, or (minimum, maximum)")
    return low, high


class ElasticTransform:
    """Each pixel is moved by a smooth random displacement (Simard et al. 2003, section 2), mirrored at the edges.

    alpha: the size of the displacements; sigma: the standard deviation in pixels of the Gaussian that smooths uniform noise
    in -1..1. As in torchvision, only alpha scales the smoothed noise: along each axis the standard deviation of the
    displacement is about alpha / (6.1 sigma) pixels.
    """

    def __init__(self, alpha: float = 50.0, sigma: float = 5.0, p: float = 1.0) -> None:
        check_probability(p, type(self).__name__)
        if alpha < 0 or sigma <= 0:
            raise ValueError(f"ElasticTransform: alpha {alpha}, sigma {sigma}; needed alpha >= 0 and sigma > 0")
        self.alpha, self.sigma, self.p = alpha, sigma, p

    def displacement(self, shape: tuple[int, int], rng: np.random.Generator) -> Array:
        """(2, H, W) in pixels: along rows, along columns."""
        from scipy import ndimage

        noise = rng.uniform(-1, 1, (2, *shape))
        return np.stack([ndimage.gaussian_filter(n, self.sigma) for n in noise]) * self.alpha

    def __call__(self, image: Array, target: Target, rng: np.random.Generator) -> Sample:
        check_image(image, type(self).__name__)
        if rng.random() >= self.p:
            return image, target
        H, W = image.shape[:2]
        dy, dx = self.displacement((H, W), rng)
        y, x = np.mgrid[0:H, 0:W]
        return warp(image, target, y + dy, x + dx, 255, mode="mirror")


class ElasticGrid(ElasticTransform):
    """U-Net's elastic deformation: random displacements on a coarse grid, with bicubic interpolation between its points.

    grid: points along each side (3); sigma: standard deviation of the displacements in pixels (10); Ronneberger et al. 2015,
    section 3.1.
    """

    def __init__(self, sigma: float = 10.0, grid: int = 3, p: float = 1.0) -> None:
        super().__init__(sigma=sigma, p=p)
        if grid < 2:
            raise ValueError(f"ElasticGrid: grid {grid}; needed at least 2")
        self.grid = grid

    def displacement(self, shape: tuple[int, int], rng: np.random.Generator) -> Array:
        from scipy import ndimage

        H, W = shape
        points = rng.normal(0, self.sigma, (2, self.grid, self.grid))
        rows, columns = np.linspace(0, self.grid - 1, H), np.linspace(0, self.grid - 1, W)
        places = np.stack(np.meshgrid(rows, columns, indexing="ij"))
        order = min(3, self.grid - 1)
        return np.stack([ndimage.map_coordinates(p, places, order=order, mode="nearest") for p in points])
