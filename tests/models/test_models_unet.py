"""U-Net: the paper's sizes, odd sizes, and tiles that add up to the whole image."""

import numpy as np
import pytest

import minidl
from minidl import functional as F
from minidl import models
from minidl.models.tiling import _mirror


def image(*shape, dtype=np.float32):
    return minidl.tensor(np.random.default_rng(0).standard_normal(shape).astype(dtype))


def test_figure_1():
    net = models.unet_paper()
    assert net.margin == 92
    assert net.input_size(388) == net.input_size(385) == 572
    assert sum(p.numel() for p in net.parameters()) == 31_030_658  # as counted from the figure's sizes


def test_figure_1_sizes_at_a_sixteenth_of_the_width():
    net = models.UNet(1, 2, base=4, padding="valid").eval()
    assert net(image(1, 1, 572, 572))["out"].shape == (1, 2, 388, 388)


@pytest.mark.parametrize("size", [(16, 16), (17, 31), (23, 45), (50, 33)])
@pytest.mark.parametrize("up", ["transposed", "resize"])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_same_padding_takes_any_size(size, up, batch_norm):
    net = models.UNet(2, 5, depth=3, base=4, up=up, batch_norm=batch_norm)
    y = net(image(2, 2, *size))["out"]
    assert y.shape == (2, 5, *size)
    F.mean(y**2).backward()
    assert all(p.grad is not None and np.isfinite(p.grad.data).all() for p in net.parameters())


@pytest.mark.parametrize("size", [(62, 71), (75, 64)])
def test_valid_padding_crops_odd_sizes(size):
    net = models.UNet(1, 3, depth=2, base=4, padding="valid").eval()
    h, w = net(image(1, 1, *size))["out"].shape[2:]
    assert size[0] - 2 * net.margin - 4 < h <= size[0] - 2 * net.margin
    assert size[1] - 2 * net.margin - 4 < w <= size[1] - 2 * net.margin


@pytest.mark.parametrize("up", ["transposed", "resize"])
@pytest.mark.parametrize("tile", [13, 64])
def test_tiles_are_the_whole_image(up, tile):
    net = models.UNet(2, 3, depth=2, base=4, up=up, padding="valid").double().eval()
    x = image(2, 2, 37, 29, dtype=np.float64).data
    rows, cols = (_mirror(-net.margin, net.input_size(n), n) for n in (37, 29))
    whole = net(minidl.tensor(x[:, :, rows][:, :, :, cols]))["out"].data[:, :, :37, :29]
    tiled = models.predict_tiled(net, x, tile=tile)
    np.testing.assert_array_equal(tiled, whole)


def test_tiles_of_a_network_that_pads_agree_away_from_the_border():
    net = models.UNet(1, 3, depth=2, base=4).double().eval()
    x = image(1, 1, 160, 128, dtype=np.float64)
    whole = net(x)["out"].data
    tiled = models.predict_tiled(net, x, tile=48, margin=40)
    inner = np.s_[..., 44:-44, 44:-44]
    np.testing.assert_allclose(tiled[inner], whole[inner], rtol=1e-10, atol=1e-12)


def test_labels_are_written_to_a_file_and_the_mode_is_restored(tmp_path):
    net = models.unet_small(4).train()
    x = image(1, 3, 50, 70)
    out = np.memmap(tmp_path / "labels", np.uint8, "w+", shape=(1, 50, 70))
    labels = models.predict_tiled(net, x, tile=32, margin=32, labels=True, out=out)
    assert labels is out
    assert net.training
    logits = models.predict_tiled(net, x, tile=32, margin=32)
    np.testing.assert_array_equal(np.asarray(out), logits.argmax(1))


def test_mirror_repeats_no_edge_and_reflects_often():
    assert _mirror(-3, 10, 4).tolist() == [3, 2, 1, 0, 1, 2, 3, 2, 1, 0]
    assert _mirror(-2, 4, 1).tolist() == [0, 0, 0, 0]


def test_errors():
    with pytest.raises(ValueError, match="up='bicubic'"):
        models.unet(up="bicubic")
    with pytest.raises(ValueError, match="depth=0"):
        models.unet(depth=0)
    with pytest.raises(ValueError, match="num_classes is 0"):
        models.unet(num_classes=0)
    with pytest.raises(ValueError, match=r"UNet: input is 7x40; needed at least 8x8"):
        models.unet_small(3)(image(1, 3, 7, 40))
    with pytest.raises(ValueError, match=r"input is \(1, 1, 40, 40\); needed \(N, 3, H, W\)"):
        models.unet_small(3)(image(1, 1, 40, 40))
    with pytest.raises(ValueError, match="needs at least 188x188 for one pixel"):
        models.UNet(3, 2, base=4, padding="valid")(image(1, 3, 100, 400))
    with pytest.raises(ValueError, match="needed at least 8, the step"):
        models.predict_tiled(models.unet_small(3), image(1, 3, 40, 40), tile=7, margin=8)
    with pytest.raises(ValueError, match="pass margin"):
        models.predict_tiled(models.unet_small(3), image(1, 3, 40, 40))
