"""Published weights: loaded by name, refused with a reason, and used to segment a photograph in one command."""

import numpy as np
import pytest

import minidl
from minidl import models
from minidl.cli import main
from minidl.models.segmentation.deeplab_v3 import DilatedNetwork, FCNHead
from minidl.models.weights import load_weights
from minidl.train import checkpoint
from minidl.train.checkpoint import CheckpointError


def network(classes=21, aux=True):
    minidl.manual_seed(classes)
    backbone = models.backbones.resnet_small(output_stride=8)
    return DilatedNetwork(backbone, FCNHead(128, classes), classes, FCNHead(64, classes) if aux else None).eval()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "weights.safetensors"
    checkpoint.save(path, network().state_dict())
    return path


def values(model):
    return {name: tensor.data.copy() for name, tensor in model.state_dict().items()}


def test_loads_everything(file):
    model = network()
    for p in model.parameters():
        p.data[...] = 0
    assert load_weights(model, file) == []
    expected = values(network())
    assert all(np.array_equal(a, expected[name]) for name, a in values(model).items())


def test_other_classes_only_by_request(file):
    model = network(5)
    before = values(model)
    with pytest.raises(CheckpointError, match=r"trained for 21 classes.*has 5.*pass new_head=True"):
        load_weights(model, file)
    assert all(np.array_equal(a, before[name]) for name, a in values(model).items())
    left = load_weights(model, file, new_head=True)
    assert left == [f"{head}.4.{leaf}" for head in ("classifier", "aux_classifier") for leaf in ("weight", "bias")]
    loaded = values(network())
    for name, a in values(model).items():
        assert np.array_equal(a, before[name] if name in left else loaded[name])


def test_another_architecture_lists_the_first_mismatches(file):
    with pytest.raises(
        CheckpointError, match=r"(?s)not of this UNet: .* missing, .*model: down\.0\.0\.weight.*and \d+ more"
    ):
        load_weights(models.unet_small(21), file)
    with pytest.raises(CheckpointError, match="is not of this UNet"):
        load_weights(models.unet_small(21), file, new_head=True)


def test_auxiliary_head_that_the_model_lacks(file):
    with pytest.raises(CheckpointError, match="pass aux_loss=True"):
        load_weights(network(aux=False), file)


def test_truncated_and_foreign_files(file, tmp_path):
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match="truncated"):
        load_weights(network(), broken)
    pth = tmp_path / "weights.pth"
    pth.write_bytes(b"PK\x03\x04\x00\x00\x08\x08" + bytes(100))
    with pytest.raises(CheckpointError, match="cannot be read as a PyTorch checkpoint"):
        load_weights(network(), pth)
    with pytest.raises(FileNotFoundError):
        load_weights(network(), tmp_path / "absent.safetensors")


def test_one_command_segments_a_photograph(tmp_path, capsys, monkeypatch):
    from PIL import Image

    from minidl.models import weights

    monkeypatch.setattr(models, "fcn_resnet50", lambda classes, aux_loss: network(classes, aux_loss))
    monkeypatch.setitem(weights.PUBLISHED, "fcn_resnet50", weights.Published(weights.VOC.classes, shorter_side=48))
    path = tmp_path / "weights.safetensors"
    checkpoint.save(path, network().state_dict())
    photo = np.random.default_rng(0).integers(0, 255, (60, 90, 3), np.uint8)
    Image.fromarray(photo).save(tmp_path / "photo.png")
    command = ["predict", "--weights", str(path), "--arch", "fcn_resnet50", str(tmp_path / "photo.png")]
    assert main([*command, "-o", str(tmp_path / "out.png"), "--mask", str(tmp_path / "mask.png")]) == 0
    with Image.open(tmp_path / "mask.png") as mask:
        assert mask.size == (90, 60)
    said = capsys.readouterr().out
    assert any(name in said for name in weights.VOC.classes)
    assert main(["predict", "--weights", str(path), str(tmp_path / "photo.png"), "-o", str(tmp_path / "out.png")]) == 1
    assert "--weights FILE with --arch NAME" in capsys.readouterr().err
    command[4] = "deeplabv9"
    assert main([*command, "-o", str(tmp_path / "out.png")]) == 1
    assert "published weights are known for fcn_resnet50" in capsys.readouterr().err
