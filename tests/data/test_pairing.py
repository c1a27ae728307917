"""Pairing of masks with images in the usual arrangements of folders."""

import os
import unicodedata

import pytest
from folders import write_folder

from minidl.data.layouts import LAYOUTS, LayoutOptions, guess
from minidl.data.pairing import find_pairs


def names(found):
    return sorted(image.name for image, _ in found.pairs)


def test_unicode_forms_case_and_suffixes(tmp_path):
    write_folder(tmp_path, 3)
    images, masks = tmp_path / "images", tmp_path / "masks"
    (images / "0.png").rename(images / (unicodedata.normalize("NFD", "blüte") + ".PNG"))
    (masks / "0.png").rename(masks / (unicodedata.normalize("NFC", "Blüte") + ".png"))
    (images / "1.png").rename(images / "IMG_1.png")
    (masks / "1.png").rename(masks / "img_1.png")
    found = find_pairs(images, masks)
    assert len(found.pairs) == 3 and not found.images_alone and not found.masks_alone


def test_nested_folders_links_and_junk(tmp_path):
    write_folder(tmp_path, 4)
    images, masks = tmp_path / "images", tmp_path / "masks"
    for folder in (images, masks):
        (folder / "day1").mkdir()
        (folder / "0.png").rename(folder / "day1" / "0.png")
        (folder / "folder.png").mkdir()
    (images / "day2").mkdir()
    (images / "1.png").rename(images / "day2" / "1.png")  # its mask stays above
    (images / "2.png").rename(tmp_path / "elsewhere.png")
    (images / "2.png").symlink_to(tmp_path / "elsewhere.png")
    (images / "gone.png").symlink_to(tmp_path / "nothing.png")
    (images / "loop").symlink_to(images, target_is_directory=True)
    (images / "._0.png").write_text("junk")
    (images / "Thumbs.db").write_text("junk")
    found = find_pairs(images, masks)
    assert names(found) == ["0.png", "1.png", "2.png", "3.png"]
    assert {reason for _, reason in found.ignored} == {"hidden", "ends in .db", "a link to nothing"}


def test_one_folder_with_a_mask_suffix(tmp_path):
    write_folder(tmp_path, 3, "all", "all", mask_suffix="_mask")
    assert names(find_pairs(tmp_path / "all", tmp_path / "all", mask_suffix="_mask")) == ["0.png", "1.png", "2.png"]
    with pytest.raises(ValueError, match="--mask-suffix"):
        find_pairs(tmp_path / "all", tmp_path / "all")


def folder(root, part, **more):
    return LAYOUTS["folder"](root, part, LayoutOptions(classes=2, **more))


def test_folders_of_other_names_are_suggested(tmp_path):
    write_folder(tmp_path, 6, "image", "label")
    with pytest.raises(FileNotFoundError, match=r"--images image"):
        folder(tmp_path, "train")
    with pytest.raises(FileNotFoundError, match=r"--masks label"):
        folder(tmp_path, "train", images="image")
    assert len(folder(tmp_path, "train", images="image", masks="label")) == 5


def test_a_mask_suffix_is_suggested(tmp_path):
    write_folder(tmp_path, 6, mask_suffix="_mask")
    with pytest.raises(FileNotFoundError, match=r"--mask-suffix _mask"):
        folder(tmp_path, "train")
    assert len(folder(tmp_path, "val", mask_suffix="_mask")) == 1


def test_split_lists_and_parts(tmp_path):
    write_folder(tmp_path, 20)
    assert [len(folder(tmp_path, part)) for part in ("train", "val")] == [16, 4]
    assert [len(folder(tmp_path, part, split=0.5)) for part in ("train", "val")] == [10, 10]
    with pytest.raises(ValueError, match="no test part"):
        folder(tmp_path, "test")
    for part, chosen in (("train", "0\n1.png\n# comment\n"), ("val", "2\n"), ("test", "3\nmissing\n")):
        (tmp_path / f"{part}.txt").write_text(chosen)
    parts = [folder(tmp_path, part, lists=str(tmp_path)) for part in ("train", "val")]
    assert [len(part) for part in parts] == [2, 1]
    with pytest.raises(FileNotFoundError, match="not found: missing"):
        folder(tmp_path, "test", lists=str(tmp_path))


@pytest.mark.parametrize("inside", [True, False])
def test_folders_train_and_val(tmp_path, inside):
    for part, count in (("train", 3), ("val", 2)):
        if inside:
            write_folder(tmp_path, count, f"images/{part}", f"masks/{part}")
        else:
            write_folder(tmp_path / part, count)
    assert [len(folder(tmp_path, part)) for part in ("train", "val")] == [3, 2]


def test_unpaired_files_are_refused_or_left_out(tmp_path):
    write_folder(tmp_path, 6)
    os.remove(tmp_path / "masks" / "5.png")
    with pytest.raises(FileNotFoundError, match=r"images without a mask: 5; --allow-unpaired"):
        folder(tmp_path, "train")
    assert len(folder(tmp_path, "train", unpaired=True)) == 4


def test_guess(tmp_path):
    assert guess(tmp_path) == "folder"
    (tmp_path / "gtFine").mkdir()
    assert guess(tmp_path) == "cityscapes"
