"""Colour, noise and blur: transforms that change the image but not its target."""

from __future__ import annotations

import numpy as np

from ...typing import Array
from ..types import Sample, Target
from .base import check_image, check_probability, like_input


class ColorJitter:
    """Brightness, contrast, saturation and hue changed by random amounts in random order, as in torchvision.

    brightness, contrast, saturation: a factor f from [max(0, 1 - a), 1 + a]; the result is f image + (1 - f) other, where
    `other` is black, the mean grey, or the greyscale image. hue: a shift by a fraction from [-a, a] of the colour circle,
    a <= 0.5. For images that are not uint8 RGB only brightness and contrast change.
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
        check_image(image, "ColorJitter")
        rgb = image.dtype == np.uint8 and image.shape[2] == 3
        for kind in rng.permutation(4):
            a = self.amounts[kind]
            if a > 0 and (rgb or kind < 2):
                amount = rng.uniform(-a, a) if kind == 3 else rng.uniform(max(0, 1 - a), 1 + a)
                image = (_brightness, _contrast, _saturation, _hue)[kind](image, amount)
        return image, target


def _blend(image, other, amount):
    return like_input(other + np.float32(amount) * (image - other), image)


def _grey(image):
    return (image @ np.array([0.299, 0.587, 0.114], np.float32))[..., None]  # H x W x 1


def _brightness(image, amount):
    return _blend(image, np.float32(0), amount)


def _contrast(image, amount):
    grey = _grey(image) if image.shape[2] == 3 else image
    return _blend(image, grey.mean(dtype=np.float32), amount)


def _saturation(image, amount):
    return _blend(image, _grey(image), amount)


def _hue(image, amount):
    from PIL import Image

    hue, saturation, value = Image.fromarray(image).convert("HSV").split()
    hue = np.asarray(hue) + np.uint8(round(amount * 255) % 256)  # wraps around the circle
    return np.array(Image.merge("HSV", (Image.fromarray(hue), saturation, value)).convert("RGB"))


class GaussianNoise:
    """Adds normal noise with probability p; its standard deviation is drawn from 0..`std` for each image.

    std is a share of 255 for uint8 images and of the image's own standard deviation for others.
    """

    def __init__(self, std: float = 0.05, p: float = 0.5) -> None:
        check_probability(p, "GaussianNoise")
        if std < 0:
            raise ValueError(f"GaussianNoise: std {std}; needed 0 or more")
        self.std, self.p = std, p

    def __call__(self, image: Array, target: Target, rng: np.random.Generator) -> Sample:
        check_image(image, "GaussianNoise")
        if rng.random() >= self.p:
            return image, target
        scale = 255.0 if image.dtype == np.uint8 else float(image.std())
        noise = rng.standard_normal(image.shape, np.float32) * np.float32(rng.uniform(0, self.std) * scale)
        return like_input(image + noise, image), target


class GaussianBlur:
    """With probability p a Gaussian filter whose standard deviation in pixels is drawn from `sigma` (minimum, maximum)."""

    def __init__(self, sigma: tuple[float, float] = (0.1, 1.5), p: float = 0.5) -> None:
        check_probability(p, "GaussianBlur")
        if not 0 < sigma[0] <= sigma[1]:
            raise ValueError(f"GaussianBlur: sigma {sigma}; needed 0 < minimum <= maximum")
        self.sigma, self.p = sigma, p

    def __call__(self, image: Array, target: Target, rng: np.random.Generator) -> Sample:
        from scipy import ndimage

        check_image(image, "GaussianBlur")
        if rng.random() >= self.p:
            return image, target
        sigma = rng.uniform(*self.sigma)
        return like_input(ndimage.gaussian_filter(image.astype(np.float32), (sigma, sigma, 0)), image), target
