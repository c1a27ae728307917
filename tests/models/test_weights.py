"""Published weights: loaded by name, refused with a reason, and used to segment a photograph in one command."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

import minidl
from minidl import models
from minidl.models.segmentation.deeplab_v3 import DilatedNetwork, FCNHead
from minidl.models.weights import PUBLISHED, entry_of, load_backbone, load_weights, network_of, open_weights
from minidl.train import checkpoint
from minidl.train.checkpoint import CheckpointError

GOLDENS = Path(__file__).parents[1] / "goldens"
KEYS = {
    n: k for file in ("keys", "detection_keys") for n, k in json.loads((GOLDENS / f"{file}.json").read_text()).items()
}


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


@pytest.mark.parametrize("name", [*KEYS, "resnet34", "shufflenet_v2_x0_5"])
def test_networks_are_recognised_by_their_names(name):
    shapes = (
        {key: tuple(shape) for key, shape in KEYS[name].items()}
        if name in KEYS
        else {key: tensor.shape for key, tensor in getattr(models, name)().state_dict().items()}
    )
    assert network_of(shapes) == name
    assert network_of({f"net.{key}": shape for key, shape in shapes.items()}) is None


def test_large_networks_are_recognised_too():
    """By a few names that only they have: making all of them would take a gigabyte."""
    for deep, flat in (
        ("deeplabv3_resnet101", "classifier.0.convs.0.0.weight"),
        ("fcn_resnet101", "classifier.4.weight"),
    ):
        assert network_of({flat: (1,), "backbone.layer3.22.conv3.weight": (1,)}) == deep
    assert network_of({"features.40.weight": (), "features.28.weight": (), "classifier.6.weight": ()}) == "vgg16_bn"
    assert network_of({"features.28.weight": (), "features.10.weight": (), "classifier.6.weight": ()}) == "vgg16"
    assert network_of({"features.10.weight": (), "classifier.6.weight": ()}) == "alexnet"
    assert network_of({"down.0.0.weight": ()}) is None


@pytest.mark.parametrize(
    "arch, options",
    [
        ("unet", {"num_classes": 2, "base": 8, "in_channels": 1}),
        ("unet", {"num_classes": 5, "base": 4, "batch_norm": True}),
        ("erfnet_small", {"num_classes": 3}),
        ("fcn8s_small", {"num_classes": 4}),
        ("pspnet_small", {"num_classes": 2, "aux_loss": False}),
        ("deeplab_v3_small", {"num_classes": 7, "aux_loss": True}),
        ("mobilenet_v2", {"num_classes": 10, "width_mult": 0.5}),
        ("mask_rcnn_small", {"num_classes": 3}),
    ],
)
def test_classes_width_and_heads_are_read_from_the_file(tmp_path, arch, options):
    minidl.manual_seed(1)
    own = getattr(models, arch)(**options)
    checkpoint.save(tmp_path / "a.safetensors", {f"module.{n}": t for n, t in own.state_dict().items()})
    opened = open_weights(tmp_path / "a.safetensors", arch)
    assert not opened.model.training and len(opened.config["classes"]) == options["num_classes"]
    expected, got = values(own), values(opened.model)
    assert got.keys() == expected.keys() and all(np.array_equal(got[n], expected[n]) for n in got)


def test_what_cannot_be_recognised_needs_its_name(tmp_path):
    checkpoint.save(tmp_path / "a.safetensors", models.unet_small(2).state_dict())
    with pytest.raises(
        ValueError, match=r"a\.safetensors: no network here is recognised by .*down\.0\.0\..*--arch NAME"
    ):
        open_weights(tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match="--arch deeplabv9: there is no such network"):
        open_weights(tmp_path / "a.safetensors", "deeplabv9")
    with pytest.raises(CheckpointError, match=r"is not of this ERFNet: .* missing"):
        open_weights(tmp_path / "a.safetensors", "erfnet_small")


def test_a_classifier_becomes_the_backbone(tmp_path):
    minidl.manual_seed(2)
    classifier = models.backbones.resnet_small(num_classes=10)
    checkpoint.save(tmp_path / "a.safetensors", classifier.state_dict())
    model = network(3)
    head = values(model)["classifier.4.weight"]
    assert sorted(load_backbone(model, tmp_path / "a.safetensors")) == ["fc.bias", "fc.weight"]
    got, given = values(model), values(classifier)
    assert all(np.array_equal(got[f"backbone.{n}"], a) for n, a in given.items() if not n.startswith("fc."))
    assert np.array_equal(got["classifier.4.weight"], head)
    checkpoint.save(tmp_path / "b.safetensors", models.backbones.mobilenet_v2(10, width_mult=0.25).state_dict())
    with pytest.raises(CheckpointError, match=r"is not of this backbone, ResNet: .* missing"):
        load_backbone(model, tmp_path / "b.safetensors")
    assert all(np.array_equal(a, got[n]) for n, a in values(model).items())


def test_the_table_of_published_files():
    assert len(PUBLISHED) == 17 and len(PUBLISHED["maskrcnn_resnet50_fpn"].classes) == 91
    for name, entry in PUBLISHED.items():
        assert entry.name == name and callable(getattr(models, name)) and entry.url.startswith("https://")
        assert re.fullmatch("[0-9a-f]{8,10}|[0-9a-f]{64}", entry.digits)
    with pytest.raises(ValueError, match="no published weights 'resnet5' here: did you mean resnet50"):
        entry_of("resnet5")
