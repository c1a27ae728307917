"""`minidl weights` and --weights: published weights by name from a server on loopback, files of others, ONNX files."""

import hashlib
import json

import numpy as np
import pytest
from folders import write_folder
from loopback import loopback  # noqa: F401
from PIL import Image

import minidl
from minidl import models
from minidl.cli import main
from minidl.commands.setup.learning import start_from
from minidl.models.weights import PUBLISHED, Published, entry_of
from minidl.train import checkpoint

pooch = pytest.importorskip("pooch")
NAME = "fcn_resnet_small"


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (48, 80, 3), np.uint8)).save(path)
    return path


def publish(monkeypatch, loopback, tmp_path, name, kind, model):  # noqa: F811
    """Put weights on the server and into the table, as torchvision's are; returns the entry."""
    checkpoint.save(tmp_path / "published", model.state_dict())
    content = (tmp_path / "published").read_bytes()
    (tmp_path / "published").unlink()
    entry = Published(name, f"{name}_coco-{hashlib.sha256(content).hexdigest()[:8]}.pth", kind, "60.5", 1.0)
    loopback.files["/models/" + entry.file] = content
    monkeypatch.setitem(PUBLISHED, name, entry)
    return entry


@pytest.fixture
def server(monkeypatch, tmp_path, loopback):  # noqa: F811
    """A small network with the classes of Pascal VOC, published on loopback; the user's cache is an empty folder."""
    minidl.manual_seed(0)
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "cache" / name)
    monkeypatch.setenv("MINIDL_WEIGHTS_URL", loopback.url + "/models/")
    loopback.entry = publish(monkeypatch, loopback, tmp_path, NAME, "segmentation", models.fcn_resnet_small(21, True))
    return loopback


def run(*argv):
    return main([str(a) for a in argv])


def test_the_list_says_what_is_here(server, capsys):
    assert run("weights") == 0
    before = capsys.readouterr().out
    assert "deeplabv3_resnet50" in before and server.entry.url in before and "BSD-3-Clause" in before
    row = next(line for line in before.splitlines() if NAME in line)
    assert not row.endswith("here")
    assert run("weights", NAME) == 0
    said = capsys.readouterr().out
    assert server.entry.file in said and "licence: BSD-3-Clause" in said
    assert run("weights") == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if NAME in line)
    assert row.endswith("here")


def test_downloads_resume_are_verified_and_then_work_offline(server, tmp_path, capsys):
    server.cuts = 1
    assert run("weights", NAME) == 1
    error = capsys.readouterr().err
    assert "stopped at" in error and "call again to resume" in error and error.count("\n") == 1
    assert run("weights", NAME) == 0
    assert server.asked[1][1].startswith("bytes=")
    (file,) = (tmp_path / "cache" / "minidl" / "weights").iterdir()
    assert file.name == server.entry.file
    asked, server.files = len(server.asked), {}
    assert run("weights", NAME) == 0 and len(server.asked) == asked
    file.write_bytes(b"damaged")
    capsys.readouterr()
    assert run("weights", NAME) == 1
    assert "404" in capsys.readouterr().err


def test_a_wrong_file_and_a_wrong_name_are_one_line(server, capsys):
    server.files["/models/" + server.entry.file] += b"!"
    assert run("weights", NAME) == 1
    error = capsys.readouterr().err
    assert "wrong checksum" in error and server.entry.digits in error and error.count("\n") == 1
    assert run("weights", "deplabv3_resnet50") == 1
    assert "did you mean deeplabv3_resnet50?" in capsys.readouterr().err
    with pytest.raises(ValueError, match="there are fcn_resnet50"):
        entry_of("zzz")


def test_one_command_segments_a_photograph(server, photo, tmp_path, capsys):
    assert run("predict", photo, "--weights", NAME, "-o", tmp_path / "out.png", "--mask", tmp_path / "m.png") == 0
    out, err = capsys.readouterr()
    assert f"downloading {NAME}" in err and any(name in out for name in PUBLISHED["fcn_resnet50"].classes)
    with Image.open(tmp_path / "m.png") as mask:
        assert mask.size == (80, 48)
    server.files = {}
    assert run("predict", photo, "--weights", NAME, "-o", tmp_path / "again.png") == 0
    assert "downloading" not in capsys.readouterr().err
    assert (tmp_path / "out.png").read_bytes() == (tmp_path / "again.png").read_bytes()
    assert run("predict", photo, "--weights", "absent.pth", "-o", tmp_path / "x.png") == 1
    assert "--weights absent.pth: no such file" in capsys.readouterr().err
    assert run("predict", photo, "--weights", NAME, "--arch", "deeplabv9", "-o", tmp_path / "x.png") == 1
    assert "there is no such network" in capsys.readouterr().err


def test_evaluate_cost_and_export_take_the_name(server, tmp_path, capsys):
    pytest.importorskip("onnx")
    assert run("cost", "--weights", NAME, "--size", 64, 64, "--repeats", 0) == 0
    assert NAME in capsys.readouterr().out
    root = write_folder(tmp_path / "data", 6)
    data = ["--data", "folder", "--root", root, "--folder-classes", *PUBLISHED["fcn_resnet50"].classes]
    assert run("evaluate", "--weights", NAME, *data, "--json", tmp_path / "scores.json") == 0
    assert set(json.loads((tmp_path / "scores.json").read_text())["IoU"]) == set(PUBLISHED["fcn_resnet50"].classes)
    capsys.readouterr()
    assert run("evaluate", "--weights", NAME) == 1
    assert "needed --data and --root" in capsys.readouterr().err
    assert run("export", tmp_path / "net.onnx", "--weights", NAME) == 0
    capsys.readouterr()
    assert run("info", tmp_path / "net.onnx") == 0
    said = capsys.readouterr().out
    assert "license: BSD-3-Clause" in said and "aeroplane" in said and "image (N, 3, H, W) float" in said
    assert "not supported nothing" in said


def test_what_export_writes_predict_reads_back(server, photo, tmp_path, capsys):
    pytest.importorskip("onnx")
    assert run("export", tmp_path / "net.onnx", "--weights", NAME) == 0
    for weights, name in ((NAME, "a"), (tmp_path / "net.onnx", "b")):
        assert (
            run(
                "predict",
                photo,
                "--weights",
                weights,
                "--prob",
                tmp_path / f"{name}.npy",
                "-o",
                tmp_path / f"{name}.png",
            )
            == 0
        )
    a, b = (np.load(tmp_path / f"{name}.npy") for name in "ab")
    np.testing.assert_allclose(a, b, atol=1e-4)
    out, err = capsys.readouterr()
    first, second = (line.split(": ")[1] for line in out.splitlines()[-2:])
    assert first == second and "normalised" not in err


def test_train_starts_from_a_name_and_from_a_backbone(server, monkeypatch, tmp_path, capsys):
    root = write_folder(tmp_path / "data", 6)
    settings = [
        "--data",
        "folder",
        "--root",
        root,
        "--folder-classes",
        "ground",
        "square",
        "--epochs",
        1,
        "--batch-size",
        2,
    ]
    assert run("train", "--model", NAME, "--weights", NAME, *settings, "--out", tmp_path / "a") == 0
    assert "classifier.4.weight" in capsys.readouterr().out
    minidl.manual_seed(3)
    publish(monkeypatch, server, tmp_path, "mobilenet_v2", "classifier", models.mobilenet_v2())
    assert "backbone from" in start_from(models.liteseg(2), "mobilenet_v2")
    photo = root / "images" / "0.png"
    assert run("predict", photo, "--weights", tmp_path / "a", "-o", tmp_path / "out.png") == 0
    assert run("predict", photo, "--weights", "mobilenet_v2", "-o", tmp_path / "out.png") == 1
    assert "is a classifier" in capsys.readouterr().err


def test_a_detector_by_name(server, monkeypatch, photo, tmp_path, capsys):
    minidl.manual_seed(0)
    publish(monkeypatch, server, tmp_path, "mask_rcnn_small", "masks", models.mask_rcnn_small(91))
    assert run("predict", photo, "--weights", "mask_rcnn_small", "-o", tmp_path / "out.png", "--score", 0) == 0
    assert "downloading mask_rcnn_small" in capsys.readouterr().err
    assert run("export", tmp_path / "net.onnx", "--weights", "mask_rcnn_small") == 1
    assert "is a detector" in capsys.readouterr().err


def test_onnx_files_of_others(tmp_path, photo, capsys):
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    def file(name, channels, last, size=("H", "W")):
        w = np.random.default_rng(0).standard_normal((channels, 3, 3, 3)).astype(np.float32)
        nodes = [helper.make_node("Conv", ["x", "w"], ["c"], "conv", pads=[1] * 4, strides=[2, 2])]
        nodes.append(helper.make_node(last, ["c"], ["y"], "last"))
        x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, *size])
        y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", channels, None, None])
        graph = helper.make_graph(nodes, "g", [x], [y], [numpy_helper.from_array(w, "w")])
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / name)
        return tmp_path / name

    for path, classes in (
        (file("one.onnx", 1, "Sigmoid"), "foreground"),
        (file("three.onnx", 3, "Relu"), "class 2"),
        (file("fixed.onnx", 2, "Softmax", (64, 32)), "class 1"),
    ):
        out, prob = tmp_path / "out.png", tmp_path / "p.npy"
        assert run("predict", photo, "--weights", path, "-o", out, "--prob", prob) == 0
        said, warned = capsys.readouterr()
        assert classes in said and "ImageNet's mean" in warned
        assert np.load(prob).shape[1:] == (48, 80)
    unknown = file("unknown.onnx", 1, "Hardmax")
    assert run("info", unknown) == 0
    assert "not supported 'last': Hardmax" in capsys.readouterr().out
    assert run("predict", photo, "--weights", unknown, "-o", out) == 1
    assert "node 'last': operator Hardmax" in capsys.readouterr().err
    assert run("train", "--weights", path, "--out", tmp_path / "run", "--length", 8, "--epochs", 1) == 1
    assert "an ONNX file is a network of its own" in capsys.readouterr().err
