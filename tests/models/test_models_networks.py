"""Every segmentation network: one return convention, any size, gradients everywhere, the papers' sizes, clear errors."""

import json
from pathlib import Path

import numpy as np
import pytest
from goldens import recipe

import minidl
import minidl.crf
from minidl import functional as F
from minidl import models
from minidl.models import backbones

GOLDENS = Path(__file__).parents[1] / "goldens"
KEYS = json.loads((GOLDENS / "keys.json").read_text())
SMALL = [name for name in models.NETWORKS if name.endswith("_small")]


def image(*shape):
    return minidl.tensor(recipe.image(*shape))


@pytest.mark.parametrize("name", SMALL)
def test_any_size_in_the_same_size_out_and_every_parameter_learns(name):
    net = getattr(models, name)(num_classes=5)
    for size in ((32, 32), (61, 43)):  # 61 and 43 are prime
        outputs = net.train()(image(2, 3, *size))
        assert next(iter(outputs)) == "out"
        assert set(outputs) <= {"out", "aux"}
        assert all(y.shape == (2, 5, *size) for y in outputs.values())
    sum((F.mean(y**2) for y in outputs.values()), minidl.tensor(0.0)).backward()
    silent = [n for n, p in net.named_parameters() if p.requires_grad and p.grad is None]
    assert not silent
    with minidl.no_grad():
        assert net.eval()(image(1, 3, 61, 43))["out"].shape == (1, 5, 61, 43)


@pytest.mark.parametrize("name", ["fcn_resnet50", "deeplabv3_resnet50"])
def test_goldens(name):
    net = getattr(models, name)(num_classes=21, aux_loss=True).eval()
    assert {k: list(v.shape) for k, v in net.state_dict().items()} == KEYS[name]
    net.load_state_dict(recipe.weights(KEYS[name]))
    with np.load(GOLDENS / "torchvision.npz") as expected, minidl.no_grad():
        outputs = net(image(*expected[f"{name}/input_shape"]))
        assert list(outputs) == ["out", "aux"]
        for key, y in outputs.items():
            truth = expected[f"{name}/{key}"]
            assert np.abs(y.data - truth).max() < 1e-4 * np.abs(truth).max()


def count(net):
    return sum(p.numel() for p in net.parameters())


# What the papers print, in millions, and the half unit of their last digit.
PAPERS = {
    "deeplab_v1": (20.5, 0.05),
    "enet": (0.37, 0.005),
    "erfnet": (2.1, 0.05),
    "espnet": (0.364, 0.0015),
    "liteseg_darknet19": (20.55, 0.005),
}


@pytest.mark.parametrize("name", PAPERS)
def test_parameters_as_the_paper_counts_them(name):
    millions, half_unit = PAPERS[name]
    assert count(getattr(models, name)()) / 1e6 == pytest.approx(millions, abs=half_unit)


def test_liteseg_counts_the_imagenet_classifier_that_it_does_not_use():
    """4.38 M and 3.51 M include the backbones' last linear layers, which segmentation never runs."""
    mobile = count(models.liteseg()) + 1280 * 1000 + 1000
    assert mobile / 1e6 == pytest.approx(4.38, abs=0.005)
    net = models.liteseg_shufflenet()
    convolutions = [m for m in net.backbone.modules() if type(m).__name__ == "Conv2d"]
    biases = sum(m.out_channels for m in convolutions)  # theirs have biases before batch norm, where they do nothing
    stem = 2 * 24  # ours has a batch norm after conv1
    shuffle = count(net) + 1536 * 1000 + 1000 + biases - stem
    assert shuffle / 1e6 == pytest.approx(3.51, abs=0.005)


def test_rates_double_at_output_stride_8():
    def rates(net):
        return [conv[0].dilation[0] for conv in list(net.classifier[0].convs)[1:4]]

    assert rates(models.deeplabv3_resnet50(output_stride=16)) == [6, 12, 18]
    assert rates(models.deeplabv3_resnet50(output_stride=8)) == [12, 24, 36]


def test_cascade_doubles_the_dilation_of_every_block():
    net = models.deeplab_v3_cascade(output_stride=16, multi_grid=(1, 2, 1))
    blocks = [net.backbone.layer4, *list(net.classifier)[:3]]
    assert [[unit.conv2.dilation[0] for unit in block] for block in blocks] == [
        [2, 4, 2],
        [4, 8, 4],
        [8, 16, 8],
        [16, 32, 16],
    ]


@pytest.mark.parametrize("build", [backbones.xception_small, backbones.darknet_small, backbones.shufflenet_v1_small])
@pytest.mark.parametrize("output_stride", [8, 16, 32])
def test_more_backbones_keep_their_promise(build, output_stride):
    backbone = build(output_stride=output_stride).eval()
    with minidl.no_grad():
        features = backbone.pyramid(image(1, 3, 64, 97))
    assert list(features) == list(backbone.stages)
    assert backbone.output_stride == output_stride
    for name, y in features.items():
        stage = backbone.stages[name]
        assert y.shape[1] == stage.channels
        assert 64 // stage.stride == y.shape[2]


def test_any_decoder_takes_any_backbone():
    for build in (backbones.resnet_small, backbones.mobilenet_v2_small, backbones.shufflenet_small):
        backbone = build(output_stride=16)
        low = backbone.at_stride(4)
        for net in (
            models.DeepLabV3Plus(backbone, 4, low, width=16, reduced=8),
            models.LiteSeg(backbone, 4, low, width=16),
            models.DeepLabV1(backbone, 4, hidden=8),
            models.DeepLabV2(backbone, 4),
        ):
            assert net.eval()(image(1, 3, 33, 40))["out"].shape == (1, 4, 33, 40)


def test_multiscale_of_one_scale_is_the_softmax_and_flips_commute():
    net = models.erfnet_small(4).eval()
    x = image(1, 3, 32, 40)
    with minidl.no_grad():
        plain = F.softmax(net(x)["out"], 1).data
    np.testing.assert_allclose(models.predict_multiscale(net, x, (1.0,), flip=False).data, plain, rtol=1e-5, atol=1e-7)
    both = models.predict_multiscale(net, x, (0.75, 1.0)).data
    mirrored = models.predict_multiscale(net, F.flip(x, 3), (0.75, 1.0)).data
    np.testing.assert_allclose(mirrored[..., ::-1], both, rtol=1e-4, atol=1e-6)
    for fuse in ("mean", "max"):
        fused = models.predict_multiscale(net, x, (0.5, 1.0), fuse=fuse).data
        np.testing.assert_allclose(fused.sum(1), 1, rtol=1e-5)
    with pytest.raises(ValueError, match="fuse is 'median'"):
        models.predict_multiscale(net, x, fuse="median")
    with pytest.raises(ValueError, match="all positive"):
        models.predict_multiscale(net, x, scales=(0.0,))


@pytest.mark.parametrize("build", [models.deeplab_v3_small, models.pspnet_small, models.liteseg_small])
def test_a_batch_of_one_cannot_train_with_global_pooling(build):
    net = build(3)
    with pytest.raises(ValueError, match=r"batch of one.*at least two images"):
        net.train()(image(1, 3, 40, 40))
    net.eval()(image(1, 3, 40, 40))


@pytest.mark.parametrize("name", SMALL)
def test_errors_say_what_came_and_what_is_needed(name):
    net = getattr(models, name)(num_classes=3).eval()
    with pytest.raises(ValueError, match=r"input is \(1, 4, 64, 64\); needed \(N, 3, H, W\)"):
        net(image(1, 4, 64, 64))
    if net.min_size > 1:
        with pytest.raises(
            ValueError, match=rf"input is 64x{net.min_size - 1}; needed at least {net.min_size}x{net.min_size}"
        ):
            net(image(1, 3, 64, net.min_size - 1))
    net(image(1, 3, net.min_size, net.min_size))


def test_the_crf_follows_the_picture():
    """A score map shifted by two pixels is pulled back to the edge that the picture shows."""

    class Shifted(minidl.nn.Module):
        def forward(self, x):
            scores = np.zeros((1, 2, *x.shape[2:]), np.float32)
            scores[:, 1] = -1
            scores[:, 1, :, : x.shape[3] // 2 + 2] = 1
            return {"out": minidl.tensor(scores)}

    picture = np.zeros((1, 3, 32, 40), np.uint8)
    picture[..., :20] = 200
    terms = [minidl.crf.Bilateral(sxy=10, srgb=10, compat=10)]
    beliefs = models.predict_crf(Shifted(), image(1, 3, 32, 40), picture, terms=terms)
    assert beliefs.shape == (1, 2, 32, 40)
    np.testing.assert_array_equal(beliefs.argmax(1), picture[:, 0] > 0)
    with pytest.raises(ValueError, match="predict_crf: images are"):
        models.predict_crf(Shifted(), image(1, 3, 32, 40), picture[..., :30])
