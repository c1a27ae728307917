"""Transforms that move pixels: image and mask stay together, boxes follow, the same seed gives the same sample."""

import numpy as np
import pytest
from folders import scene

from minidl.data import transforms as T

MOVING = {
    "flip": T.RandomVerticalFlip(1.0),
    "quarter": T.RandomQuarterTurn(1.0),
    "rotation": T.RandomRotation(30),
    "affine": T.RandomAffine(10, (0.1, 0.1), (0.8, 1.2), 10),
    "elastic": T.ElasticTransform(20, 3),
    "grid": T.ElasticGrid(2.0),
    "class crop": T.RandomCrop((8, 8), class_p=1.0),
}


@pytest.mark.parametrize("name", MOVING)
def test_image_and_mask_move_together(name):
    _, mask = scene(2)
    image = np.repeat(mask[..., None] * np.uint8(200), 3, axis=2)
    for seed in range(3):
        moved, labels = MOVING[name](image, mask, np.random.default_rng(seed))
        again, _ = MOVING[name](image, mask, np.random.default_rng(seed))
        np.testing.assert_array_equal(moved, again)
        known = labels != 255
        assert moved.dtype == np.uint8 and moved.shape[:2] == labels.shape and (labels == 1).any()
        assert ((moved[..., 0] > 100) == (labels == 1))[known].mean() > 0.93


@pytest.mark.parametrize("name", ["flip", "quarter", "rotation", "grid"])
def test_boxes_follow_masks(name):
    _, mask = scene(2)
    image = np.repeat(mask[..., None] * np.uint8(200), 3, axis=2)
    target = {"masks": mask[None], "boxes": np.array([[4, 4, 12, 12]], np.float32), "labels": np.array([1])}
    _, with_masks = MOVING[name](image, dict(target), np.random.default_rng(0))
    del target["masks"]
    _, alone = MOVING[name](image, target, np.random.default_rng(0))
    assert np.abs(with_masks["boxes"] - alone["boxes"]).max() <= 1.5


@pytest.mark.parametrize("name", [*T.PRESETS, *T.SINGLE])
@pytest.mark.parametrize("kind", ["rgb", "grey", "deep"])
def test_every_augmentation_takes_every_kind_of_image(name, kind):
    image, mask = scene(1)
    image = {"rgb": image, "grey": image[..., :1], "deep": image[..., :2].astype(np.float64) * 200}[kind]
    changed, labels = T.Compose(T.augmentations([name]))(image, mask, np.random.default_rng(3))
    assert changed.dtype == image.dtype and changed.shape[2] == image.shape[2] and changed.shape[:2] == labels.shape
    assert set(np.unique(labels)) <= {0, 1, 255}


def test_mirrored_edges_fit_a_network_without_padding():
    image, mask = scene(0)
    padded, labels = T.MirrorPad(10, 44, 16)(image, mask)
    assert padded.shape == (44, 44, 3) and (labels != 255).sum() == mask.size
    np.testing.assert_array_equal(padded[14:30, 10:34], image)
