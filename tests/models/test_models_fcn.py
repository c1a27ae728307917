"""FCN and convolutionalised classifiers: equal scores, the paper's offsets, maps that lie where they should."""

import numpy as np
import pytest

import minidl
from minidl import functional as F
from minidl import models, nn
from minidl.models import backbones
from minidl.models.segmentation import fcn


def image(*shape):
    return minidl.tensor(np.random.default_rng(0).standard_normal(shape).astype(np.float32))


class BlockMeans(backbones.Backbone):
    """A backbone that averages: what lies where is known."""

    def __init__(self):
        super().__init__()
        self.stages = {f"mean{s}": backbones.Stage(s, 3, (s - 1) / 2) for s in (8, 16, 32)}

    def pyramid(self, x):
        return {name: F.avg_pool2d(x, stage.stride) for name, stage in self.stages.items()}


def identity_scores(net, only):
    for k, score in enumerate(net.score):
        score.weight.data[...] = np.eye(3, dtype=np.float32)[:, :, None, None] if k == only else 0
    return net.eval()


@pytest.mark.parametrize("border", [0, 99])
@pytest.mark.parametrize(
    ("strides", "only"), [((32,), 0), ((32, 16), 0), ((32, 16), 1), ((32, 16, 8), 0), ((32, 16, 8), 2)]
)
def test_every_stream_lies_on_the_image(strides, only, border):
    """Block means of a ramp, enlarged bilinearly, are the ramp: whichever stream carries it, at whatever border."""
    net = identity_scores(fcn.FCN(BlockMeans(), 3, strides, hidden=0, border=border), only)
    y, x = np.mgrid[:160, :192].astype(np.float32)
    ramp = np.stack([y, x, y + x])[None]
    out = net(minidl.tensor(ramp))["out"].data
    assert out.shape == ramp.shape
    inner = np.s_[..., 64:-64, 64:-64]  # away from the padding
    np.testing.assert_allclose(out[inner], ramp[inner], atol=1e-3)


@pytest.mark.parametrize(("strides", "offsets"), [((32,), [19]), ((32, 16), [-5, 27]), ((32, 16, 8), [-5, -9, 31])])
def test_with_the_papers_border_the_papers_offsets_come_out(strides, offsets, monkeypatch):
    found = []
    real = fcn._offset
    monkeypatch.setattr(fcn, "_offset", lambda *a: found.append(real(*a)) or found[-1])
    net = fcn.FCN(backbones.vgg_small(), 5, strides, hidden=8, border=99).eval()
    assert net(image(1, 3, 50, 75))["out"].shape == (1, 5, 50, 75)
    assert found == offsets


@pytest.mark.parametrize("size", [(1, 1), (31, 33), (64, 97)])
@pytest.mark.parametrize("build", [models.fcn32s_small, models.fcn16s_small, models.fcn8s_small])
def test_any_size_in_the_same_size_out(build, size):
    net = build(7).eval()
    assert net(image(1, 3, *size))["out"].shape == (1, 7, *size)


@pytest.mark.parametrize(
    "build",
    [backbones.resnet_small, backbones.mobilenet_small, backbones.mobilenet_v2_small, backbones.shufflenet_small],
)
def test_any_backbone(build):
    net = models.fcn8s(4, build(), hidden=0).eval()
    assert net(image(1, 3, 65, 97))["out"].shape == (1, 4, 65, 97)


def test_alexnet_whose_maps_do_not_halve():
    net = models.fcn32s(4, backbones.alexnet(None), hidden=0).eval()
    assert net(image(1, 3, 100, 131))["out"].shape == (1, 4, 100, 131)


def test_new_skips_start_from_the_coarser_networks_prediction():
    """Section 4.2: scoring layers of skips start at zero."""
    net = models.fcn16s_small(5).eval()
    net.score[0].weight.data[...] = np.random.default_rng(0).standard_normal(net.score[0].weight.shape)
    x = image(1, 3, 64, 64)
    coarse = net(x)["out"].data
    net.score[1].weight.data[...] = 1
    assert np.abs(coarse).max() > 0
    assert not np.allclose(net(x)["out"].data, coarse)
    net.score[1].weight.data[...] = 0
    np.testing.assert_array_equal(net(x)["out"].data, coarse)


def test_last_enlargement_is_fixed_the_others_learn():
    net = models.fcn8s_small(5)
    assert [up.weight.requires_grad for up in net.up] == [True, True, False]
    F.mean(net(image(2, 3, 64, 64))["out"] ** 2).backward()
    assert net.up[-1].weight.grad is None


def tiny_vgg(classes):
    net = backbones.VGG(((2,), (3,), (4,), (4,), (4,)), None)
    net.num_classes = classes
    net.avgpool = nn.AdaptiveAvgPool2d((7, 7))
    net.classifier = nn.Sequential(
        nn.Linear(4 * 49, 16),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(16, 16),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(16, classes),
    )
    return net.eval()


def test_convolutionalized_classifier_gives_the_same_scores_and_slides():
    classifier = tiny_vgg(6)
    convolutional = models.convolutionalize(classifier)
    x = image(2, 3, 224, 288)
    with minidl.no_grad():
        scores = convolutional(x).data  # (2, 6, 1, 3)
        assert scores.shape == (2, 6, 1, 3)
        y = classifier(x[:, :, :, :224]).data
        features = classifier.features(x).data
    np.testing.assert_allclose(convolutional(x[:, :, :, :224]).data[:, :, 0, 0], y, rtol=1e-4, atol=1e-6)
    for j in range(3):  # every position is the classifier on its window of the features
        window = minidl.tensor(features[:, :, :, j : j + 7])
        expected = classifier.classifier(F.flatten(window, 1)).data
        np.testing.assert_allclose(scores[:, :, 0, j], expected, rtol=1e-4, atol=1e-6)


def test_convolutionalize_a_sequential_with_a_flatten():
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4 * 3 * 5, 7)).eval()
    x = image(3, 1, 8, 12)
    y = models.convolutionalize(net, grid=(3, 5))(x).data
    np.testing.assert_allclose(y[:, :, 0, 0], net(x).data, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match=r"4 channels on a grid of 3x3 are 36; pass grid"):
        models.convolutionalize(net)
    with pytest.raises(TypeError, match="convolutionalize its parts"):
        models.convolutionalize(nn.Conv2d(1, 1, 1))


def test_fcn_from_a_classifier():
    classifier = tiny_vgg(6)
    net = fcn.FCN(backbones.VGG(((2,), (3,), (4,), (4,), (4,)), None), 6, (32,), hidden=16, border=99).eval()
    net.load_classifier(classifier)
    x = image(1, 3, 224, 224)
    with minidl.no_grad():
        hidden = net.head(net.backbone.pyramid(x)["pool5"])
        scores = classifier.classifier[-1](F.flatten(hidden, 1)).data
        np.testing.assert_allclose(scores, classifier(x).data, rtol=1e-4, atol=1e-6)
    with pytest.raises(ValueError, match="does not fill"):
        fcn.FCN(backbones.VGG(((2,), (3,), (4,), (4,), (4,)), None), 6, (32,), hidden=8).load_classifier(classifier)
