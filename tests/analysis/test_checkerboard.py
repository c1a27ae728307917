"""Overlap maps against closed forms and against the library's own transposed convolution with weights of 1."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import minidl
from minidl import backend, nn
from minidl import functional as F
from minidl.analysis.checkerboard import checkerboard_excess, checkerboard_spectrum, overlap_map, overlap_ratio


def interior(line, margin=8):
    return line[margin:-margin].tolist()


def test_kernel_3_stride_2_alternates():
    layer = {"kernel_size": 3, "stride": 2}
    assert overlap_map(layer, 4).tolist() == [1, 1, 2, 1, 2, 1, 2, 1, 1]
    assert set(interior(overlap_map(layer, 20))) == {1, 2}
    square = overlap_map(layer, (20, 20))[8:-8, 8:-8]
    assert np.unique(square).tolist() == [1, 2, 4]
    assert overlap_ratio(layer, 1) == 2 and overlap_ratio(layer) == 4


def test_kernel_5_stride_2():
    layer = {"kernel_size": 5, "stride": 2}
    assert np.unique(overlap_map(layer, (20, 20))[8:-8, 8:-8]).tolist() == [4, 6, 9]
    assert overlap_ratio(layer, 1) == 1.5 and overlap_ratio(layer) == 2.25


@pytest.mark.parametrize("stride", range(1, 6))
@pytest.mark.parametrize("factor", range(1, 4))
def test_kernels_divisible_by_the_stride_are_even(stride, factor):
    layer = {"kernel_size": stride * factor, "stride": stride}
    assert overlap_ratio(layer) == 1
    assert set(interior(overlap_map(layer, 40), 2 * stride * factor)) == {factor}


def test_holes_and_chains():
    assert overlap_ratio({"kernel_size": 2, "stride": 3}) == math.inf
    once = {"kernel_size": 3, "stride": 2}
    assert overlap_ratio([once, once], 1) == 3 == overlap_ratio([once] * 2) ** 0.5  # 1, 3, 2, 3
    assert overlap_ratio([once, {"kernel_size": 2, "stride": 2}], 1) == 2  # an even layer passes the pattern on
    assert overlap_ratio([once, {"kernel_size": 2}], 1) == 1  # a blur over one period removes it
    cure = [nn.Upsample(scale_factor=2), nn.Conv2d(1, 1, 3, padding=1), nn.ReLU()]
    assert overlap_ratio(cure) == 1 and overlap_map(cure, (6, 5)).shape == (12, 10)
    assert overlap_ratio(nn.PixelShuffle(3)) == 1
    assert overlap_ratio({"kernel_size": (3, 4), "stride": 2}) == 2  # uneven along y alone


geometries = st.fixed_dictionaries(
    {
        "kernel_size": st.tuples(st.integers(1, 5), st.integers(1, 5)),
        "stride": st.tuples(st.integers(1, 4), st.integers(1, 4)),
        "padding": st.tuples(st.integers(0, 2), st.integers(0, 2)),
        "output_padding": st.tuples(st.integers(0, 1), st.integers(0, 1)),
        "dilation": st.tuples(st.integers(1, 2), st.integers(1, 2)),
    }
)


@given(st.lists(geometries, min_size=1, max_size=2), st.tuples(st.integers(1, 6), st.integers(1, 6)))
@settings(deadline=None, max_examples=60)
def test_the_map_is_a_chain_of_transposed_convolutions_of_ones(chain, size):
    x = minidl.tensor(np.ones((1, 1, *size)))
    for g in chain:
        assume(all(o < s for o, s in zip(g["output_padding"], g["stride"])))
        room = [
            (n - 1) * s + d * (k - 1) + 1 + o - 2 * p
            for n, s, d, k, o, p in zip(
                x.shape[2:], g["stride"], g["dilation"], g["kernel_size"], g["output_padding"], g["padding"]
            )
        ]
        assume(min(room) > 0)
        geometry = {k: v for k, v in g.items() if k != "kernel_size"}
        with backend.use("reference"):
            x = F.conv_transpose2d(x, minidl.tensor(np.ones((1, 1, *g["kernel_size"]))), **geometry)
    assert np.array_equal(overlap_map(chain, size), x.data[0, 0])
    layers = [nn.ConvTranspose2d(1, 1, **g) for g in chain]
    assert np.array_equal(overlap_map(nn.Sequential(*layers), size), x.data[0, 0])


def test_a_convolution_counts_as_its_transpose():
    ones = minidl.tensor(np.ones((1, 1, 7, 6)))
    for options in ({"padding": 1}, {"padding": 0, "dilation": 2}, {"padding": "same"}, {"padding": "valid"}):
        conv = nn.Conv2d(1, 1, 3, bias=False, **options).double()
        conv.weight.data[:] = 1
        with backend.use("reference"):
            assert np.array_equal(overlap_map(conv, (7, 6)), conv(ones).data[0, 0])


def test_the_gradient_of_a_strided_convolution_has_the_same_pattern():
    x = minidl.tensor(np.zeros((1, 1, 21, 21)), requires_grad=True)
    with backend.use("reference"):
        F.conv2d(x, minidl.tensor(np.ones((1, 1, 3, 3))), stride=2).sum().backward()
    assert np.array_equal(x.grad.data[0, 0], overlap_map({"kernel_size": 3, "stride": 2}, (10, 10)))


def test_refusals():
    for bad, text in [
        ({"kernel_size": 0}, "kernel_size is 0"),
        ({"kernel_size": 3, "stride": 2, "output_padding": 2}, r"needed 0\.\.1"),
        ({"kernel_size": 1, "padding": 20}, "leave no output"),
        ({"kernel_size": 1, "size": 3}, "unknown entries"),
        ([nn.ReLU()], "the chain has no layer"),
        (nn.Conv2d(1, 1, 3, stride=2), "stride 1"),
        (nn.Conv2d(1, 1, 3, padding=2), "larger"),
        (nn.Conv2d(1, 1, 2, padding="same"), "half a pixel"),
        (nn.Upsample(scale_factor=2, mode="bilinear"), "nearest"),
        (nn.Upsample(size=(4, 4)), "scale_factor"),
    ]:
        with pytest.raises(ValueError, match=text):
            overlap_map(bad)
    with pytest.raises(TypeError, match="MaxPool2d"):
        overlap_map(nn.MaxPool2d(2))
    with pytest.raises(ValueError, match="size is"):
        overlap_map({"kernel_size": 3}, (1, 2, 3))
    with pytest.raises(ValueError, match="at least 8 x 8"):
        checkerboard_spectrum(np.zeros((4, 9)))


def test_spectrum_finds_the_period():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:64, :96]
    noise = rng.standard_normal((64, 96))
    assert all(checkerboard_excess(noise, period) < 3 for period in (2, 4))
    for period in (2, 4):
        pattern = np.where((x % period < period // 2) ^ (y % period < period // 2), 1.0, -1.0)
        assert checkerboard_excess(noise + pattern, period) > 10
    stripes = np.where(x % 4 < 2, 1.0, -1.0)
    assert checkerboard_excess(noise + stripes, 4) > 10 > 3 > checkerboard_excess(noise + stripes, 2)
    frequencies, power = checkerboard_spectrum(np.dstack([noise] * 3))
    assert frequencies[0] == 0 and frequencies[-1] == 0.5
    assert power[2:].mean() == pytest.approx(1, rel=0.2)  # white noise of variance 1


def test_random_weights_show_the_pattern_before_any_training():
    coarse = minidl.tensor(np.random.default_rng(1).standard_normal((1, 8, 6, 6)).astype(np.float32))
    smooth = F.interpolate(coarse, size=(32, 32), mode="bilinear")

    def generate(up):
        minidl.manual_seed(3)
        with backend.use("reference"):
            return nn.Sequential(*up(8), nn.ReLU(), *up(3), nn.Tanh())(smooth).data[0].transpose(1, 2, 0)

    uneven = generate(lambda C: [nn.ConvTranspose2d(8, C, 3, stride=2)])
    cured = generate(lambda C: [nn.Upsample(scale_factor=2), nn.Conv2d(8, C, 3, padding=1)])
    for period in (2, 4):
        assert checkerboard_excess(uneven, period) > 20 > 10 > checkerboard_excess(cured, period)
