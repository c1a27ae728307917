"""Whole networks beside peers, with tiny ones."""

import csv

import numpy as np
import pytest

from minidl import cli, models, no_grad
from minidl import functional as F
from minidl.autograd.tensor import tensor
from minidl.bench import networks, ours
from minidl.bench.inputs import images, target_of


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setattr(networks, "SIZES", {"unet_small": (32, 32), "erfnet_small": (32, 32)})


def test_every_network_of_the_table_is_there():
    assert set(networks.SIZES) <= {*models.NETWORKS, *models.CLASSIFIERS}
    left_out = {n for n in (*models.NETWORKS, *models.CLASSIFIERS) if not n.endswith("small")} - set(networks.SIZES)
    assert left_out == {  # the same layers as others, deeper or with another head
        "deeplabv3_resnet101", "deeplab_v3", "deeplab_v3_cascade", "deeplab_v3plus_resnet101", "fcn_resnet101",
        "shufflenet_v2_x0_5",
    }  # fmt: skip


def test_select(tiny):
    assert [case.label for case in networks.select("unet")] == [
        "unet_small 1 x 32 x 32, inference",
        "unet_small 2 x 32 x 32, training step",
    ]
    assert {case.part for case in networks.select(part="inference")} == {"inference"}
    with pytest.raises(ValueError, match="no network's name contains 'x'; there are unet_small"):
        networks.select("x")


def test_peers_that_are_missing_are_said(monkeypatch):
    monkeypatch.setattr(networks, "find_spec", lambda name: None)
    found, lines = networks.available(["torch", "ncnn", "torch.compile"])
    assert found == [] and len(lines) == 3
    assert lines[0] == "PyTorch is not installed and left out (pip install torch)" and "ONNX" in lines[1]
    with pytest.raises(ValueError, match="--peer jax is unknown; there are torch"):
        networks.available(["jax"])


def test_the_command(tiny, tmp_path, capsys):
    cli.main(["bench", "networks", "--filter", "unet", "--rounds", "1", "--csv", str(tmp_path / "t.csv")])
    assert "unet_small 1 x 32 x 32, inference" in capsys.readouterr().out
    rows = [*csv.DictReader((tmp_path / "t.csv").read_text().splitlines())]
    assert len(rows) == 2 and float(rows[0]["minidl ms"]) > 0 and rows[0]["minidl variant"] == "NCHW"


def test_onnxruntime_runs_and_agrees(tiny):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    ((result, memory, failed),) = networks.run(networks.select("unet", "inference"), ["onnxruntime"], 1, 1)
    assert not failed and not result.disagrees and [*result.seconds] == ["minidl", "onnxruntime"]
    row = networks.row(result, memory)
    assert row["fastest"] == "onnxruntime" and row["ratio"] > 0
    assert "inference, 1 networks: the fastest peer's time / ours" in networks.verdict([row])
    assert "onnxruntime" in networks.line(row, ["onnxruntime"])


@pytest.mark.parametrize(
    "name", ["unet_small", "deeplab_v3plus_small", "enet_small", "erfnet_small", "liteseg_small", "pspnet_small"]
)
def test_the_same_network_in_pytorch(name, tmp_path):
    """Inference, and the loss of a training step, from the ONNX file that all peers get."""
    pytest.importorskip("onnx")
    torch = pytest.importorskip("torch")
    from minidl.bench.torch_network import Network
    from minidl.export.onnx import export_onnx

    p = {"network": name, "N": 2, "C": 3, "H": 64, "W": 64, "classes": 5}
    model, x = ours.load(ours.make_network(p)), images(p, 0)
    path = export_onnx(model, tmp_path / "a.onnx", (64, 64))
    network, given = Network(path, torch.from_numpy(x)), tensor(x)
    for mode in (False, True):
        target, losses = target_of(p, True), []
        with no_grad(), torch.no_grad():
            found = network.train(mode)(torch.from_numpy(x))
            expected = model.train(mode)(given)["out"]
            np.testing.assert_allclose(found.numpy(), expected.data, atol=2e-3 * np.abs(expected.data).max())
            losses = (
                float(torch.nn.functional.cross_entropy(found, torch.from_numpy(target))),
                float(F.cross_entropy(expected, tensor(target))),
            )
        assert losses[0] == pytest.approx(losses[1], rel=1e-3)
