"""`minidl inspect`: what a report says of a messy folder, the sheet, the command that comes next; every layout by name."""

import json
import unicodedata

import numpy as np
import pytest
from folders import call, scene, write_folder, write_rotated
from PIL import Image

from minidl import backend
from minidl.commands.setup.options import DATA


@pytest.fixture(scope="module", autouse=True)
def reference():
    """The column that needs no compilation."""
    with backend.use("reference"):
        yield


@pytest.fixture(scope="module")
def messy(tmp_path_factory):
    """Ten good pairs and everything that lies about in the folder of a user."""
    root = write_folder(tmp_path_factory.mktemp("messy"), 10)
    images, masks = root / "images", root / "masks"
    (images / "0.png").unlink()
    write_rotated(images / "0.jpg", scene(0)[0])  # EXIF says: turn it
    (images / "1.png").rename(images / (unicodedata.normalize("NFD", "blüte") + ".PNG"))
    (masks / "1.png").rename(masks / (unicodedata.normalize("NFC", "blüte") + ".png"))
    (images / "day 2").mkdir()
    (images / "2.png").rename(images / "day 2" / "2.png")
    pages = [Image.fromarray(scene(k)[0]) for k in (3, 4)]
    (images / "3.png").unlink()
    pages[0].save(images / "3.tif", save_all=True, append_images=pages[1:])
    palette = Image.fromarray(scene(4)[1]).convert("P")
    palette.putpalette([0, 0, 0, 255, 128, 0])
    palette.save(masks / "4.png")
    Image.fromarray(scene(5)[1].astype(np.uint16)).save(masks / "5.png")
    Image.fromarray(scene(6)[0][:12, :20]).save(images / "6.png")
    Image.fromarray(scene(6)[1][:12, :20]).save(masks / "6.png")
    Image.fromarray(np.full((16, 24), 255, np.uint8)).save(masks / "7.png")  # nothing labelled
    (images / "folder.png").mkdir()
    (images / ".DS_Store").write_text("junk")
    (images / "notes.txt").write_text("junk")
    Image.fromarray(scene(11)[0]).save(images / "alone.png")
    Image.fromarray(scene(12)[1]).save(masks / "lonely.png")
    return root


def test_the_report_of_a_messy_folder(messy, tmp_path, capsys):
    before = sorted(path.relative_to(messy) for path in messy.rglob("*"))
    argv = ["inspect", messy, "--folder-classes", "ground,square", "--out", tmp_path / "r"]
    assert call(*argv) == 1
    told = capsys.readouterr()
    assert "1 reason not to train on" in told.err
    assert (
        "1 images without a mask, 1 masks without an image in" in told.out
        and "--allow-unpaired leaves them out" in told.out
    )
    for left in ("alone.png (image without a mask)", "lonely.png (mask without an image)"):
        assert left in told.out
    assert call(*argv, "--allow-unpaired", "--augment", "light") == 0
    text = capsys.readouterr().out
    report = json.loads((tmp_path / "r" / "report.json").read_text())
    train, val = report["train"], report["val"]
    assert (train["images"], val["images"]) == (8, 2) and report["faults"] == []
    assert report["split"] == "--split 0.2: 2 of 10 images validate, spread evenly over the order of names"
    both = {name: {**train[name], **val[name]} for name in ("sizes", "modes", "folders", "suffixes", "mask modes")}
    assert {"24x16", "20x12"} == set(both["sizes"]) and {"images", "images/day 2"} == set(both["folders"])
    assert {".png", ".PNG", ".jpg", ".tif"} == set(both["suffixes"]) and {"RGB uint8"} == set(both["modes"])
    assert {"L", "P"} < set(both["mask modes"]) and any("16" in mode for mode in both["mask modes"])
    assert (train["palette"] or val["palette"])["1"] == "#ff8000"
    label = train["labels"]["1"]
    counts = [np.array(Image.open(path)) for path in (messy / "masks").iterdir() if path.name not in ("lonely.png",)]
    share = sum((mask == 1).sum() for mask in counts) / sum(mask.size for mask in counts)
    assert label["name"] == "square" and abs(label["share of pixels"] - share) < 0.05
    assert set(report["class weights"]) == {"ground", "square"} and report["class weights"]["square"] > 1
    notes = " ".join(report["notes"])
    for said in ("turned upright as the EXIF orientation says", "several pages, of which the first is read", "hidden",
                 "1 mask has no labelled pixel", "ends in .txt"):  # fmt: skip
        assert said in notes and said in text, said
    assert "next: minidl train --data folder" in text and "--allow-unpaired" in text and "ground square" in text
    for name in ("sheet.png", "augmented.png"):
        with Image.open(tmp_path / "r" / name) as sheet:
            assert min(sheet.size) > 100 and len(np.unique(np.array(sheet.convert("L")))) > 50
    assert sorted(path.relative_to(messy) for path in messy.rglob("*")) == before  # nothing in ROOT was changed


def test_the_command_that_is_named_next_works(messy, tmp_path, capsys):
    import shlex

    assert call("inspect", messy, "--folder-classes", "2", "--allow-unpaired", "--out", tmp_path / "r") == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("next: "))
    words = shlex.split(line.removeprefix("next: minidl "))[:-1]
    small = ["--model", "unet", "--model-options", "base=2", "depth=1", "--size", 16, 16, "--epochs", 1]
    assert call(*words, tmp_path / "run", *small) == 0
    assert call("evaluate", tmp_path / "run") == 0  # the picture on its side is among those that validate


def camvid(root):
    for part in ("train", "val", "test"):
        write_folder(root, 2, part, f"{part}annot")


def two_parts(root):
    for part in ("train", "val"):
        write_folder(root / part, 2)


@pytest.mark.parametrize("make, layout", [(two_parts, "folder"), (camvid, "camvid")], ids=["folder", "camvid"])
def test_parts_that_the_layout_has(make, layout, tmp_path, capsys):
    make(tmp_path / "data")
    more = ["--folder-classes", 2] if layout == "folder" else ["--data", layout, "--allow-missing-class"]
    assert call("inspect", tmp_path / "data", *more, "--out", tmp_path / "r") == 0
    report = json.loads((tmp_path / "r" / "report.json").read_text())
    assert report["layout"] == layout and report["train"]["images"] == report["val"]["images"] == 2
    assert report["split"] == ""  # nothing was divided here


@pytest.mark.parametrize("layout", [name for name in DATA if name != "digits"])
def test_a_folder_without_the_layout_is_one_line(layout, tmp_path, capsys):
    (tmp_path / "data").mkdir()
    more = ["--folder-classes", 2] if layout == "folder" else []
    assert call("inspect", tmp_path / "data", "--data", layout, *more, "--out", tmp_path / "r") == 1
    said = capsys.readouterr()
    assert "reason" in said.err and said.err.count("\n") == 1 and str(tmp_path / "data") in said.out


def test_wrong_uses(messy, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    for argv, message in (
        ([tmp_path / "none"], "none is not a folder"),
        ([messy, "--samples", 0], "--samples 0; needed at least 1"),
        ([messy, "--out", tmp_path / "file"], "file is a file; needed a folder"),
        ([messy, "--folder-classes", "a,b,a"], "--folder-classes names 'a' twice"),
    ):
        assert call("inspect", *argv) == 1
        assert message in capsys.readouterr().err
