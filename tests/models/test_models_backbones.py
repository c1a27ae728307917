"""Backbones: torchvision's names, shapes and outputs; features by name with the stride and channels they promise."""

import json
from pathlib import Path

import numpy as np
import pytest
from goldens import recipe

import minidl
from minidl import models
from minidl.models import backbones

GOLDENS = Path(__file__).parents[1] / "goldens"
KEYS = json.loads((GOLDENS / "keys.json").read_text())


@pytest.fixture(scope="module")
def outputs():
    with np.load(GOLDENS / "torchvision.npz") as archive:
        return dict(archive)


def image(*shape):
    return minidl.tensor(recipe.image(*shape))


@pytest.mark.parametrize("name", ["alexnet", "vgg16", "resnet18", "resnet50", "mobilenet_v2", "shufflenet_v2_x1_0"])
def test_goldens(name, outputs):
    model = getattr(models, name)().eval()
    assert {k: list(v.shape) for k, v in model.state_dict().items()} == KEYS[name]
    model.load_state_dict(recipe.weights(KEYS[name]))
    with minidl.no_grad():
        y = model(image(*outputs[f"{name}/input_shape"])).numpy()
    expected = outputs[f"{name}/out"]
    assert np.abs(y - expected).max() < 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("resnet34", 21.80),
        ("mobilenet_v1", 4.23),
        ("shufflenet_v2_x0_5", 1.37),
    ],
)
def test_parameter_counts(name, millions):
    assert sum(p.numel() for p in getattr(models, name)().parameters()) / 1e6 == pytest.approx(millions, abs=0.005)


SMALL = [
    backbones.vgg_small,
    backbones.resnet_small,
    backbones.mobilenet_small,
    backbones.mobilenet_v2_small,
    backbones.shufflenet_small,
]


@pytest.mark.parametrize("size", [(64, 96), (65, 61)])
@pytest.mark.parametrize("output_stride", [8, 16, 32])
@pytest.mark.parametrize("build", SMALL)
def test_stages_keep_their_promise(build, output_stride, size):
    backbone = build(output_stride=output_stride).eval()
    assert backbone.output_stride == output_stride
    with minidl.no_grad():
        features = backbone.pyramid(image(1, 3, *size))
    assert list(features) == list(backbone.stages)
    for name, y in features.items():
        stage = backbone.stages[name]
        assert y.shape[1] == stage.channels
        assert all(n // stage.stride <= m <= -(-n // stage.stride) for n, m in zip(size, y.shape[2:]))


@pytest.mark.parametrize("build", SMALL)
def test_dilation_changes_no_parameter(build):
    shapes = [{k: v.shape for k, v in build(output_stride=s).state_dict().items()} for s in (8, 16, 32)]
    assert shapes[0] == shapes[1] == shapes[2]


@pytest.mark.parametrize(
    "build", [b for b in SMALL if b is not backbones.vgg_small]
)  # DeepLab v1 changes VGG's pools, too
def test_dilation_keeps_what_the_stride_kept(build):
    """The finer map has the coarser one at every second or fourth cell: nothing was changed, only more computed."""
    minidl.manual_seed(0)
    coarse = build(output_stride=32).eval()
    x = image(1, 3, 64, 96)
    with minidl.no_grad():
        expected = list(coarse.pyramid(x).values())[-1].data
        for output_stride in (8, 16):
            fine = build(output_stride=output_stride).eval()
            fine.load_state_dict(coarse.state_dict())
            step = 32 // output_stride
            y = list(fine.pyramid(x).values())[-1].data[:, :, ::step, ::step]
            assert np.abs(y - expected).max() <= 1e-4 * np.abs(expected).max()


def test_at_stride_gives_the_deepest_and_lists_what_there_is():
    assert backbones.resnet_small(output_stride=8).at_stride(8) == "layer4"
    assert backbones.resnet_small().at_stride(8) == "layer2"
    with pytest.raises(ValueError, match=r"no stage has stride 2; it offers layer1 \(stride 4\)"):
        backbones.resnet_small().at_stride(2)


def test_first_cell_lies_where_the_stage_says():
    """The gradient of the first cell is centred on the stage's `centre`: a convolution that sees symmetrically."""
    backbone = backbones.alexnet(None)
    for stage in ("conv1", "pool2"):
        for layer in backbone.features:
            if hasattr(layer, "weight"):
                layer.weight.data[...] = 1
                layer.bias.data[...] = 1
        x = minidl.tensor(np.ones((1, 3, 127, 127)), dtype=np.float32, requires_grad=True)
        y = backbone.pyramid(x)[stage]
        far = 3  # a cell away from the border, where padding cuts the window
        y[0, 0, far].sum().backward()
        rows = np.abs(x.grad.numpy()).sum((0, 1, 3))
        rows = np.flatnonzero(rows)
        expected = backbone.stages[stage].centre + far * backbone.stages[stage].stride
        assert stage != "conv1" or (rows[0] + rows[-1]) / 2 == expected
        assert abs((rows[0] + rows[-1]) / 2 - expected) <= backbone.stages[stage].stride


def test_multi_grid_and_replaced_strides():
    plain = backbones.resnet50(None, output_stride=8)
    assert [b.conv2.dilation[0] for b in plain.layer4] == [2, 4, 4]  # torchvision: the first block keeps the old rate
    assert [b.conv2.dilation[0] for b in plain.layer3] == [1, 2, 2, 2, 2, 2]
    grid = backbones.resnet50(None, output_stride=16, multi_grid=(1, 2, 4))
    assert [b.conv2.dilation[0] for b in grid.layer4] == [2, 4, 8]
    same = backbones.resnet50(None, replace_stride_with_dilation=[False, True, True])
    assert same.output_stride == 8
    with pytest.raises(ValueError, match="replace_stride_with_dilation"):
        backbones.resnet18(None, replace_stride_with_dilation=[True, False, False])
    with pytest.raises(ValueError, match="multi_grid"):
        backbones.resnet18(None, multi_grid=(1, 2, 4))


def test_channel_shuffle_is_its_own_inverse_with_the_other_count():
    x = image(1, 6, 2, 3)
    y = backbones.shufflenet.channel_shuffle(x, 2)
    assert y.numpy()[0, :, 0, 0].tolist() == x.numpy()[0, [0, 3, 1, 4, 2, 5], 0, 0].tolist()
    assert np.array_equal(backbones.shufflenet.channel_shuffle(y, 3).numpy(), x.numpy())


@pytest.mark.parametrize("build", SMALL)
def test_errors(build):
    backbone = build()
    with pytest.raises(RuntimeError, match=r"no classification head; call pyramid"):
        backbone(image(1, 3, 32, 32))
    with pytest.raises(ValueError, match=r"input is \(1, 4, 32, 32\); needed \(N, 3, H, W\)"):
        backbone.pyramid(image(1, 4, 32, 32))
    with pytest.raises(ValueError, match="output_stride is 4"):
        build(output_stride=4)


def test_too_small_for_the_pools():
    with pytest.raises(ValueError, match="at least 32x32"):
        backbones.vgg_small().pyramid(image(1, 3, 31, 64))
    with pytest.raises(ValueError, match="at least 63x63"):
        backbones.alexnet(None).pyramid(image(1, 3, 62, 64))
