"""DigitScenes: determinism, exact masks, disjoint splits, and its errors."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minidl.data import DigitScenes, digit_scenes, glyphs

pytest.importorskip("sklearn", reason="DigitScenes' handwriting comes with scikit-learn")
pytest.importorskip("skimage", reason="DigitScenes' photographs come with scikit-image")


def same(a, b):
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(np.array_equal(a[key], b[key]) for key in a)
    return np.array_equal(a, b)


def test_shapes_and_protocol():
    ds = DigitScenes(size=(40, 64), length=5)
    assert len(ds) == 5 and len(list(ds)) == 5
    assert ds.classes == ("background", *"01234") and ds.colors.shape == (6, 3)
    for image, mask in ds:
        assert image.shape == (40, 64, 3) and image.dtype == np.uint8 and image.flags.writeable
        assert mask.shape == (40, 64) and mask.dtype == np.uint8 and mask.max() <= 5
    assert DigitScenes(size=48, length=1)[0][1].shape == (48, 48)


def test_a_scene_depends_on_seed_and_index_alone():
    ds = DigitScenes(length=50, seed=3)
    forward = [ds[i] for i in range(10)]
    other = DigitScenes(length=10, seed=3)
    for i in (7, 2, 9, 0):
        assert same(other[i][0], forward[i][0]) and same(other[i][1], forward[i][1])
    images = [image.tobytes() for image, _ in forward]
    assert len(set(images)) == 10
    assert not any(same(DigitScenes(length=10, seed=4)[i][0], forward[i][0]) for i in range(10))


def test_a_scene_is_the_same_in_another_process():
    code = "import hashlib; from minidl.data import DigitScenes; image, mask = DigitScenes(length=9, seed=5)[8]; "
    code += "print(hashlib.sha256(image.tobytes() + mask.tobytes()).hexdigest())"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    import hashlib

    image, mask = DigitScenes(length=9, seed=5)[8]
    assert output.strip() == hashlib.sha256(image.tobytes() + mask.tobytes()).hexdigest()


def test_splits_share_neither_handwriting_nor_photographs():
    every = []
    for digit in range(10):
        train, val = (set(glyphs.samples(digit, split).tolist()) for split in ("train", "val"))
        assert not train & val and len(train) > 3 * len(val) > 90
        every += [*train, *val]
    assert sorted(every) == list(range(1797))
    assert not set(digit_scenes.PHOTOGRAPHS["train"]) & set(digit_scenes.PHOTOGRAPHS["val"])
    for split in ("train", "val"):  # and scikit-image really bundles them
        assert len(digit_scenes.photographs(split)) == len(digit_scenes.PHOTOGRAPHS[split])
    assert not same(DigitScenes(length=1, split="val")[0][0], DigitScenes(length=1)[0][0])


def test_the_handwriting_is_scikit_learns():
    from sklearn.datasets import load_digits

    images, digits = glyphs.handwriting()
    np.testing.assert_array_equal(images, load_digits().images)
    np.testing.assert_array_equal(digits, load_digits().target)


def test_the_mask_is_exact():
    """A pixel off every digit is the background's, bit for bit; a pixel of the mask differs from it."""
    ds = DigitScenes(size=(64, 64), length=30, photographs=False, digits=(1, 3))
    for i in range(30):
        image, mask = ds[i]
        generator = np.random.default_rng([0, 0, i, 0xD161])
        background = np.clip(ds._background(generator) + 0.5, 0, 255).astype(np.uint8)
        changed = (image != background).any(axis=2)
        assert changed[mask > 0].mean() > 0.99
        near = np.pad(mask > 0, 1)  # antialiased edges reach one or two pixels out
        near = np.pad(near[:-2, 1:-1] | near[2:, 1:-1] | near[1:-1, :-2] | near[1:-1, 2:] | (mask > 0), 1)
        near = near[:-2, 1:-1] | near[2:, 1:-1] | near[1:-1, :-2] | near[1:-1, 2:] | near[1:-1, 1:-1]
        assert changed[~near].mean() < 0.01


def test_a_pixel_belongs_to_the_digit_that_covers_half_of_it(monkeypatch):
    covers = []
    real = glyphs.draw
    monkeypatch.setattr(glyphs, "draw", lambda *arguments: covers.append(real(*arguments)) or covers[-1])
    whole = 0
    for _, mask in DigitScenes(length=30, digits=(1, 1)):
        edges = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
        if not edges.any():  # no part of the digit lies outside
            whole += 1
            rows, columns = np.nonzero(mask)
            inside = covers[-1] >= 0.5
            r, c = np.nonzero(inside)
            np.testing.assert_array_equal(rows - rows.min(), r - r.min())
            np.testing.assert_array_equal(columns - columns.min(), c - c.min())
    assert whole > 10


def test_digits_stand_out_from_what_is_behind():
    gaps = []
    for image, target in DigitScenes(length=40, digits=(1, 1), instances=True):
        grey = image @ np.array([0.299, 0.587, 0.114])
        x1, y1, x2, y2 = target["boxes"][0].astype(int)
        inside = target["masks"][0] > 0
        around = np.zeros_like(inside)
        around[y1:y2, x1:x2] = True
        gaps.append(abs(grey[inside].mean() - grey[around & ~inside].mean()))
    assert np.median(gaps) > 40 and np.mean(np.array(gaps) > 15) > 0.9


@settings(deadline=None, max_examples=40)
@given(st.integers(16, 80), st.integers(16, 80), st.integers(1, 8), st.integers(0, 10**6), st.booleans())
def test_instances_agree_with_the_mask(H, W, most, seed, photographs):
    options = {"size": (H, W), "length": 2, "seed": seed, "digits": (1, most), "photographs": photographs}
    plain, instances = DigitScenes(**options), DigitScenes(**options, instances=True)
    for i in range(2):
        (image, mask), (image2, target) = plain[i], instances[i]
        assert same(image, image2)
        K = len(target["labels"])
        assert 1 <= K <= most
        assert target["boxes"].shape == (K, 4) and target["boxes"].dtype == np.float32
        assert target["masks"].shape == (K, H, W) and target["masks"].sum(axis=0).max() == 1  # visible parts only
        np.testing.assert_array_equal((target["masks"] * target["labels"][:, None, None]).sum(axis=0), mask)
        for (x1, y1, x2, y2), instance in zip(target["boxes"], target["masks"]):
            rows, columns = np.nonzero(instance)
            assert (x1, y1, x2, y2) == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)


def test_number_and_scale_of_digits():
    counts = [len(t["labels"]) for _, t in DigitScenes(length=60, digits=(2, 3), scales=(0.2, 0.3), instances=True)]
    assert set(counts) == {2, 3}
    for scales in ((0.2, 0.25), (0.7, 0.8)):
        targets = [t for _, t in DigitScenes(length=30, digits=(1, 1), scales=scales, instances=True)]
        heights = [t["boxes"][0, 3] - t["boxes"][0, 1] for t in targets]
        assert 0.7 * scales[0] * 96 < np.median(heights) < 1.3 * scales[1] * 96


@pytest.mark.parametrize(
    "classes, names, groups",
    [
        (3, ("background", "0", "1", "2"), ((0,), (1,), (2,))),
        ([7, 1], ("background", "7", "1"), ((7,), (1,))),
        ({"even": (0, 2, 4), "odd": (1, 3)}, ("background", "even", "odd"), ((0, 2, 4), (1, 3))),
    ],
)
def test_choice_of_classes(monkeypatch, classes, names, groups):
    drawn = []
    real = glyphs.draw
    monkeypatch.setattr(glyphs, "draw", lambda digit, *rest: drawn.append(int(digit)) or real(digit, *rest))
    ds = DigitScenes(length=40, classes=classes, instances=True)
    assert ds.classes == names and len(ds.colors) == len(names)
    labels = {int(label) for _, target in ds for label in target["labels"]}
    assert labels == set(range(1, len(names)))
    assert set(drawn) == {d for group in groups for d in group}


def test_label_goes_with_digit(monkeypatch):
    drawn = []
    real = glyphs.draw
    monkeypatch.setattr(glyphs, "draw", lambda digit, *rest: drawn.append(int(digit)) or real(digit, *rest))
    ds = DigitScenes(length=20, classes=[7, 1, 4], digits=(1, 1), instances=True)
    for i in range(20):
        label = int(ds[i][1]["labels"][0])
        assert ds.classes[label] == str(drawn[-1])


@pytest.mark.parametrize(
    "options, message",
    [
        ({"size": (10, 64)}, r"size \(10, 64\)"),
        ({"length": -1}, "length -1"),
        ({"classes": 11}, "classes"),
        ({"classes": [1, 1]}, "distinct digits"),
        ({"classes": {"none": ()}}, "none empty"),
        ({"classes": 0}, "classes"),
        ({"seed": -1}, "seed -1"),
        ({"split": "test"}, "split 'test'"),
        ({"digits": (0, 2)}, r"digits \(0, 2\)"),
        ({"digits": (3, 2)}, r"digits \(3, 2\)"),
        ({"scales": (0.5, 1.5)}, r"scales \(0.5, 1.5\)"),
    ],
)
def test_wrong_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match=f"DigitScenes: .*{message}"):
        DigitScenes(**options)


def test_an_index_out_of_range_is_refused():
    with pytest.raises(IndexError, match=r"index 5; needed 0\.\.4"):
        DigitScenes(length=5)[5]


@pytest.mark.parametrize("package, cached", [("sklearn", glyphs.handwriting), ("skimage", digit_scenes.photographs)])
def test_a_missing_package_names_the_extra(monkeypatch, package, cached):
    module = glyphs if package == "sklearn" else digit_scenes
    real = module.find_spec
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == package else real(name))
    cached.cache_clear()
    arguments = () if package == "sklearn" else ("train",)
    with pytest.raises(ImportError, match=r'pip install "minidl\[lessons\]"'):
        cached(*arguments)


def test_gradients_need_no_photographs(monkeypatch):
    monkeypatch.setattr(digit_scenes, "photographs", lambda split: pytest.fail("asked for photographs"))
    image, _ = DigitScenes(length=1, photographs=False)[0]
    assert image.std() > 0


def test_no_download_is_ever_asked_for():
    """Neither pooch nor scikit-learn, scikit-image nor Numba is even imported by making scenes."""
    code = "import sys; from minidl.data import DigitScenes; DigitScenes(length=3)[2]; DigitScenes(length=3, split='val')[1]; "
    code += "print([m for m in ('pooch', 'sklearn', 'skimage', 'numba', 'scipy') if m in sys.modules])"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"
