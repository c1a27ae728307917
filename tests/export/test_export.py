"""Exported networks, run by onnxruntime at sizes that they were not traced with, give the same scores."""

import numpy as np
import pytest

import minidl
from minidl import functional as F
from minidl import models, nn
from minidl.export import export_onnx
from minidl.models import backbones

pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")
SMALL = [name for name in models.NETWORKS if name.endswith("_small")]
CLASSIFIERS = ["resnet_small", "mobilenet_small", "mobilenet_v2_small", "shufflenet_small", "shufflenet_v1_small"]
CLASSIFIERS += ["darknet_small", "xception_small"]


def randomise(model):
    """Random statistics and scores, since the initial values 0 and 1 could hide mistakes."""
    rng = np.random.default_rng(0)
    for name, b in model.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            b.data[...] = rng.uniform(0.5, 1.5, b.shape)
    for name, p in model.named_parameters():
        if "score" in name:
            p.data[...] = 0.1 * rng.standard_normal(p.shape)
    return model.eval()


def compare(model, path, sizes, channels=3):
    session = ort.InferenceSession(export_onnx(model, path), providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    for N, H, W in sizes:
        x = np.random.default_rng(H).standard_normal((N, channels, H, W)).astype(np.float32)
        with minidl.no_grad():
            expected = model(minidl.tensor(x))
        expected = expected if isinstance(expected, dict) else {"out": expected}
        assert list(expected) == names
        for y, truth in zip(session.run(None, {"image": x}), expected.values()):
            assert y.shape == truth.shape
            assert np.abs(y - truth.data).max() <= 1e-4 * np.abs(truth.data).max()


@pytest.mark.parametrize("name", SMALL)
def test_segmentation_networks(name, tmp_path):
    compare(randomise(getattr(models, name)(num_classes=5)), tmp_path / "net.onnx", [(1, 64, 64), (2, 71, 50)])


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifiers(name, tmp_path):
    compare(randomise(getattr(backbones, name)(num_classes=5)), tmp_path / "net.onnx", [(1, 64, 64), (2, 71, 50)])


def test_unet_with_valid_padding_and_with_resizing(tmp_path):
    net = models.UNet(1, 3, depth=2, base=4, padding="valid").eval()
    compare(net, tmp_path / "valid.onnx", [(1, 62, 71), (1, 75, 64)], channels=1)
    net = models.UNet(2, 3, depth=2, base=4, up="resize").eval()
    compare(net, tmp_path / "resize.onnx", [(1, 30, 31)], channels=2)


def test_the_papers_border(tmp_path):
    net = randomise(models.FCN(backbones.vgg_small(), 4, hidden=8, border=99))
    compare(net, tmp_path / "border.onnx", [(1, 33, 50)])


def test_classifier_with_adaptive_pooling_and_linear_layers(tmp_path):
    net = backbones.VGG(((4,), (4,), (4,), (4,), (4,)), None)
    net.num_classes, net.avgpool = 5, nn.AdaptiveAvgPool2d((7, 7))
    net.classifier = nn.Sequential(nn.Linear(4 * 49, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 5))
    compare(net.eval(), tmp_path / "vgg.onnx", [(1, 96, 64), (2, 321, 250)])


class Functions(nn.Module):
    """Functions that the networks here do not use, but that are exported."""

    def forward(self, x):
        y = F.elu(F.tanh(x), 0.5) * F.hardswish(x) - F.sigmoid(x) / 2
        y = F.pad(F.pad(y, (1, 2, 3, 0), mode="reflect"), (1, 1, 1, 1), value=0.5)
        y = F.maximum(1 + y, y * 3)
        y = F.conv2d(y, minidl.tensor(np.ones((3, 3, 4, 4), np.float32)), padding="same")
        y = F.max_pool2d(y, 3, 2, ceil_mode=True)
        return F.softmax(F.interpolate(y, scale_factor=2, mode="bilinear", align_corners=True), 1)


def test_other_functions(tmp_path):
    compare(Functions().eval(), tmp_path / "functions.onnx", [(1, 33, 50), (2, 21, 24)])


class Unknown(nn.Module):
    def forward(self, x):
        return F.expm1(x)


def test_what_has_no_form_is_named_and_nothing_is_left_behind(tmp_path):
    plain = F.conv2d
    with pytest.raises(NotImplementedError, match=r"F\.expm1 has no ONNX form"):
        export_onnx(Unknown(), tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())
    assert F.conv2d is plain


def test_the_mode_of_the_network_is_kept(tmp_path):
    net = models.erfnet_small(3).train()
    export_onnx(net, tmp_path / "net.onnx")
    assert net.training
