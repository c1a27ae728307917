"""Hypercolumns: both orders of scoring and enlarging agree, columns are aligned with pixels, cells with their regions."""

import numpy as np
import pytest

import minidl
from minidl import functional as F
from minidl import models, nn
from minidl.models import backbones
from minidl.models.segmentation.hypercolumn import enlarge
from minidl.train import optim


def image(*shape, seed=0):
    return minidl.tensor(np.random.default_rng(seed).standard_normal(shape).astype(np.float32))


def lively(net, seed=0):
    """Weights and biases that do not hide a mistake behind zeros."""
    rng = np.random.default_rng(seed)
    for p in (*(score.weight for score in net.score), net.bias):
        p.data[...] = 0.2 * rng.standard_normal(p.shape)
    return net.eval()


def both_ways(net, *inputs):
    """The scores of the efficient form and of stacked columns, and the gradients of one of the layers' weights."""
    results = []
    for net.efficient in (True, False):
        net.zero_grad()
        y = net(*inputs)
        y = y["out"] if isinstance(y, dict) else y
        F.mean(y**2).backward()
        results.append((y.data, [score.weight.grad.data.copy() for score in net.score]))
    return results


def assert_same(results):
    (a, first), (b, second) = results
    assert np.abs(a).max() > 0.1 and np.abs(a - b).max() <= 1e-5 * max(1, np.abs(a).max())
    for g, h in zip(first, second):
        assert np.abs(g).max() > 0 and np.abs(g - h).max() <= 1e-5 * np.abs(g).max() + 1e-7


BUILDS = {
    "vgg": lambda: (backbones.vgg_small(base=4), ("pool1", "pool3", "pool5"), {}),
    "vgg, fc7": lambda: (backbones.vgg_small(base=4), ("pool2", "fc7"), {"hidden": 8, "kernel": 3}),
    "resnet": lambda: (backbones.resnet_small(), ("layer1", "layer4"), {}),
    "mobilenet": lambda: (backbones.mobilenet_v2_small(), None, {}),
}


@pytest.mark.parametrize("grid", [1, 3])
@pytest.mark.parametrize("name", BUILDS)
def test_scoring_first_equals_stacking_first(name, grid):
    backbone, layers, options = BUILDS[name]()
    layers = layers or tuple(backbone.stages)
    net = lively(models.Hypercolumn(backbone, 3, layers, grid=grid, **options))
    assert_same(both_ways(net, image(2, 3, 45, 70)))


@pytest.mark.parametrize("grid", [1, 4])
def test_scoring_first_equals_stacking_first_in_boxes(grid):
    backbone = backbones.vgg_small(base=4)
    net = lively(models.BoxHypercolumn(backbone, 2, ("pool1", "pool4"), grid=grid, size=9))
    boxes = [np.array([[3, 4, 50, 40.0]]), np.zeros((0, 4)), np.array([[-9, 0, 70, 61], [10.5, 20, 30, 25]])]
    assert_same(both_ways(net, image(3, 3, 45, 64), boxes))
    listed = net(image(3, 3, 45, 64), boxes)
    assert listed.shape == (3, 2, 9, 9)
    numbered = np.concatenate([np.c_[np.full(len(b), n), b] for n, b in enumerate(boxes)])
    np.testing.assert_array_equal(net(image(3, 3, 45, 64), numbered).data, listed.data)


def test_double_precision():
    net = lively(models.Hypercolumn(backbones.vgg_small(base=4), 3, ("pool1", "pool4"), grid=2)).double()
    x = minidl.tensor(np.random.default_rng(0).standard_normal((1, 3, 33, 40)))
    (a, _), (b, _) = both_ways(net, x)
    assert a.dtype == np.float64 and np.abs(a - b).max() < 1e-13


@pytest.mark.parametrize("build", [backbones.vgg_small, backbones.resnet_small, lambda: backbones.alexnet(None)])
def test_columns_lie_where_their_pixels_are(build):
    """A map of each cell's own place, enlarged, gives each pixel its place, to half a pixel away from the border."""
    backbone = build()
    H, W = 192, 224
    with minidl.no_grad():
        found = backbone.pyramid(image(1, 3, H, W))
    for name, stage in backbone.stages.items():
        h, w = found[name].shape[2:]
        at = [stage.centre + stage.stride * np.arange(n) for n in (h, w)]
        place = np.stack(np.meshgrid(*at, indexing="ij")).astype(np.float32)[None]
        y, x = enlarge(minidl.tensor(place), stage, H, W).data[0]
        first, last = np.ceil([a[0] for a in at]).astype(int), np.floor([a[-1] for a in at]).astype(int)
        assert np.abs(y[first[0] : last[0], 0] - np.arange(first[0], last[0])).max() <= 0.5 + 1e-3
        assert np.abs(x[0, first[1] : last[1]] - np.arange(first[1], last[1])).max() <= 0.5 + 1e-3


def test_boxes_read_the_columns_at_their_points():
    """The scores of a box that covers the image, at its size, are the image's, away from the border."""
    backbone = backbones.vgg_small(base=4).eval()
    whole = lively(models.Hypercolumn(backbone, 2, ("pool1", "pool2")))
    boxed = lively(models.BoxHypercolumn(backbone, 2, ("pool1", "pool2"), grid=1, size=64))
    x = image(1, 3, 64, 64)
    np.testing.assert_allclose(boxed(x, [np.array([[0, 0, 64, 64.0]])]).data, whole(x)["out"].data, atol=1e-5)
    part = boxed(x, [np.array([[16, 24, 48, 56.0]])]).data  # 64 points for 32 pixels: pairs around each centre
    pairs = part.reshape(1, 2, 32, 2, 32, 2).mean((3, 5))
    inside = whole(x)["out"].data[:, :, 24:56, 16:48]
    assert np.abs(pairs - inside).mean() < 0.05 * np.abs(inside).mean()


@pytest.mark.parametrize("build", [backbones.vgg_small, backbones.resnet_small, lambda: backbones.alexnet(None)])
def test_boxes_read_exactly_where_their_points_are(build, monkeypatch):
    backbone = build()
    name, stage = list(backbone.stages.items())[1]
    net = models.BoxHypercolumn(backbone, 2, (name,), grid=1, size=5).eval()
    at = (stage.centre + stage.stride * np.arange(24)).astype(np.float32)
    maps = np.zeros((1, stage.channels, 24, 24), np.float32)
    maps[0, 0], maps[0, 1] = at[:, None], at[None]  # every cell holds its own pixel, y and x
    monkeypatch.setattr(net, "features", lambda x: [minidl.tensor(maps)])
    net.score[0].weight.data[...] = np.eye(2, stage.channels).reshape(2, -1, 1, 1)
    (y1, y2), (x1, x2) = (31.25, 44.0), (40.0, 52.5)
    y, x = net(image(1, 3, 96, 96), [np.array([[x1, y1, x2, y2]])]).data[0]
    points = (np.arange(5) + 0.5) / 5
    np.testing.assert_allclose(y[:, 2], y1 + points * (y2 - y1) - 0.5, atol=1e-3)  # pixel k is centred on k + 1/2
    np.testing.assert_allclose(x[2], x1 + points * (x2 - x1) - 0.5, atol=1e-3)


def test_each_cell_of_the_grid_has_its_own_classifier():
    net = models.Hypercolumn(backbones.vgg_small(base=4), 2, ("pool1",), grid=2).eval()
    net.score[0].weight.data[...] = 0
    net.bias.data[...] = np.arange(8)  # class c, cell k: 4 c + k
    y = net(image(1, 3, 64, 64))["out"].data[0]
    np.testing.assert_allclose(y[0, [0, 0, 63, 63], [0, 63, 0, 63]], [0, 1, 2, 3], atol=1e-6)
    np.testing.assert_allclose(y[1] - y[0], 4, atol=1e-6)
    assert np.abs(y[0, 31:33, 31:33].mean() - 1.5) < 1e-6  # all four count as much in the middle
    np.testing.assert_allclose(np.diff(y[0, 20, 16:48]), 1 / 32, atol=1e-5)  # linear between the cells' centres


def test_the_columns_themselves():
    net = models.hypercolumn_small(3)
    columns = net.hypercolumns(image(1, 3, 32, 64))
    assert columns.shape == (1, sum(s.channels for s in net.layers.values()), 32, 64)
    with pytest.raises(ValueError, match="input is 33x64; needed multiples of 32"):
        net.hypercolumns(image(1, 3, 33, 64))


def test_the_papers_layers():
    net = models.hypercolumn(21, hidden=16, layers=("pool2", "conv4", "fc7"))
    assert [tuple(s) for s in net.layers.values()] == [(16, 192, 15), (16, 256, 15), (32, 16, 15)]
    assert net.eval()(image(1, 3, 100, 131))["out"].shape == (1, 21, 100, 131)
    assert models.box_hypercolumn(1, hidden=16, grid=2).eval()(image(1, 3, 64, 64), [[[0, 0, 64, 50]]]).shape[1:] == (
        1,
        50,
        50,
    )


def test_fully_connected_layers_come_from_the_classifier():
    classifier = backbones.alexnet(None)
    classifier.classifier = nn.Sequential(nn.Linear(256 * 36, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU())
    net = models.Hypercolumn(backbones.alexnet(None), 3, ("fc7",), hidden=8, kernel=6).load_classifier(classifier)
    np.testing.assert_array_equal(net.fc6.weight.data.ravel(), classifier.classifier[0].weight.data.ravel())
    with pytest.raises(ValueError, match=r"Hypercolumn\.load_classifier: a layer"):
        models.Hypercolumn(backbones.alexnet(None), 3, ("fc7",), hidden=9, kernel=6).load_classifier(classifier)


def test_learns_to_fill_boxes():
    """Discs in boxes: inside or outside, from the image and from where in the box."""
    minidl.manual_seed(0)
    rng = np.random.default_rng(0)
    net = models.BoxHypercolumn(backbones.vgg_small(base=4), 1, ("pool1", "pool2", "pool5"), grid=3, size=12)
    optimizer = optim.AdamW(list(net.parameters()), lr=0.01)
    y, x = np.mgrid[-1 + 1 / 12 : 1 - 1 / 12 : 12j, -1 + 1 / 12 : 1 - 1 / 12 : 12j]
    disc = (x**2 + y**2 < 1).astype(np.float32)
    losses = []
    for _ in range(25):
        corner, side = rng.uniform(0, 20, (4, 2)), rng.uniform(20, 40, (4, 2))
        boxes = np.concatenate([np.arange(4)[:, None], corner, corner + side], axis=1)
        pictures = rng.standard_normal((4, 3, 64, 64)).astype(np.float32)
        for picture, (_, x1, y1, x2, y2) in zip(pictures, boxes):
            v, u = np.mgrid[0.5:64, 0.5:64]
            picture += 3 * ((2 * (u - x1) / (x2 - x1) - 1) ** 2 + (2 * (v - y1) / (y2 - y1) - 1) ** 2 < 1)
        scores = net(minidl.tensor(pictures), boxes)
        loss = F.binary_cross_entropy_with_logits(scores, minidl.tensor(np.tile(disc, (4, 1, 1, 1))))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    assert np.mean(losses[-3:]) < 0.4 < 0.6 < losses[0]
    right = ((scores.data > 0) == (disc > 0)).mean()
    assert right > 0.85


@pytest.mark.parametrize("grid", [1, 3])
def test_exported_networks_give_the_same_scores_at_any_size(grid, tmp_path):
    pytest.importorskip("onnx")
    ort = pytest.importorskip("onnxruntime")
    from minidl.export import export_onnx

    for number, (backbone, layers) in enumerate(
        [(backbones.vgg_small(base=4), ("pool1", "pool5")), (backbones.resnet_small(), ("layer1", "layer3"))]
    ):
        net = lively(models.Hypercolumn(backbone, 3, layers, grid=grid))
        session = ort.InferenceSession(
            export_onnx(net, tmp_path / f"{number}.onnx"), providers=["CPUExecutionProvider"]
        )
        for size in ((1, 64, 64), (2, 71, 50)):
            x = image(size[0], 3, *size[1:])
            with minidl.no_grad():
                expected = net(x)["out"].data
            (y,) = session.run(None, {"image": x.data})
            assert y.shape == expected.shape and np.abs(y - expected).max() < 1e-4 * np.abs(expected).max()


def test_bad_input_is_refused():
    backbone = backbones.vgg_small(base=4)
    with pytest.raises(ValueError, match=r"Hypercolumn: layers \['pool9'\]; needed some of pool1, .*fc7"):
        models.Hypercolumn(backbone, 3, ("pool1", "pool9"))
    with pytest.raises(ValueError, match=r"layers \(\), grid 1"):
        models.Hypercolumn(backbone, 3, ())
    with pytest.raises(ValueError, match="grid 0"):
        models.BoxHypercolumn(backbone, 3, ("pool1",), grid=0)
    net = models.BoxHypercolumn(backbone, 3, ("pool1",))
    with pytest.raises(ValueError, match=r"BoxHypercolumn: input is \(1, 4, 64, 64\); needed \(N, 3, H, W\)"):
        net(image(1, 4, 64, 64), [np.zeros((0, 4))])
    with pytest.raises(ValueError, match="input is 16x64; needed at least 32x32"):
        net(image(1, 3, 16, 64), [np.zeros((0, 4))])
