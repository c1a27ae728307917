"""What a user does with a folder of their own, option by option: colours, lists of names, rotations, broken files, logs."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
from folders import FOLDER, NETWORK, call, scene, write_folder, write_rotated
from PIL import Image

from minidl import backend, models
from minidl.commands import building


@pytest.fixture(scope="module", autouse=True)
def reference():
    """The column that needs no compilation."""
    with backend.use("reference"):
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Ten pairs: eight to learn from, two to judge by."""
    return write_folder(tmp_path_factory.mktemp("data"), 10)


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    assert call("train", *NETWORK, *FOLDER, "--root", data, "--folder-classes", "ground, square", "--out", out) == 0
    return out


def config_of(run):
    return json.loads((run / "config.json").read_text())


@pytest.mark.parametrize("names", [["ground,square"], ["ground,", "square"], ["2"]], ids=" ".join)
def test_names_of_classes_with_spaces_or_commas_between(names, data, tmp_path):
    argv = [
        *NETWORK,
        *FOLDER,
        "--root",
        data,
        "--folder-classes",
        *names,
        "--class-weights",
        "1,2",
        "--augment",
        "flip,noise",
    ]
    assert call("train", *argv, "--out", tmp_path / "run") == 0
    config = config_of(tmp_path / "run")
    assert config["classes"] == (["0", "1"] if names == ["2"] else ["ground", "square"])
    assert config["class_weight_values"] == [1, 2] and config["augment"] == ["flip", "noise"]


def test_painted_classes_with_spaces_or_commas_between(run, data, tmp_path):
    pictures = []
    for names in (["ground,square"], ["ground", "square"]):
        assert call("predict", run, data / "images" / "0.png", "-o", tmp_path / "o.png", "--classes", *names) == 0
        pictures.append((tmp_path / "o.png").read_bytes())
    assert pictures[0] == pictures[1]


def test_options_between_the_other_arguments(run, data, tmp_path):
    images = [data / "images" / f"{k}.png" for k in range(3)]
    argv = [images[0], "--mask", tmp_path / "m", images[1], "-o", tmp_path / "o", images[2]]
    assert call("predict", "--alpha", 0.5, run, *argv) == 0
    for folder in ("m", "o"):
        assert sorted(path.name for path in (tmp_path / folder).iterdir()) == ["0.png", "1.png", "2.png"]


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_masks_in_colours_with_a_table(kind, tmp_path):
    root = write_folder(tmp_path / "data", 6)
    for k in range(6):
        painted = np.array([[10, 20, 30], [250, 0, 0]], np.uint8)[scene(k)[1]]
        painted[0, :3] = 0  # a colour that the table calls void
        Image.fromarray(painted).save(root / "masks" / f"{k}.png")
    table = {"ground": [10, 20, 30], "square": [250, 0, 0], "void": [0, 0, 0]}
    lines = "name,r,g,b\n" + "\n".join(f"{name},{','.join(map(str, color))}" for name, color in table.items())
    (tmp_path / f"t.{kind}").write_text(lines if kind == "csv" else json.dumps(table))
    out = tmp_path / "run"
    assert call("train", *NETWORK, *FOLDER, "--root", root, "--colors", tmp_path / f"t.{kind}", "--out", out) == 0
    config = config_of(out)
    assert config["classes"] == ["ground", "square"] and config["colors"] == [[10, 20, 30], [250, 0, 0]]
    (tmp_path / f"t.{kind}").unlink()  # the run knows its colours
    assert call("predict", out, root / "images" / "0.png", "--mask", tmp_path / "m.png") == 0
    with Image.open(tmp_path / "m.png") as mask:
        assert set(np.unique(np.array(mask.convert("RGB")).reshape(-1, 3), axis=0).ravel()) <= {0, 10, 20, 30, 250}


def test_exif_is_applied_when_training_and_evaluating(tmp_path):
    """Images on their side: with the same pixels upright the scores are those of plain files."""
    plain, turned = write_folder(tmp_path / "plain", 5), write_folder(tmp_path / "turned", 5)
    for k in range(5):
        Image.fromarray(scene(k)[0]).save(plain / "images" / f"{k}.jpg", quality=95, subsampling=0)
        write_rotated(turned / "images" / f"{k}.jpg", scene(k)[0])
        for root in (plain, turned):
            (root / "images" / f"{k}.png").unlink()
    scores = []
    for root in (plain, turned):
        out = tmp_path / root.name / "run"
        assert call("train", *NETWORK, *FOLDER, "--root", root, "--folder-classes", 2, "--out", out) == 0
        assert call("evaluate", out, "--json", tmp_path / "s.json") == 0
        scores.append(json.loads((tmp_path / "s.json").read_text())["mean IoU"])
    assert abs(scores[0] - scores[1]) < 0.05


def test_every_network_of_the_list_can_be_trained():
    listed = building.networks()
    assert {*models.NETWORKS, *models.DETECTORS} <= set(listed) and "unet_paper" in listed
    for name in listed:
        assert callable(building.constructor(name)) and building.task_of(name) in ("segmentation", "detection")


@pytest.mark.slow  # the paper's U-Net wants 188 x 188 pixels at least
def test_the_papers_u_net_on_grey_images(tmp_path):
    root = write_folder(tmp_path / "data", 5, "image", "label", scale=255, grey=True)
    for k in range(5):
        for folder in ("image", "label"):
            path = root / folder / f"{k}.png"
            Image.open(path).resize((192, 192), Image.Resampling.NEAREST).save(path)
    argv = [
        "--model",
        "unet_paper",
        *FOLDER,
        "--root",
        root,
        "--images",
        "image",
        "--masks",
        "label",
    ]
    argv += ["--mask-values", "0,255", "--augment", "elastic-grid", "--border-weight", 10, "--optimizer", "sgd"]
    with backend.use("cpu"):  # 31 million parameters: minutes for each step on the reference column
        assert call("train", *argv, "--out", tmp_path / "run") == 0
    assert config_of(tmp_path / "run")["image_format"]["channels"] == 1


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_early_stopping_and_both_optimisers(optimizer, data, tmp_path, capsys):
    argv = [*NETWORK, *FOLDER[:-1], 9, "--root", data, "--folder-classes", 2, "--optimizer", optimizer, "--lr", 1e-12]
    assert call("train", *argv, "--weight-decay", 0, "--early-stopping", 2, "--out", tmp_path / "run") == 0
    assert "stopped early after epoch 3: no better for 2 epochs" in capsys.readouterr().out
    with open(tmp_path / "run" / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert all(row["val_iou_0"] and row["val_iou_1"] for row in rows)


def test_a_broken_image_is_left_out_and_no_batch_becomes_smaller(data, tmp_path, capsys):
    root = write_folder(tmp_path / "data", 11)  # nine to learn from
    with open(root / "images" / "1.png", "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n broken")
    argv = [*NETWORK, *FOLDER, "--root", root, "--folder-classes", 2, "--out", tmp_path / "run"]
    assert call("train", *argv) == 1
    said = capsys.readouterr().err
    assert "1.png cannot be decoded" in said and "--skip-broken" in said and not (tmp_path / "run").exists()
    assert call("train", *argv, "--skip-broken") == 0  # the same command with the remedy
    told = capsys.readouterr()
    assert "8 images to learn from" in told.out and "1.png" in told.err
    with open(tmp_path / "run" / "log.csv", newline="") as file:
        assert next(csv.DictReader(file))["step"] == "4"  # four full batches of two


def test_a_log_file_gets_lines_and_no_bars(data, tmp_path):
    argv = ["train", *NETWORK, *FOLDER, "--root", data, "--folder-classes", "ground,square", "--out", tmp_path / "run"]
    code = (
        "import sys; from minidl import backend, cli\nwith backend.use('reference'): sys.exit(cli.main(sys.argv[1:]))"
    )
    done = subprocess.run([sys.executable, "-c", code, *map(str, argv)], capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert b"\r" not in done.stdout + done.stderr and done.stdout.count(b"\n") >= 4
    assert b"square" in done.stdout  # the IoU of each class


@pytest.mark.parametrize(
    "options, message",
    [
        (["--tile", 0], "--tile 0; needed at least"),
        (["--tile", -5], "--tile -5; needed at least"),
        (["--alpha", "nan"], "--alpha nan; needed"),
        (["--alpha", -1], "--alpha -1.0; needed"),
        (["--classes", "ground,leaf"], "--classes leaf; the network knows ground, square"),
        (["--json", "o.json"], "--json has no effect: unet is not a detector"),
        (["--level", -1], "--level needs one TIFF, zarr or whole-slide image"),
        (["--score", "nan"], "--score nan; needed a finite number"),
    ],
)
def test_options_of_predict_that_cannot_be_meant(options, message, run, data, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert call("predict", run, data / "images" / "0.png", "-o", "o.png", *options) == 1
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1 and not (tmp_path / "o.png").exists()


@pytest.mark.parametrize(
    "options, message",
    [
        (["--split", "tset"], "tset"),
        (["--tile", 0], "--tile 0; needed at least"),
        (["--tile", "nan"], "nan"),
        (["--confusion", "no/c.csv"], "no is not a folder"),
        (["--worst", 0], "--worst 0; needed at least 1"),
        (["--boundary", -2], "--boundary -2; needed at least 1"),
    ],
)
def test_options_of_evaluate_that_cannot_be_meant(options, message, run, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    try:
        code = call("evaluate", run, *options)
    except SystemExit as error:  # the parser's own
        code = error.code
    said = capsys.readouterr().err
    assert code in (1, 2) and message in said and "Traceback" not in said


@pytest.mark.parametrize("size", [(0, 0), (-3, 8)])
def test_export_of_an_impossible_size(size, run, tmp_path, capsys):
    pytest.importorskip("onnx")
    assert call("export", tmp_path / "m.onnx", "--run", run, "--size", *size) == 1
    said = capsys.readouterr().err
    assert f"--size {size[0]} {size[1]}; needed two sizes of at least 1" in said and not (tmp_path / "m.onnx").exists()
