"""Runs on a user's folder from the command line: options of train, what predict and evaluate write."""

import csv
import json

import numpy as np
import pytest
from folders import NETWORK, call, scene, write_folder, write_rotated
from PIL import Image

from minidl import backend


@pytest.fixture(scope="module", autouse=True)
def reference():
    """The column that needs no compilation."""
    with backend.use("reference"):
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run on grey images with masks of 0 and 255, with every option of learning at once."""
    root = write_folder(tmp_path_factory.mktemp("data"), 10, "image", "label", scale=255, grey=True)
    out = tmp_path_factory.mktemp("runs") / "grey"
    options = ["--images", "image", "--masks", "label", "--mask-values", "0,255", "--augment", "medical", "cutout"]
    options += ["--crop", 16, 16, "--crop-class", 0.5, "--crops-per-image", 2, "--batch-size", 4, "--accumulate", 3]
    options += [
        "--loss",
        "cross_entropy+0.5*lovasz",
        "--class-weights",
        "auto",
        "--border-weight",
        5,
        "--mix",
        "cutmix",
    ]
    argv = [
        "train",
        *NETWORK,
        "--data",
        "folder",
        "--root",
        root,
        *options,
        "--epochs",
        3,
        "--val-every",
        2,
        "--out",
        out,
    ]
    assert call(*argv) == 0
    return out


def test_settings_follow_the_data_and_the_log_has_every_class(run):
    config = json.loads((run / "config.json").read_text())
    assert config["image_format"] == {"channels": 1, "high_depth": False, "exif": True}
    assert len(config["normalization"]["mean"]) == 1 and len(config["class_weight_values"]) == 2
    with open(run / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [bool(row["val_iou_1"]) for row in rows] == [False, True, True] and rows[-1]["step"] == "6"


def test_a_config_file_is_read_back_and_more_epochs_are_learnt_on_resume(run, tmp_path, capsys):
    out = tmp_path / "again"
    assert call("train", "--config", run / "config.json", "--epochs", 1, "--weights", run, "--out", out) == 0
    assert "weights of" in capsys.readouterr().out
    assert call("train", "--resume", "--out", out, "--epochs", 2) == 0
    assert len((out / "log.csv").read_text().splitlines()) == 3


def test_predict_several_files_pages_and_probabilities(run, tmp_path, capsys):
    source = tmp_path / "in"
    (source / "deep").mkdir(parents=True)
    pages = [Image.fromarray(scene(k)[0][..., 0]) for k in range(2)]
    pages[0].save(source / "deep" / "p.tif", save_all=True, append_images=pages[1:])
    Image.fromarray(scene(2)[0]).save(source / "a.jpg")
    Image.fromarray(scene(3)[0]).save(source / "a.png")
    write_rotated(source / "turned.jpg", scene(4)[0])
    assert call("predict", run, "-o", tmp_path / "out", source, "--mask", tmp_path / "m", "--prob", tmp_path / "p") == 0
    names = ["a_jpg.png", "a_png.png", "deep/p_page1.png", "deep/p_page2.png", "turned.png"]
    assert sorted(p.relative_to(tmp_path / "m").as_posix() for p in (tmp_path / "m").rglob("*.png")) == names
    with Image.open(tmp_path / "m" / "turned.png") as mask:
        assert mask.size == (24, 16)
    p = np.load(tmp_path / "p" / "turned.npy")
    assert p.shape == (2, 16, 24) and np.allclose(p.sum(axis=0), 1, atol=1e-5)
    crf = ["crf", source / "turned.jpg", tmp_path / "p" / "turned.npy", "-o", tmp_path / "c.png", "--no-picture"]
    assert call(*crf, "--iterations", 1) == 0
    before = (source / "a.png").read_bytes()
    assert call("predict", run, source / "a.png", "-o", source / "a.png") == 1
    assert "it would be written over" in capsys.readouterr().err and (source / "a.png").read_bytes() == before


def test_evaluate_writes_matrix_and_page(run, tmp_path, capsys):
    more = ["--confusion", tmp_path / "c.csv", "--confusion-picture", tmp_path / "c.png", "--page", tmp_path / "w.html"]
    assert call("evaluate", run, *more, "--json", tmp_path / "s.json") == 0
    assert "boundary" in capsys.readouterr().out
    lines = (tmp_path / "c.csv").read_text().splitlines()
    counts = [list(map(int, row[1:])) for row in list(csv.reader(lines))[1:]]
    scores = json.loads((tmp_path / "s.json").read_text())
    assert np.sum(counts) == 2 * 16 * 24 and 0 <= scores["mean Dice"] <= 1
    page = (tmp_path / "w.html").read_text()
    assert page.count("<figure>") == 2 and page.count("data:image/png;base64,") == 6


def write_coco(root, **changes):
    """Three images of 32 x 32 pixels with a square each, in COCO's format."""
    (root / "images").mkdir(parents=True)
    tables = {"images": [], "annotations": [], "categories": [{"id": 7, "name": "square"}]}
    for k in range(3):
        Image.fromarray(scene(k, (32, 32))[0]).save(root / "images" / f"{k}.png")
        tables["images"].append({"id": k, "file_name": f"{k}.png", "height": 32, "width": 32})
        left, right = 2 + k, 10 + k
        outline = [left, 4, right, 4, right, 12, left, 12]
        entry = {"id": k + 1, "image_id": k, "category_id": 7, "segmentation": [outline], "bbox": [left, 4, 8, 8]}
        tables["annotations"].append(entry | {"area": 64, "iscrowd": 0} | (changes if k == 0 else {}))
    (root / "annotations.json").write_text(json.dumps(tables))
    return root


def test_a_detector_from_the_command_line(tmp_path, capsys):
    root, out = write_coco(tmp_path / "data"), tmp_path / "det"
    options = ["--data", "coco", "--model", "mask_rcnn_small", "--split", 0.34]
    assert call("inspect", root, *options, "--out", tmp_path / "report") == 0
    assert "square" in capsys.readouterr().out
    assert (
        call("train", *options, "--root", root, "--batch-size", 1, "--epochs", 1, "--augment", "flip", "--out", out)
        == 0
    )
    assert call("evaluate", out, "--json", tmp_path / "s.json") == 0
    assert set(json.loads((tmp_path / "s.json").read_text())) == {"ap", "ap50", "ap75"}
    image = root / "images" / "0.png"
    told = ["-o", tmp_path / "o.png", "--json", tmp_path / "o.json", "--objects", tmp_path / "cut", "--score", 0]
    assert call("predict", out, image, *told) == 0
    found = json.loads((tmp_path / "o.json").read_text())
    assert len(found) == len(list((tmp_path / "cut").iterdir())) and (tmp_path / "o.png").is_file()
    assert call("predict", out, image, "--mask", tmp_path / "m.png") == 1
    assert "--mask has no effect: mask_rcnn_small is a detector" in capsys.readouterr().err
    assert call("evaluate", out, "--page", tmp_path / "w.html") == 1
    assert "--page has no effect: mask_rcnn_small is a detector" in capsys.readouterr().err
    assert call("export", tmp_path / "d.onnx", "--run", out) == 1
    assert "mask_rcnn_small is a detector: how many boxes it keeps depends on the image" in capsys.readouterr().err
    assert not (tmp_path / "d.onnx").exists()


def test_boxes_without_outlines_suffice_for_a_detector_of_boxes(tmp_path, capsys):
    root = write_coco(tmp_path / "data", segmentation=[])
    argv = ["inspect", root, "--data", "coco", "--split", 0.34, "--out", tmp_path / "report", "--model"]
    assert call(*argv, "fasterrcnn_resnet50_fpn") == 0
    capsys.readouterr()
    assert call(*argv, "mask_rcnn_small") == 1
    assert "annotation 1: segmentation is an empty list" in capsys.readouterr().out
