"""Joint transforms: what happens to the image happens to its target, and labels are never interpolated."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minidl.data import mask_boxes
from minidl.data import transforms as T

SIDES = st.integers(1, 24)


def rng(seed=0):
    return np.random.default_rng(seed)


def picture(H, W, seed=0):
    return rng(seed).integers(0, 256, (H, W, 3), dtype=np.uint8)


def scene(H=20, W=30):
    """An image whose red channel is its mask, so that geometry shows in both, and an instance dictionary."""
    mask = np.zeros((H, W), np.uint8)
    mask[2:9, 3:14] = 1
    mask[8:18, 16:28] = 2
    image = np.stack([mask * 100, np.zeros_like(mask), np.full_like(mask, 7)], axis=-1)
    masks = np.stack([mask == 1, mask == 2]).astype(np.uint8)
    return image, mask, {"boxes": mask_boxes(masks), "labels": np.array([5, 6]), "masks": masks, "image_id": 3}


RANDOM = [
    T.RandomScale((0.5, 2.0)),
    T.RandomCrop((12, 40), ignore_index=11),
    T.RandomHorizontalFlip(0.5),
    T.ColorJitter(0.4, 0.4, 0.4, 0.1),
]
FIXED = [T.Resize((7, 50)), T.Resize(9), T.CenterCrop((10, 10)), T.ToFloat(), T.Normalize()]


@pytest.mark.parametrize("transform", RANDOM + FIXED, ids=lambda t: type(t).__name__)
def test_inputs_stay_as_they_were_and_the_same_generator_gives_the_same(transform):
    image, mask, _ = scene()
    before = image.copy(), mask.copy()
    for seed in range(5):
        first, again = (transform(image, mask, rng(seed)) for _ in range(2))
        assert all(np.array_equal(a, b) for a, b in zip(first, again))
        assert first[1].dtype == mask.dtype and first[0].shape[:2] == first[1].shape
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(mask, before[1])


@settings(deadline=None, max_examples=40)
@given(SIDES, SIDES, SIDES, SIDES, st.integers(0, 99))
def test_labels_are_never_interpolated(H, W, h, w, seed):
    mask = rng(seed).choice([0, 7, 255], (H, W)).astype(np.uint8)
    chain = T.Compose([T.RandomScale((0.4, 2.5)), T.Resize((h, w)), T.RandomCrop((w, h), ignore_index=99)])
    _, out = chain(picture(H, W), mask, rng(seed))
    assert out.shape == (w, h) and set(np.unique(out)) <= set(np.unique(mask)) | {99}


@settings(deadline=None, max_examples=40)
@given(SIDES, SIDES, SIDES, SIDES)
def test_resized_mask_takes_the_pixel_under_each_new_centre(H, W, h, w):
    mask = np.arange(H * W).reshape(H, W)
    _, out = T.Resize((h, w))(picture(H, W), mask)
    for y in range(h):
        for x in range(w):
            assert out[y, x] == mask[int((y + 0.5) * H / h), int((x + 0.5) * W / w)]


def test_image_and_mask_stay_aligned_through_resizing():
    image, mask, _ = scene(40, 60)
    big_image, big_mask = T.Resize((120, 180))(image, mask)
    agree = (big_image[..., 0] > 50) == (big_mask > 0)
    assert agree.mean() > 0.99


def test_resize_by_the_shorter_side_keeps_the_ratio():
    image, mask, _ = scene(20, 30)
    assert T.Resize(10)(image, mask)[1].shape == (10, 15)
    assert T.Resize(10)(image.transpose(1, 0, 2), mask.T)[1].shape == (15, 10)


def test_crop_is_a_window_and_reaches_every_place():
    image = np.arange(5 * 6 * 3, dtype=np.uint8).reshape(5, 6, 3)
    mask = image[..., 0].copy()
    corners = set()
    for seed in range(300):
        out, labels = T.RandomCrop((3, 4))(image, mask, rng(seed))
        np.testing.assert_array_equal(out[..., 0], labels)
        y, x = np.argwhere(mask == labels[0, 0])[0]
        np.testing.assert_array_equal(out, image[y : y + 3, x : x + 4])
        corners.add((int(y), int(x)))
    assert len(corners) == 9  # (5 - 3 + 1) x (6 - 4 + 1)


def test_a_small_image_is_padded_with_mean_and_ignore():
    image, mask, _ = scene(4, 4)
    for transform in (T.RandomCrop((6, 8), ignore_index=11), T.CenterCrop((6, 8), ignore_index=11)):
        out, labels = transform(image, mask, rng())
        np.testing.assert_array_equal(out[1:5, 2:6], image)
        np.testing.assert_array_equal(labels[1:5, 2:6], mask)
        assert (labels == 11).sum() == 48 - 16 and out[0, 0].tolist() == [124, 116, 104]
    assert T.CenterCrop(6, fill=9)(image, mask)[0][0, 0].tolist() == [9, 9, 9]


def test_center_crop_takes_the_middle():
    image, mask, _ = scene(9, 12)
    np.testing.assert_array_equal(T.CenterCrop((3, 4))(image, mask)[0], image[3:6, 4:8])


def test_flip_twice_is_nothing_and_half_are_flipped():
    image, mask, target = scene()
    flip = T.RandomHorizontalFlip(1.0)
    once = flip(image, mask, rng())
    np.testing.assert_array_equal(once[0], image[:, ::-1])
    np.testing.assert_array_equal(once[1], mask[:, ::-1])
    np.testing.assert_array_equal(flip(*once, rng())[0], image)
    back = flip(*flip(image, target, rng()), rng())[1]
    for key in ("boxes", "labels", "masks"):
        np.testing.assert_array_equal(back[key], target[key])
    generator = rng(1)
    flipped = sum(T.RandomHorizontalFlip(0.5)(image, mask, generator)[1] is not mask for _ in range(400))
    assert 150 < flipped < 250


def test_instances_follow_flip_resize_and_crop():
    image, _, target = scene(20, 30)
    np.testing.assert_array_equal(target["boxes"], [[3, 2, 14, 9], [16, 8, 28, 18]])
    flipped = T.RandomHorizontalFlip(1.0)(image, target, rng())[1]
    np.testing.assert_array_equal(flipped["boxes"], [[16, 2, 27, 9], [2, 8, 14, 18]])
    doubled = T.Resize((40, 60))(image, target)[1]
    np.testing.assert_array_equal(doubled["boxes"], 2 * target["boxes"])
    assert doubled["masks"].shape == (2, 40, 60) and doubled["image_id"] == 3
    cropped = T.crop(image, target, 8, 10, (8, 12), (0, 0, 0), 255)[1]  # rows 8..15, columns 10..21
    np.testing.assert_array_equal(cropped["boxes"], [[0, 0, 4, 1], [6, 0, 12, 8]])
    gone = T.crop(image, target, 10, 10, (8, 12), (0, 0, 0), 255)[1]  # the first instance ends above row 10
    assert gone["labels"].tolist() == [6] and gone["masks"].shape == (1, 8, 12)


def test_boxes_without_masks_give_the_same_boxes():
    image, _, target = scene(20, 30)
    bare = {key: target[key] for key in ("boxes", "labels")}
    for change in (
        lambda t: T.RandomHorizontalFlip(1.0)(image, t, rng()),
        lambda t: T.Resize((40, 60))(image, t),
        lambda t: T.crop(image, t, 10, 5, (10, 20), (0, 0, 0), 255),
        lambda t: T.crop(image, t, -5, -4, (60, 60), (0, 0, 0), 255),
        lambda t: T.crop(image, t, 0, 0, (2, 2), (0, 0, 0), 255),
    ):
        with_masks, without = change(target)[1], change(bare)[1]
        np.testing.assert_allclose(without["boxes"], with_masks["boxes"])
        np.testing.assert_array_equal(without["labels"], with_masks["labels"])


def test_no_instances_stay_no_instances():
    image, _, _ = scene()
    empty = {
        "boxes": np.zeros((0, 4), np.float32),
        "labels": np.zeros(0, int),
        "masks": np.zeros((0, 20, 30), np.uint8),
    }
    for transform in RANDOM + FIXED:
        out = transform(image, empty, rng())[1]
        assert out["boxes"].shape == (0, 4) and out["labels"].shape == (0,)
        assert len(out["masks"]) == 0 and out["masks"].ndim == 3


def test_mask_boxes_equal_loops():
    masks = rng(3).random((6, 7, 9)) < 0.06
    masks[2] = False
    for mask, box in zip(masks, mask_boxes(masks)):
        rows, columns = np.nonzero(mask)
        expected = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1] if mask.any() else [0, 0, 0, 0]
        assert box.tolist() == expected


def test_normalize_and_to_float():
    image, mask, _ = scene()
    np.testing.assert_allclose(T.ToFloat()(image, mask)[0], image / 255, rtol=1e-6)
    out = T.Normalize()(image, mask)[0]
    assert out.dtype == np.float32
    np.testing.assert_allclose(out, (image / 255 - T.MEAN) / np.array(T.STD), atol=1e-5)
    np.testing.assert_allclose(T.Normalize(0.5, 0.25)(image, mask)[0], (image / 255 - 0.5) / 0.25, atol=1e-5)


def test_color_jitter_against_its_formulas():
    image = picture(8, 9)
    grey = image @ np.array([0.299, 0.587, 0.114])
    for kind, other in enumerate((0, grey.mean(), grey[..., None])):
        amounts = [0.0, 0.0, 0.0]
        amounts[kind] = 0.5
        out = T.ColorJitter(*amounts)(image, None, rng(kind))[0]
        generator = rng(kind)
        generator.permutation(4)
        factor = generator.uniform(0.5, 1.5)
        expected = np.clip(other + factor * (image.astype(float) - other), 0, 255)
        assert np.abs(out - expected).max() <= 0.51


def test_hue_turns_colours_and_leaves_grey_alone():
    red = np.zeros((1, 1, 3), np.uint8)
    red[..., 0] = 240
    hues = np.array([T.ColorJitter(hue=0.5)(red, None, rng(seed))[0][0, 0] for seed in range(40)])
    assert (hues.max(axis=1) == 240).all() and (hues[:, 1] > 100).any() and (hues[:, 2] > 100).any()
    grey = np.full((2, 2, 3), 90, np.uint8)
    np.testing.assert_array_equal(T.ColorJitter(hue=0.5)(grey, None, rng())[0], grey)


def test_jitter_of_nothing_is_nothing():
    np.testing.assert_array_equal(T.ColorJitter()(picture(4, 5), None, rng())[0], picture(4, 5))


def test_scale_draws_its_factor_uniformly():
    sizes = [T.RandomScale((0.5, 2.0))(*scene(20, 20)[:2], rng(seed))[1].shape[0] for seed in range(200)]
    assert min(sizes) in (10, 11) and max(sizes) in (39, 40) and 23 < np.mean(sizes) < 27


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: T.RandomCrop((0, 5)), r"RandomCrop: size \(0, 5\)"),
        (lambda: T.Resize(0), "Resize: size 0"),
        (lambda: T.RandomScale((2, 1)), r"RandomScale: scales \(2, 1\)"),
        (lambda: T.RandomHorizontalFlip(1.5), "p 1.5"),
        (lambda: T.ColorJitter(hue=0.7), "hue 0.7"),
        (lambda: T.Normalize(std=(0, 1, 1)), "std"),
    ],
)
def test_wrong_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("name", ["Resize", "RandomCrop", "CenterCrop"])
def test_geometry_after_normalize_is_refused(name):
    image, mask, _ = scene()
    with pytest.raises(TypeError, match=f"{name}: image is float32.*Normalize comes last"):
        getattr(T, name)(5)(T.Normalize()(image, mask)[0], mask, rng())
