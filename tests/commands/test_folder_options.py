"""The effect of each option of train, predict and evaluate on a user's folder, with generated files."""

import csv
import json
import sys

import numpy as np
import pytest
from folders import FOLDER, NETWORK, call, scene, write_folder
from PIL import Image

from minidl import backend
from minidl.train import checkpoint


@pytest.fixture(scope="module", autouse=True)
def reference():
    """The column that needs no compilation."""
    with backend.use("reference"):
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Eight pairs: six for training, two for validation."""
    return write_folder(tmp_path_factory.mktemp("data"), 8)


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    """A run with another folder of the same layout for validation, in tiles."""
    out = tmp_path_factory.mktemp("runs") / "run"
    other = write_folder(tmp_path_factory.mktemp("other"), 3)
    more = ["--folder-classes", "ground", "square", "--val-root", other, "--val-tile", 32]
    assert call("train", *NETWORK, *FOLDER, "--root", data, *more, "--out", out) == 0
    return out


def weights_of(run):
    return checkpoint.load(run / "last.safetensors")[0]


def test_images_of_a_batch_are_mixed(data, tmp_path):
    weights = []
    for option in ([], ["--mix", "mixup"], ["--mix", "cutmix"]):
        out = tmp_path / f"{len(weights)}"
        assert call("train", *NETWORK, *FOLDER, "--root", data, "--folder-classes", 2, *option, "--out", out) == 0
        weights.append(weights_of(out))
    plain, mixup, cutmix = weights
    for one, other in ((plain, mixup), (plain, cutmix), (mixup, cutmix)):
        assert any(not np.array_equal(one[name], other[name]) for name in one)


def test_a_frozen_backbone_stays_and_a_new_head_starts_from_it(tmp_path, capsys):
    small = ["--model", "skipnet_small", "--batch-size", 2, "--length", 4, "--digit-size", 32]
    first, second = tmp_path / "first", tmp_path / "second"
    assert call("train", *small, "--epochs", 1, "--out", first) == 0
    more = ["--weights", first, "--freeze-epochs", 1, "--digit-classes", 3, "--epochs", 1]
    assert call("train", *small, *more, "--out", second) == 0
    assert "start anew, for other classes" in capsys.readouterr().out
    before, after = weights_of(first), weights_of(second)
    learnt = [name for name in after if name.startswith("backbone.") and name.endswith(".weight")]
    assert learnt and all(np.array_equal(before[name], after[name]) for name in learnt)
    assert any(before[name].shape != after[name].shape for name in after)


def test_learning_rates_are_tried_and_one_is_named(data, tmp_path, capsys, monkeypatch):
    from minidl.commands.setup import find_lr

    monkeypatch.setattr(find_lr, "STEPS", 12)
    argv = [*NETWORK, *FOLDER, "--root", data, "--folder-classes", 2, "--find-lr"]
    assert call("train", *argv, "--out", tmp_path / "lr") == 0
    rows = list(csv.DictReader((tmp_path / "lr" / "lr.csv").read_text().splitlines()))
    rates = [float(row["lr"]) for row in rows]
    assert rates == sorted(rates) and all(np.isfinite(float(row["loss"])) for row in rows)
    assert "with --lr " in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "lr").iterdir()) == ["lr.csv", "lr.png"]


def test_tensorboard_is_refused_before_anything_is_written_where_it_is_missing(data, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    argv = [*NETWORK, *FOLDER, "--root", data, "--folder-classes", 2, "--tensorboard"]
    assert call("train", *argv, "--out", tmp_path / "t") == 1
    assert "--tensorboard needs the package tensorboard" in capsys.readouterr().err and not (tmp_path / "t").exists()


@pytest.mark.filterwarnings("default")  # of packages that tensorboard loads
def test_tensorboard_files_are_written_where_it_is_there(data, tmp_path):
    pytest.importorskip("tensorboard")
    argv = [*NETWORK, *FOLDER, "--root", data, "--folder-classes", 2, "--tensorboard"]
    assert call("train", *argv, "--out", tmp_path / "t") == 0
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    (path,) = (tmp_path / "t").glob("events.out.tfevents.*")
    tags = {value.tag for event in EventFileLoader(str(path)).Load() for value in event.summary.value}
    assert {"train_loss", "val_iou"} <= tags


def test_another_folder_validates_and_evaluate_knows_the_parts(run, data, tmp_path, capsys):
    for part, count in (("val", 3), ("train", 8)):
        scores = []
        for tile in ([], ["--tile", 32]):
            assert call("evaluate", run, "--split", part, *tile, "--json", tmp_path / "s.json") == 0
            assert f"on {count} images ({part})" in capsys.readouterr().out
            scores.append(json.loads((tmp_path / "s.json").read_text())["mean IoU"])
        assert abs(scores[0] - scores[1]) < 0.1
    assert call("evaluate", run, "--split", "test") == 1
    assert "--val-root leaves no test part" in capsys.readouterr().err


def test_evaluate_leaves_out_broken_images_when_told_so(run, data, tmp_path, capsys):
    copy = write_folder(tmp_path / "copy", 8)
    (copy / "images" / "3.png").write_bytes(b"no picture")
    assert call("evaluate", run, "--split", "train", "--root", copy) == 1
    assert "3.png cannot be decoded" in capsys.readouterr().err
    assert call("evaluate", run, "--split", "train", "--root", copy, "--skip-broken") == 0
    told = capsys.readouterr()
    assert "on 7 images" in told.out and "left out" in told.err


def test_only_the_classes_that_are_named_are_painted(run, data, tmp_path, capsys):
    image = data / "images" / "0.png"
    told = ["-o", tmp_path / "o.png", "--mask", tmp_path / "m.png", "--classes", "square", "--alpha", 1]
    assert call("predict", run, image, *told) == 0
    with Image.open(tmp_path / "o.png") as painted, Image.open(tmp_path / "m.png") as mask, Image.open(image) as before:
        ground = np.array(mask) == 0
        kept = (np.array(painted) == np.array(before)).all(axis=2) | (np.array(painted) == 255).all(axis=2)
    assert kept[ground].all() and not kept[~ground].all()
    assert call("predict", run, image, *told[:4], "--classes", "leaf") == 1
    assert "--classes leaf; the network knows ground, square" in capsys.readouterr().err


def test_images_above_a_size_are_predicted_in_tiles_without_being_asked(run, data, tmp_path, monkeypatch):
    from minidl.commands import predict

    image, masks = data / "images" / "0.png", {}
    for name, more, large in (("whole", [], 4_000_000), ("tiled", ["--tile", 512], 4_000_000), ("asked", [], 100)):
        monkeypatch.setattr(predict, "LARGE", large)
        assert call("predict", run, image, "--mask", tmp_path / f"{name}.png", *more) == 0
        with Image.open(tmp_path / f"{name}.png") as mask:
            masks[name] = np.array(mask)
    np.testing.assert_array_equal(masks["asked"], masks["tiled"])
    assert 0 < (masks["whole"] != masks["tiled"]).mean() < 0.3  # beyond the image's edge tiles see it mirrored


def test_places_to_write_to(run, data, tmp_path, capsys):
    image, folder, file = data / "images" / "0.png", tmp_path / "there", tmp_path / "file"
    folder.mkdir()
    file.write_text("kept")
    assert call("predict", run, image, "-o", folder) == 0 and (folder / "0.png").is_file()
    assert call("predict", run, image, image, "-o", tmp_path / "once.png") == 0  # one image named twice
    assert call("predict", run, data / "images", "-o", file) == 1
    assert f"-o {file} is a file; for several images a folder is needed" in capsys.readouterr().err
    assert call("predict", run, image, "--mask", tmp_path / "m.jpg") == 1
    assert "m.jpg: needed .png, which keeps every label" in capsys.readouterr().err and file.read_text() == "kept"


def five_bands(path, image, kind):
    tifffile = pytest.importorskip("tifffile")
    bands = np.dstack([image, image[..., :2]]).astype(np.uint16) * 30
    tifffile.imwrite(path.with_suffix(".tif"), bands, photometric="minisblack", planarconfig="contig")


def one_band(path, image, kind):
    grey = image[..., 0]
    deep = {"16 bit": grey.astype(np.uint16) * 200, "float": (grey / 255).astype(np.float32), "grey": grey}[kind]
    Image.fromarray(deep).save(path.with_suffix(".tif"))


@pytest.mark.parametrize("kind, channels", [("16 bit", 1), ("float", 1), ("grey", 1), ("five bands", 5)])
def test_images_of_any_depth_and_number_of_bands(kind, channels, tmp_path):
    root = write_folder(tmp_path / "data", 5)
    for k in range(5):
        path = root / "images" / f"{k}.png"
        path.unlink()
        (five_bands if channels == 5 else one_band)(path, scene(k)[0], kind)
    more = ["--folder-classes", 2, "--augment", "flip", "color", "noise", "--out", tmp_path / "run"]
    assert call("train", *NETWORK, *FOLDER, "--root", root, *more) == 0
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["image_format"]["channels"] == channels == len(config["normalization"]["mean"])
    assert config["image_format"]["high_depth"] == (kind != "grey")
    assert call("evaluate", tmp_path / "run") == 0
    assert call("predict", tmp_path / "run", root / "images", "-o", tmp_path / "out") == 0
    with Image.open(tmp_path / "out" / "0.png") as picture:
        assert picture.size == (24, 16) and np.ptp(np.array(picture)) > 50  # scaled to be seen


def test_more_than_256_classes(tmp_path, capsys):
    root = write_folder(tmp_path / "data", 5)
    for k in range(5):
        mask = scene(k)[1].astype(np.uint16) * 299
        mask[0], mask[1, :10] = 65535, np.arange(10) * 30
        Image.fromarray(mask).save(root / "masks" / f"{k}.png")
    assert call("inspect", root, "--out", tmp_path / "report", "--allow-missing-class") == 0
    assert "the masks suggest 300" in capsys.readouterr().out
    more = ["--folder-classes", 300, "--allow-missing-class", "--class-weights", "auto", "--out", tmp_path / "run"]
    assert call("train", *NETWORK, *FOLDER, "--root", root, *more) == 0
    assert json.loads((tmp_path / "run" / "config.json").read_text())["ignore_index"] == 65535
    image = root / "images" / "0.png"
    assert call("predict", tmp_path / "run", image, "--mask", tmp_path / "m.png", "--prob", tmp_path / "p.tif") == 0
    with Image.open(tmp_path / "m.png") as mask:
        assert mask.mode == "I;16"
    crf = ["crf", image, tmp_path / "p.tif", "-o", tmp_path / "c.png", "--no-picture", "--iterations", 1]
    assert call(*crf) == 0


def test_rotated_photographs_of_one_size_upright_make_a_batch(tmp_path):
    root = write_folder(tmp_path / "data", 5)
    exif = Image.Exif()
    exif[0x0112] = 5  # stored transposed
    with Image.open(root / "images" / "0.png") as picture:
        picture.transpose(Image.Transpose.TRANSPOSE).save(root / "images" / "0.png", exif=exif)
    argv = [*NETWORK, *FOLDER, "--root", root, "--folder-classes", 2]
    assert call("train", *argv, "--out", tmp_path / "run") == 0
