"""Datasets stored as files: their content, and messages about faulty files."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minidl.data import (
    BrokenImageError,
    CamVid,
    OxfordIIITPet,
    SegmentationFolder,
    VOCSegmentation,
    read_image,
    read_mask,
    voc_palette,
    write_mask,
)
from minidl.data.datasets.camvid import checksums


def rng(seed=0):
    return np.random.default_rng(seed)


def save_pair(image_path, mask_path, labels=3, H=6, W=8, seed=0):
    for path in (image_path, mask_path):
        path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rng(seed).integers(0, 256, (H, W, 3), dtype=np.uint8)).save(image_path)
    mask = rng(seed).integers(0, labels, (H, W), dtype=np.uint8)
    write_mask(mask_path, mask)
    return mask


@pytest.fixture
def folder(tmp_path):
    """Three pairs of three labels, c to a, so that the order of the folder is not that of their making."""
    for seed, stem in enumerate("cba"):
        save_pair(tmp_path / "images" / f"{stem}.png", tmp_path / "masks" / f"{stem}.png", seed=seed)
    return tmp_path


def test_folder_reads_pairs_in_order_of_name(folder):
    (folder / "images" / "notes.txt").write_text("not an image")
    (folder / "images" / "._a.png").write_bytes(b"what macOS leaves behind")
    ds = SegmentationFolder(folder, classes=["ground", "cat", "dog"])
    assert len(ds) == 3 and ds.classes == ("ground", "cat", "dog") and ds.ignore_index == 255
    assert [os.path.basename(ds.name(i)) for i in range(3)] == ["a.png", "b.png", "c.png"]
    image, mask = ds[2]
    np.testing.assert_array_equal(image, rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8))
    np.testing.assert_array_equal(mask, rng(0).integers(0, 3, (6, 8), dtype=np.uint8))
    assert image.flags.writeable and mask.dtype == np.uint8 and ds.colors.shape == (3, 3)
    assert len(list(ds)) == 3  # an end is found without len


def test_folder_matches_stems_across_suffixes_and_counts_classes(folder):
    (folder / "images" / "a.png").rename(folder / "images" / "a.BMP")
    with Image.open(folder / "images" / "b.png") as picture:
        picture.save(folder / "images" / "b.jpeg")
    (folder / "images" / "b.png").unlink()
    ds = SegmentationFolder(folder, classes=3)
    assert len(ds) == 3 and ds.classes == ("0", "1", "2")
    assert ds[0][0].shape == ds[1][0].shape == (6, 8, 3)


def test_missing_partners_are_listed(folder):
    (folder / "masks" / "a.png").unlink()
    (folder / "images" / "c.png").unlink()
    with pytest.raises(FileNotFoundError, match="images without a mask: a; masks without an image: c"):
        SegmentationFolder(folder, classes=3)


def test_a_long_list_is_cut(tmp_path):
    for i in range(20):
        save_pair(tmp_path / "images" / f"{i:02}.png", tmp_path / "masks" / f"{i:02}.png")
        (tmp_path / "masks" / f"{i:02}.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"00, 01, .* 07, \.\.\. \(20 in all\)"):
        SegmentationFolder(tmp_path, classes=3)


def test_empty_and_missing_folders(tmp_path):
    with pytest.raises(FileNotFoundError, match="images is not a folder"):
        SegmentationFolder(tmp_path, classes=3)
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    with pytest.raises(FileNotFoundError, match="no images and no masks"):
        SegmentationFolder(tmp_path, classes=3)


def test_two_images_of_one_stem(folder):
    with Image.open(folder / "images" / "a.png") as picture:
        picture.save(folder / "images" / "a.jpg")
    with pytest.raises(ValueError, match=r"a\.jpg and .*a\.png have the same stem"):
        SegmentationFolder(folder, classes=3)


def test_label_out_of_range_names_file_and_labels(folder):
    mask = np.zeros((6, 8), np.uint8)
    mask[0, :3] = 3, 9, 255
    write_mask(folder / "masks" / "b.png", mask)
    ds = SegmentationFolder(folder, classes=3)
    ds[0]
    with pytest.raises(
        ValueError, match=r"masks/b\.png holds labels \[3, 9\]; needed 0\.\.2, or 255".replace("/", ".")
    ):
        ds[1]
    assert (SegmentationFolder(folder, classes=10)[1][1] == mask).all()


def test_size_mismatch_names_both_files(folder):
    write_mask(folder / "masks" / "b.png", np.zeros((8, 6), np.uint8))
    with pytest.raises(ValueError, match=r"images.b\.png is 6 x 8 \(H x W\) but .*masks.b\.png is 8 x 6"):
        SegmentationFolder(folder, classes=3)[1]


def test_classes_and_colors_are_checked(folder):
    with pytest.raises(ValueError, match="two or more names"):
        SegmentationFolder(folder, classes=["only"])
    with pytest.raises(ValueError, match=r"colors \(2, 3\)"):
        SegmentationFolder(folder, classes=3, colors=[(0, 0, 0), (1, 1, 1)])


BROKEN = {
    "empty": lambda data: b"",
    "text": lambda data: b"this is no image at all",
    "truncated": lambda data: data[: len(data) * 2 // 3],
    "header only": lambda data: data[:6],
}


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "tif", "webp"])
def test_a_broken_image_is_reported_by_name(tmp_path, kind, suffix):
    path = tmp_path / f"bad.{suffix}"
    Image.fromarray(rng().integers(0, 256, (40, 50, 3), dtype=np.uint8)).save(path)
    assert read_image(path).shape == (40, 50, 3)
    path.write_bytes(BROKEN[kind](path.read_bytes()))
    with pytest.raises(BrokenImageError, match=rf"bad\.{suffix} cannot be decoded as an image"):
        read_image(path)


def test_a_missing_image_is_not_a_broken_one(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.png"):
        read_image(tmp_path / "gone.png")


def test_every_kind_of_picture_becomes_rgb(tmp_path):
    rgb = rng().integers(0, 256, (5, 7, 3), dtype=np.uint8)
    for mode in ("1", "L", "LA", "P", "RGBA"):
        path = tmp_path / f"{mode}.png"
        Image.fromarray(rgb).convert(mode).save(path, **({"transparency": bytes([0, 9])} if mode == "P" else {}))
        out = read_image(path)
        assert out.shape == (5, 7, 3) and out.dtype == np.uint8
        if mode == "RGBA":
            np.testing.assert_array_equal(out, rgb)
    Image.fromarray(rgb).convert("CMYK").save(tmp_path / "cmyk.jpg")
    assert read_image(tmp_path / "cmyk.jpg").shape == (5, 7, 3)
    Image.fromarray(np.full((5, 7), 60000, np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(BrokenImageError, match=r"deep\.png has pixel mode I;16; an 8-bit image is needed"):
        read_image(tmp_path / "deep.png")


def test_masks_of_every_kind_keep_their_numbers(tmp_path):
    mask = rng().integers(0, 5, (6, 7), dtype=np.uint8)
    write_mask(tmp_path / "palette.png", mask, voc_palette(5))
    with Image.open(tmp_path / "palette.png") as stored:
        assert stored.mode == "P"
    np.testing.assert_array_equal(read_mask(tmp_path / "palette.png"), mask)
    Image.fromarray(mask.astype(np.uint16) * 100).save(tmp_path / "deep.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "deep.png"), mask.astype(int) * 100)
    Image.fromarray(mask > 2).save(tmp_path / "bit.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "bit.png"), (mask > 2).astype(np.uint8))
    Image.fromarray(np.zeros((6, 7, 3), np.uint8)).save(tmp_path / "rgb.png")
    with pytest.raises(BrokenImageError, match=r"rgb\.png has pixel mode RGB; a mask holds labels"):
        read_mask(tmp_path / "rgb.png")
    with pytest.raises(ValueError, match=r"labels 0\.\.255"):
        write_mask(tmp_path / "x.png", np.full((2, 2), 300))


def test_voc_palette_is_the_published_one():
    known = {0: (0, 0, 0), 1: (128, 0, 0), 2: (0, 128, 0), 3: (128, 128, 0), 8: (64, 0, 0), 15: (192, 128, 128)}
    known |= {20: (0, 64, 128), 255: (224, 224, 192)}
    for label, colour in known.items():
        assert tuple(voc_palette(256)[label].tolist()) == colour
    assert len(np.unique(voc_palette(256), axis=0)) == 256


def make_voc(root, year="2012", inside="VOCdevkit/VOC2012"):
    base = Path(root) / inside
    for seed, stem in enumerate(("2007_000032", "2007_000039")):
        save_pair(base / "JPEGImages" / f"{stem}.jpg", base / "SegmentationClass" / f"{stem}.png", 21, seed=seed)
    sets = base / "ImageSets" / "Segmentation"
    sets.mkdir(parents=True)
    (sets / "train.txt").write_text("2007_000039\n\n")
    (sets / "trainval.txt").write_text("2007_000032\n2007_000039\n")
    return base


def test_voc_layout(tmp_path):
    base = make_voc(tmp_path)
    ds = VOCSegmentation(tmp_path, image_set="train")
    assert len(ds) == 1 and ds.name(0).endswith("2007_000039.jpg")
    assert len(ds.classes) == 21 and ds.classes[15] == "person" and ds.ignore_index == 255
    np.testing.assert_array_equal(ds[0][1], rng(1).integers(0, 21, (6, 8), dtype=np.uint8))
    assert len(VOCSegmentation(tmp_path, "2012", "trainval")) == 2
    with pytest.raises(FileNotFoundError, match=r"val\.txt is missing; download=True"):
        VOCSegmentation(tmp_path, image_set="val")
    (base / "SegmentationClass" / "2007_000039.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"lists 1 samples; files missing: .*2007_000039\.png"):
        VOCSegmentation(tmp_path, image_set="train")


@pytest.mark.parametrize("year, image_set", [("2013", "train"), ("2012", "test"), ("2007-test", "val")])
def test_voc_refuses_unknown_sets(tmp_path, year, image_set):
    with pytest.raises(ValueError, match=f"year '{year}', image_set '{image_set}'"):
        VOCSegmentation(tmp_path, year, image_set)


def make_pets(root):
    base = Path(root) / "oxford-iiit-pet"
    save_pair(base / "images" / "Bengal_1.jpg", base / "annotations" / "trimaps" / "Bengal_1.png")
    trimap = np.array([[2, 2, 3, 1, 1, 1, 3, 2]] * 6, np.uint8)
    write_mask(base / "annotations" / "trimaps" / "Bengal_1.png", trimap)
    (base / "annotations" / "trainval.txt").write_text("#Image CLASS-ID SPECIES BREED ID\nBengal_1 6 1 2\n")
    return base


def test_pets_layout_and_labels(tmp_path):
    base = make_pets(tmp_path)
    ds = OxfordIIITPet(tmp_path)
    assert len(ds) == 1 and ds.classes == ("background", "pet")
    assert ds[0][1][0].tolist() == [0, 0, 255, 1, 1, 1, 255, 0]
    with pytest.raises(FileNotFoundError, match=r"test\.txt is missing"):
        OxfordIIITPet(tmp_path, split="test")
    with pytest.raises(ValueError, match="split 'val'; needed 'trainval' or 'test'"):
        OxfordIIITPet(tmp_path, split="val")
    write_mask(base / "annotations" / "trimaps" / "Bengal_1.png", np.full((6, 8), 7, np.uint8))
    with pytest.raises(ValueError, match=r"Bengal_1\.png holds labels"):
        ds[0]


def test_camvid_layout(tmp_path):
    for split in ("train", "val"):
        save_pair(tmp_path / split / "0001TP_006690.png", tmp_path / f"{split}annot" / "0001TP_006690.png", labels=12)
    ds = CamVid(tmp_path, "val")
    assert len(ds) == 1 and len(ds.classes) == len(ds.colors) == 11 and ds.ignore_index == 11
    assert ds[0][1].max() == 11
    with pytest.raises(ValueError, match="split 'dev'"):
        CamVid(tmp_path, "dev")


def test_camvid_checksums_cover_the_published_splits():
    for split, count in (("train", 367), ("val", 101), ("test", 233)):
        found = checksums(split)
        assert len(found) == 2 * count and all(len(digest) == 64 for digest in found.values())
        stems = {
            folder: {Path(p).stem for p in found if p.split("/")[1] == folder} for folder in (split, f"{split}annot")
        }
        assert stems[split] == stems[f"{split}annot"] and len(stems[split]) == count


needs_camvid = pytest.mark.skipif(
    not os.environ.get("MINIDL_DATA") or not (Path(os.environ["MINIDL_DATA"]) / "camvid240").is_dir(),
    reason="MINIDL_DATA names no folder that holds camvid240",
)


@needs_camvid
@pytest.mark.parametrize("split, count", [("train", 123), ("val", 51)])
def test_real_camvid(split, count):
    ds = CamVid(Path(os.environ["MINIDL_DATA"]) / "camvid240", split)
    assert len(ds) == count
    seen = np.zeros(12, int)
    for image, mask in ds:
        assert image.shape == (180, 240, 3) and mask.shape == (180, 240)
        seen += np.bincount(mask.ravel(), minlength=12)
    assert (seen > 0).all()
    assert seen[3] > 0.2 * seen.sum()  # road
