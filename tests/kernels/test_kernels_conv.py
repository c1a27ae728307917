"""The convolution rows of the kernel table: both columns, every algorithm, all geometries."""

import multiprocessing
import os
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minidl.kernels import cpu, reference
from minidl.kernels.cpu.conv import choice as conv
from minidl.kernels.cpu.conv import (
    depthwise,
    dilated,
    dilated_weight,
    direct_channels,
    direct_channels_weight,
    direct_pixels,
    implicit_gemm,
    winograd,
    winograd_plan,
    winograd_weight,
)
from minidl.kernels.geometry import Geometry

import minidl


def rand(seed, *shape, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def loops(x, w, geometry):
    """The formula of the kernel table, one multiplication at a time."""
    (N, _, H, W), (O, Cg, kh, kw), g = x.shape, w.shape, geometry
    y = np.zeros((N, O, *g.output_size((H, W))))
    for n, o, i, j in np.ndindex(y.shape):
        for c, k, l in np.ndindex(Cg, kh, kw):
            h, v = (
                i * g.stride[0] + k * g.dilation[0] - g.padding[0],
                j * g.stride[1] + l * g.dilation[1] - g.padding[1],
            )
            if 0 <= h < H and 0 <= v < W:
                y[n, o, i, j] += w[o, c, k, l] * x[n, o // (O // g.groups) * Cg + c, h, v]
    return y


def near(came, needed, tolerance):
    assert came.shape == needed.shape
    if came.size:
        assert np.abs(came - needed).max() <= tolerance * max(np.abs(needed).max(), 1e-30)


pairs = lambda low, high: st.tuples(st.integers(low, high), st.integers(low, high))
RATES = pairs(1, 3)
EQUAL = st.integers(1, 3).map(lambda d: (d, d))


@st.composite
def problems(draw, kernel=None, stride=None, dilation=RATES, depthwise=False, least=1, most=7):
    """(seed, N, C, O, size, geometry), sizes from one row on, channels off every multiple of a vector."""
    groups = draw(st.integers(2, 9) if depthwise else st.integers(1, 3))
    C = groups if depthwise else groups * draw(st.integers(least, most))
    O = groups if depthwise else groups * draw(st.integers(least, most))
    geometry = Geometry(
        kernel or draw(pairs(1, 5)),
        stride or draw(pairs(1, 3)),
        draw(pairs(0, 4)),
        draw(dilation),
        groups,
    )
    size = draw(pairs(1, 37).filter(lambda s: min(geometry.output_size(s)) >= 1))
    return draw(st.integers(0, 99)), draw(st.integers(0, 3)), C, O, size, geometry


def compare(problem, forward, data, weight, dtype, tolerance):
    """The three convolutions, or two if `weight` is None, against the reference column in float64."""
    seed, N, C, O, size, g = problem
    x, w, b, c = (
        rand(seed, N, C, *size),
        rand(seed + 1, O, C // g.groups, *g.kernel),
        rand(seed + 2, O),
        rand(seed + 3, C),
    )
    x, w, b, c = (a.astype(dtype) for a in (x, w, b, c))
    wide = lambda *arrays: (a.astype(np.float64) for a in arrays)
    near(forward(x, w, b, g), reference.conv2d(*wide(x, w, b), g), tolerance)
    y = rand(seed + 4, N, O, *g.output_size(size)).astype(dtype)
    near(data(y, w, c, size, g), reference.conv_transpose2d(*wide(y, w, c), size, g), tolerance)
    if weight:
        near(weight(x, y, g), reference.conv2d_weight(*wide(x, y), g), tolerance)


exact = pytest.mark.parametrize("dtype, tolerance", [(np.float64, 1e-12), (np.float32, 1e-5)])
sweep = settings(deadline=None, max_examples=40)


@exact
@sweep
@given(problems())
def test_direct_pixels(dtype, tolerance, problem):
    compare(problem, direct_pixels.conv2d, direct_pixels.conv_transpose2d, None, dtype, tolerance)


@exact
@sweep
@given(st.data())
def test_direct_pixels_wider_than_a_run(dtype, tolerance, data):
    """Results as wide as a tile are stored without a strip, 4 to 6 rows at a time; 3 and 5 channels are not."""
    kernel, padding = data.draw(st.sampled_from([(3, 3), (1, 1), (2, 5)])), data.draw(pairs(0, 2))
    size = data.draw(st.integers(3, 12)), data.draw(st.integers(28, 70))
    channels = data.draw(pairs(1, 14))
    problem = data.draw(st.integers(0, 99)), 2, *channels, size, Geometry(kernel, padding=padding)
    compare(problem, direct_pixels.conv2d, direct_pixels.conv_transpose2d, None, dtype, tolerance)


@exact
@sweep
@given(problems(least=implicit_gemm.MIN_ROWS, most=20))
def test_implicit_gemm(dtype, tolerance, problem):
    g = problem[-1]
    serves = g.stride == (1, 1) or (g.kernel, g.padding) == ((1, 1), (0, 0))
    data = implicit_gemm.conv_transpose2d if serves else cpu.conv_transpose2d
    compare(problem, implicit_gemm.conv2d, data, None, dtype, tolerance)


@exact
@pytest.mark.parametrize(
    "problem",
    [
        (0, 2, 300, 70, (17, 19), Geometry((1, 1))),  # several blocks of the sum, chunks of pixels
        (1, 2, 270, 47, (20, 70), Geometry((1, 1), padding=(1, 2))),
        (2, 1, 40, 33, (37, 41), Geometry((3, 1), padding=(0, 1), dilation=(2, 3))),
        (3, 1, 70, 41, (7, 7), Geometry((7, 7), padding=(3, 3))),  # few pixels: weights stay where they are
        (4, 3, 530, 9, (3, 5), Geometry((1, 1))),
        (5, 1, 300, 8, (1, 1), Geometry((3, 3), padding=(1, 1))),
        (6, 1, 18, 12, (300, 5), Geometry((1, 1), groups=2)),
        (7, 2, 18, 12, (31, 20), Geometry((1, 1), (2, 3), groups=3)),
        (8, 1, 9, 40, (1, 8), Geometry((1, 1), (2, 2))),
        (9, 2, 17, 9, (9, 69), Geometry((1, 1), (2, 2))),  # rows spread in vectors
        (
            10,
            1,
            8,
            300,
            (18, 70),
            Geometry((2, 2), (2, 2)),
        ),  # squares of pixels: several blocks, chunks, rows of a chunk
        (11, 2, 12, 14, (2, 6), Geometry((2, 2), (2, 2), groups=2)),
        (12, 3, 4, 20, (40, 34), Geometry((2, 2), (2, 2), groups=2)),
    ],
)
def test_implicit_gemm_of_blocks_and_chunks(dtype, tolerance, problem):
    compare(problem, implicit_gemm.conv2d, implicit_gemm.conv_transpose2d, None, dtype, tolerance)


CHANNELS = direct_channels.conv2d, direct_channels.conv_transpose2d, direct_channels_weight.conv2d_weight
ZONES = dilated.conv2d, dilated.conv_transpose2d, dilated_weight.conv2d_weight


@exact
@sweep
@given(problems(most=20))
def test_channels(dtype, tolerance, problem):
    compare(problem, *CHANNELS, dtype, tolerance)


@exact
@sweep
@given(problems(kernel=(1, 1), most=20))
def test_channels_of_single_pixels(dtype, tolerance, problem):
    compare(problem, *CHANNELS, dtype, tolerance)


@exact
@pytest.mark.parametrize(
    "problem",
    [
        (0, 2, 200, 70, (17, 19), Geometry((1, 1))),  # several chunks of channels, one row of pixels
        (1, 2, 37, 45, (20, 70), Geometry((3, 3), (2, 2), (1, 1))),
        (2, 1, 50, 24, (64, 66), Geometry((2, 2), (2, 2))),
        (3, 2, 21, 21, (48, 40), Geometry((16, 16), (8, 8), (4, 4))),
        (4, 1, 3, 40, (50, 300), Geometry((7, 7), (2, 2), (3, 3))),
        (5, 1, 70, 33, (5, 700), Geometry((5, 5), (1, 1), (2, 2))),  # columns are cut as well
        (6, 1, 40, 20, (33, 35), Geometry((3, 3), (1, 1), (18, 18), (18, 18))),
        (7, 2, 40, 600, (6, 7), Geometry((3, 3), (2, 3), (1, 0))),
    ],
)
def test_channels_in_several_tiles(dtype, tolerance, problem):
    compare(problem, *CHANNELS, dtype, tolerance)


DEPTHWISE = depthwise.conv2d, depthwise.conv_transpose2d, depthwise.conv2d_weight


@exact
@sweep
@given(problems(depthwise=True))
def test_depthwise(dtype, tolerance, problem):
    compare(problem, *DEPTHWISE, dtype, tolerance)


@exact
@sweep
@given(problems(kernel=(3, 3), stride=(1, 1), depthwise=True))
def test_depthwise_where_the_image_lies(dtype, tolerance, problem):
    compare(problem, *DEPTHWISE, dtype, tolerance)


@exact
@sweep
@given(problems(kernel=(3, 3), stride=(2, 2), dilation=st.just((1, 1)), depthwise=True))
def test_depthwise_by_twos_where_the_image_lies(dtype, tolerance, problem):
    compare(problem, *DEPTHWISE, dtype, tolerance)


@exact
@pytest.mark.parametrize("padding", range(4))
@pytest.mark.parametrize("rows", [1, 2, 3, 8, 9])
@pytest.mark.parametrize("columns", [7, 8, 9, 15, 16, 17, 18, 31, 32, 33, 34])
def test_depthwise_by_twos_at_every_side(dtype, tolerance, padding, rows, columns):
    g = Geometry((3, 3), (2, 2), (max(padding, rows < 3), padding), (1, 1), 2)
    compare((0, 2, 2, 2, (rows, columns), g), *DEPTHWISE, dtype, tolerance)


@exact
@pytest.mark.parametrize(
    "size, stride, padding, dilation",
    [
        ((70, 700), (1, 1), (1, 1), (1, 1)),
        ((61, 530), (1, 1), (4, 0), (2, 5)),
        ((40, 33), (1, 1), (12, 12), (12, 12)),
        ((9, 12), (1, 1), (30, 40), (7, 9)),
        ((101, 1501), (2, 2), (1, 1), (1, 1)),
        ((70, 2000), (2, 2), (0, 2), (1, 1)),
    ],
)
def test_depthwise_in_strips(dtype, tolerance, size, stride, padding, dilation):
    compare((0, 2, 3, 3, size, Geometry((3, 3), stride, padding, dilation, 3)), *DEPTHWISE, dtype, tolerance)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("padding", range(3))
def test_depthwise_takes_nothing_from_beside_the_image(stride, padding):
    def amid_nan(seed, *shape):
        around = np.full((3, *shape), np.nan)
        around[1] = rand(seed, *shape)
        return around[1:2]

    g = Geometry((3, 3), (stride, stride), (padding, padding), (1, 1), 2)
    x, w, y = amid_nan(0, 2, 9, 19), rand(1, 2, 1, 3, 3), amid_nan(2, 2, *g.output_size((9, 19)))
    for computed in (depthwise.conv2d(x, w, None, g), depthwise.conv_transpose2d(y, w, None, (9, 19), g)):
        assert np.isfinite(computed).all()
    assert np.isfinite(depthwise.conv2d_weight(x, y, g)).all()


@sweep
@given(problems(kernel=(3, 3), stride=(1, 1), dilation=EQUAL, most=21))
def test_winograd(problem):
    kernels = winograd.conv2d, winograd.conv_transpose2d, winograd_weight.conv2d_weight
    compare(problem, *kernels, np.float32, 1e-4)


@pytest.mark.parametrize("kernel, stride", [(2, 1), (5, 1), (3, 2), (4, 2), (5, 2), (6, 2), (9, 2), (10, 2)])
@settings(deadline=None, max_examples=15)
@given(data=st.data())
def test_winograd_of_other_kernels(kernel, stride, data):
    dilation = EQUAL if stride == 1 else st.just((1, 1))
    problem = data.draw(problems((kernel, kernel), (stride, stride), dilation, most=19))
    compare(problem, winograd.conv2d, winograd.conv_transpose2d, None, np.float32, 1e-4)


@pytest.mark.parametrize(
    "kernel, stride, wanted", [(3, 1, 36 / 144), (5, 1, 36 / 100), (4, 2, 144 / 400), (3, 2, 144 / 225)]
)
def test_winograd_multiplies_less(kernel, stride, wanted):
    g = Geometry((kernel, kernel), (stride, stride), (kernel // 2, kernel // 2))
    size = tuple(stride * (n - 1) + kernel - 2 * (kernel // 2) for n in (20, 40))  # whole tiles of 2, 4 and 5 results
    assert winograd_plan.multiply_ratio(g, size, False) == pytest.approx(wanted)


@sweep
@given(
    st.sampled_from([(3, 1), (5, 1), (4, 2), (5, 2), (3, 2)]),
    st.integers(1, 20),
    pairs(1, 140),
    st.booleans(),
    st.data(),
)
def test_winograd_tiles_fit_their_strips(kernel, dilation, size, adjoint, data):
    """Wherever a block of tiles begins and ends, and each pixel belongs to one tile."""
    (k, s), dilation = kernel, dilation if kernel[1] == 1 else 1
    p = winograd_plan.plan(Geometry((k, k), (s, s), (1, 1), (dilation, dilation)), size, adjoint)
    rows, columns, group, most, results = p.grid
    tiles, places = rows.size * columns.size, np.zeros(most, np.int64)
    if not adjoint:
        for first, n in zip(p.grid[:2], size):
            covered = np.add.outer(first, np.arange(results) * dilation)
            assert np.array_equal(np.sort(covered[covered < n]), np.arange(n))
    t = data.draw(st.integers(0, tiles - 1))
    _, i, j, count = winograd.segment.py_func(t, data.draw(st.integers(t + 1, tiles)), p.grid, p.read.scale, places)
    assert 1 <= count <= most and (i, j) == (rows[t // columns.size], columns[t % columns.size])
    assert places[count - 1] + 5 * p.read.step + p.read.scale <= p.wide
    assert -(-count // group) * results * p.write.step <= p.wide


def test_winograd_says_why_not():
    refusal = lambda *geometry, dtype=np.float32: winograd_plan.refusal(Geometry(*geometry), dtype)
    for kernel, stride, dilation in (((1, 1), 1, 1), ((3, 5), 1, 1), ((4, 4), 1, 1), ((7, 7), 2, 1), ((9, 9), 3, 1)):
        assert "2, 3 or 5 taps" in refusal(kernel, (stride, stride), (0, 0), (dilation, dilation))
    assert "dilations" in refusal((3, 3), (1, 1), (0, 0), (1, 2))
    assert "dilations" in refusal((3, 3), (2, 2), (0, 0), (2, 2))
    assert "float64" in refusal((3, 3), dtype=np.float64)
    assert refusal((4, 4), (2, 2)) is None


@sweep
@given(problems())
def test_column_as_it_chooses(problem):
    compare(problem, cpu.conv2d, cpu.conv_transpose2d, cpu.conv2d_weight, np.float64, 1e-12)


@pytest.mark.parametrize("kernel, stride", [(5, 1), (4, 2)])
def test_winograd_of_other_kernels_with_many_channels(kernel, stride):
    problem = 5, 2, 130, 70, (71, 83), Geometry((kernel, kernel), (stride, stride), (2, 1))
    compare(problem, winograd.conv2d, winograd.conv_transpose2d, None, np.float32, 1e-4)


@pytest.mark.parametrize(
    "case",
    [
        (1, 40, 150, (9, 11), 1),
        (2, 128, 130, (13, 5), 1),
        (1, 33, 65, (70, 70), 6),
        (1, 20, 24, (65, 65), 4),
        (1, 9, 17, (33, 150), 18),
        (1, 8, 8, (10, 65), 40),  # as many sub-images as pixels
    ],
)
def test_winograd_with_many_channels(case):
    N, C, O, size, d = case
    kernels = winograd.conv2d, winograd.conv_transpose2d, winograd_weight.conv2d_weight
    compare((5, N, C, O, size, Geometry((3, 3), (1, 1), (d, d), (d, d))), *kernels, np.float32, 1e-4)


@pytest.mark.parametrize("dilation", [5, 12, 18])
def test_dilation_beyond_a_tile(dilation):
    g = Geometry((3, 3), (1, 1), (dilation, dilation), (dilation, dilation))
    compare((3, 1, 5, 6, (33, 33), g), direct_pixels.conv2d, direct_pixels.conv_transpose2d, None, np.float64, 1e-12)


@exact
@sweep
@given(problems(stride=(1, 1), most=20))
def test_zones(dtype, tolerance, problem):
    compare(problem, *ZONES, dtype, tolerance)


@st.composite
def far_taps(draw):
    """A problem whose rates reach to the image's edge and beyond, with more or less padding than they need."""
    kernel, rates = draw(pairs(1, 4)), draw(pairs(1, 40))
    geometry = Geometry(
        kernel, (1, 1), tuple(draw(st.integers(0, 2 * d)) for d in rates), rates, draw(st.integers(1, 2))
    )
    size = draw(pairs(1, 37).filter(lambda s: min(geometry.output_size(s)) >= 1 or geometry.padding == (0, 0)))
    if min(geometry.output_size(size)) < 1:
        size = geometry.extent
    G = geometry.groups
    return draw(st.integers(0, 99)), draw(st.integers(0, 2)), G * draw(st.integers(1, 5)), G * 3, size, geometry


@exact
@sweep
@given(far_taps())
def test_taps_beyond_the_image(dtype, tolerance, problem):
    compare(problem, *ZONES, dtype, tolerance)
    compare(problem, direct_pixels.conv2d, direct_pixels.conv_transpose2d, None, dtype, tolerance)
    compare(problem, *CHANNELS, dtype, tolerance)


@exact
@pytest.mark.parametrize(
    "problem",
    [
        (0, 2, 5, 7, (6, 9), Geometry((3, 3), (1, 1), (9, 9), (9, 9))),  # only the centre sees the image
        (1, 1, 3, 20, (4, 4), Geometry((2, 2), (1, 1), (9, 9), (9, 9))),  # some pixels see nothing, and are the bias
        (2, 1, 4, 4, (3, 1), Geometry((2, 3), (1, 1), (30, 40), (60, 40))),  # rows in which no tap sees anything
        (3, 1, 150, 50, (33, 20), Geometry((3, 3), (1, 1), (12, 18), (12, 18))),  # several chunks of channels
        (4, 1, 2, 700, (50, 70), Geometry((3, 3), (1, 1), (24, 24), (24, 24))),  # several tiles of rows
    ],
)
def test_zones_by_hand(dtype, tolerance, problem):
    compare(problem, *ZONES, dtype, tolerance)


def test_live_products():
    for geometry, size in ((Geometry((3, 3), (1, 1), (18, 18), (18, 18)), (33, 33)), (Geometry((2, 3)), (7, 9))):
        out = geometry.output_size(size)
        ones = reference.conv2d(np.ones((1, 1, *size)), np.ones((1, 1, *geometry.kernel)), None, geometry)
        share = ones.sum() / (ones.size * np.prod(geometry.kernel))
        assert dilated.live_share(geometry, size, out, False) == pytest.approx(share)
        scale = ones.size / np.prod(size)
        assert dilated.live_share(geometry, out, size, True) == pytest.approx(share * scale)


def test_weights_larger_than_a_cache():
    g = Geometry((7, 7), (1, 1), (3, 3))
    compare((3, 1, 90, 130, (6, 9), g), direct_pixels.conv2d, direct_pixels.conv_transpose2d, None, np.float64, 1e-12)
    compare((3, 1, 90, 130, (6, 9), g), *CHANNELS, np.float64, 1e-12)


@settings(deadline=None, max_examples=15)
@given(problems(most=3).filter(lambda p: p[4][0] * p[4][1] < 120))
def test_reference_against_loops(problem):
    seed, N, C, O, size, g = problem
    x, w = rand(seed, N, C, *size), rand(seed + 1, O, C // g.groups, *g.kernel)
    near(reference.conv2d(x, w, None, g), loops(x, w, g), 1e-13)


@sweep
@given(problems())
def test_reference_against_torch(problem):
    torch = pytest.importorskip("torch")
    seed, N, C, O, size, g = problem
    N = max(N, 1)
    x, w, b = rand(seed, N, C, *size), rand(seed + 1, O, C // g.groups, *g.kernel), rand(seed + 2, O)
    y = torch.nn.functional.conv2d(*map(torch.tensor, (x, w, b)), g.stride, g.padding, g.dilation, g.groups)
    near(reference.conv2d(x, w, b, g), y.numpy(), 1e-12)


@sweep
@given(problem=problems())
def test_adjoints(problem):
    seed, N, C, O, size, g = problem
    x, w = rand(seed, N, C, *size), rand(seed + 1, O, C // g.groups, *g.kernel)
    y = rand(seed + 2, N, O, *g.output_size(size))
    for column in (reference, cpu):
        product = np.vdot(column.conv2d(x, w, None, g), y)
        scale = np.linalg.norm(x) * np.linalg.norm(w) * np.linalg.norm(y) + 1
        assert abs(product - np.vdot(x, column.conv_transpose2d(y, w, None, size, g))) < 1e-10 * scale
        assert abs(product - np.vdot(w, column.conv2d_weight(x, y, g))) < 1e-10 * scale
        cols = column.im2col(x, g)
        other = rand(seed + 3, *cols.shape)
        assert abs(np.vdot(cols, other) - np.vdot(x, column.col2im(other, size, g))) < 1e-10 * (
            1 + np.linalg.norm(other)
        )


@sweep
@given(problems())
def test_im2col_columns_agree(problem):
    seed, N, C, _, size, g = problem
    x = rand(seed, N, C, *size)
    cols = reference.im2col(x, g)
    assert np.array_equal(cpu.im2col(x, g), cols)
    near(cpu.col2im(cols, size, g), reference.col2im(cols, size, g), 1e-13)


def test_im2col_by_hand(column):
    x = np.arange(9.0).reshape(1, 1, 3, 3)
    cols = column.im2col(x, Geometry((2, 2)))
    assert cols.tolist() == [[[0, 1, 3, 4], [1, 2, 4, 5], [3, 4, 6, 7], [4, 5, 7, 8]]]
    assert column.col2im(np.ones((1, 4, 4)), (3, 3), Geometry((2, 2))).tolist() == [[[[1, 2, 1], [2, 4, 2], [1, 2, 1]]]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_non_contiguous_arguments(column, dtype):
    g = Geometry((3, 3), padding=(1, 1))
    x = rand(0, 9, 2, 16, 10, dtype=dtype).transpose(1, 2, 0, 3)[:, :, :, ::2]
    w, b = rand(1, 3, 3, 16, 17, dtype=dtype).transpose(3, 2, 0, 1), rand(2, 34, dtype=dtype)[::2]
    y = column.conv2d(x, w, b, g)
    assert y.dtype == dtype and y.flags.c_contiguous
    near(y, column.conv2d(x.copy(), w.copy(), b.copy(), g), 1e-6)
    size, c = x.shape[2:], rand(3, 16, dtype=dtype)
    y = y.transpose(3, 2, 1, 0).copy().T.transpose(0, 1, 2, 3)
    near(column.conv_transpose2d(y, w, c, size, g), column.conv_transpose2d(y.copy(), w.copy(), c, size, g), 1e-6)
    near(column.conv2d_weight(x, y, g), column.conv2d_weight(x.copy(), y.copy(), g), 1e-6)


def test_choice_and_override():
    x, w = rand(0, 1, 32, 20, 20, dtype=np.float32), rand(1, 32, 32, 3, 3, dtype=np.float32)
    g = Geometry((3, 3), padding=(1, 1))
    used = lambda: conv.choose(x.shape, w.shape, g, x.dtype)[0]
    assert used() == "winograd"
    results = {}
    for name in ("auto", "winograd", "direct_channels", "implicit_gemm", "dilated", "direct_pixels", "im2col"):
        with minidl.conv_algorithm(name):
            assert used() == ("winograd" if name == "auto" else name)
            results[name] = cpu.conv2d(x, w, None, g)
    assert used() == "winograd"
    assert np.array_equal(results["auto"], results["winograd"])
    near(results["winograd"], results["im2col"], 1e-4)
    near(results["direct_channels"], results["im2col"], 1e-5)
    near(results["implicit_gemm"], results["im2col"], 1e-5)
    near(results["dilated"], results["im2col"], 1e-5)
    near(results["direct_pixels"], results["im2col"], 1e-5)
    assert conv.choose(x.shape, w.shape, g, np.dtype(np.float64))[0] == "direct_channels"
    assert conv.choose(x.shape, (2, 32, 3, 3), g, x.dtype)[0] == "direct_pixels"
    assert (
        conv.choose((1, 32, 40, 40), w.shape, Geometry((3, 3), (2, 2), dilation=(2, 2)), x.dtype)[0]
        == "direct_channels"
    )
    rate = lambda d, side, direction: conv.choose(
        (1, 32, side, side), w.shape, Geometry((3, 3), (1, 1), (d, d), (d, d)), x.dtype, direction
    )
    for direction in ("forward", "data"):
        assert [rate(d, 33, direction)[0] for d in (2, 12, 18)] == ["winograd", "dilated", "dilated"]
        assert rate(18, 65, direction)[0] == "winograd"
        assert "60% of the products are with padding" in rate(18, 33, direction)[1]
    assert [rate(d, 33, "weight")[0] for d in (2, 4, 18)] == ["winograd", "winograd", "dilated"]
    one, two = Geometry((1, 1)), Geometry((1, 1), (2, 2))
    for direction, used_here in (
        ("forward", "implicit_gemm"),
        ("data", "implicit_gemm"),
        ("weight", "direct_channels"),
    ):
        assert conv.choose((2, 32, 20, 20), (64, 32, 1, 1), one, x.dtype, direction)[0] == used_here
        assert conv.choose((2, 32, 20, 20), (64, 32, 1, 1), two, x.dtype, direction)[0] == used_here
        few = conv.choose((1, 128, 7, 7), (64, 128, 7, 7), Geometry((7, 7), padding=(3, 3)), x.dtype, direction)
        assert few[0] == used_here and (direction == "weight" or "49 pixels" in few[1])
    assert conv.choose((1, 32, 20, 20), (4, 32, 1, 1), one, x.dtype)[0] == "direct_pixels"
    assert conv.choose(x.shape, (2, 32, 3, 3), g, x.dtype, "weight")[0] == "direct_channels"
    for direction, used_here in (
        ("forward", "direct_pixels"),
        ("data", "direct_pixels"),
        ("weight", "direct_channels"),
    ):  # a first layer
        assert conv.choose((2, 3, 64, 64), (64, 3, 3, 3), g, x.dtype, direction)[0] == used_here
    squares = Geometry((2, 2), (2, 2))
    for side, used_here in ((20, "implicit_gemm"), (21, "direct_channels")):
        assert conv.choose((2, 32, side, side), (64, 32, 2, 2), squares, x.dtype, "data")[0] == used_here
    with minidl.conv_algorithm("direct_pixels"):  # has no weight gradient: the automatic choice has
        assert conv.choose(x.shape, (2, 32, 3, 3), g, x.dtype, "weight")[0] == "direct_channels"
    assert conv.choose((1, 8, 9, 9), (8, 1, 5, 5), Geometry((5, 5), groups=8), x.dtype)[0] == "depthwise"
    with minidl.conv_algorithm("depthwise"):  # cannot serve here: the automatic choice does
        assert used() == "winograd"
    for former, name in conv.FORMER_NAMES.items():
        with minidl.conv_algorithm(former):
            assert conv.override.get() == name
    with (
        pytest.raises(ValueError, match=r"conv_algorithm: name must be one of .* not 'fft'"),
        minidl.conv_algorithm("fft"),
    ):
        pass


def test_explain():
    text = minidl.explain_conv((2, 64, 33, 33), (64, 64, 3, 3), padding=1)
    chosen = [line.split("  ")[0] for line in text.splitlines() if not line.startswith(" ")]
    assert chosen == ["conv2d", "gradient of x", "gradient of w"]
    assert text.count("  winograd") == 3
    first = text.splitlines()[:5]  # the refused rows, in the table's order
    assert [line.split()[:2] for line in first[1:]] == [["not", "depthwise"], *[["not", "implicit_gemm"]] * 3]
    assert "groups, input and output channels differ" in first[1]
    assert "few" in minidl.explain_conv((1, 3, 8, 8), (64, 3, 3, 3), padding=(1, 1))
    with minidl.conv_algorithm("depthwise"):
        assert "not depthwise        asked for" in minidl.explain_conv((1, 3, 8, 8), (64, 3, 3, 3))
    with pytest.raises(ValueError, match="explain_conv: needed x_shape"):
        minidl.explain_conv((1, 3, 8, 8), (64, 4, 3, 3))
    with pytest.raises(ValueError, match="does not fit"):
        minidl.explain_conv((1, 3, 2, 2), (64, 3, 3, 3))


def test_deterministic_and_every_number_of_threads():
    most = minidl.get_num_threads()
    g = Geometry((3, 3), padding=(1, 1))
    x, w, y = (
        rand(s, *shape, dtype=np.float32) for s, shape in enumerate([(2, 33, 19, 23), (35, 33, 3, 3), (2, 35, 19, 23)])
    )
    run = lambda: (cpu.conv2d(x, w, None, g), cpu.conv_transpose2d(y, w, None, (19, 23), g), cpu.conv2d_weight(x, y, g))
    try:
        for n in range(1, most + 1):
            minidl.set_num_threads(n)
            first = run()
            assert all(np.array_equal(a, b) for a, b in zip(first, run()))
            near(first[2], reference.conv2d_weight(x, y, g), 1e-4)
    finally:
        minidl.set_num_threads(most)
    for wrong in (0, most + 1, 1.5, True):
        with pytest.raises(ValueError, match="set_num_threads: n must be a whole number"):
            minidl.set_num_threads(wrong)


LAYERS = {
    "winograd": (2, 33, 35, (19, 23), Geometry((3, 3), padding=(1, 1))),
    "winograd, many tiles": (1, 17, 16, (70, 66), Geometry((3, 3), padding=(1, 1))),
    "direct_channels": (2, 8, 40, (33, 34), Geometry((3, 3), (2, 2), (1, 1))),
    "direct_channels, 1x1": (1, 24, 70, (40, 41), Geometry((1, 1))),
    "dilated": (1, 9, 70, (20, 21), Geometry((3, 3), padding=(12, 12), dilation=(12, 12))),
    "depthwise": (2, 9, 9, (33, 34), Geometry((3, 3), padding=(1, 1), groups=9)),
    "depthwise, 5x5": (2, 5, 5, (33, 34), Geometry((5, 5), (2, 2), (2, 2), groups=5)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_same_bits_on_any_number_of_threads(name, monkeypatch):
    """Kernels take the number of threads as an argument, so 3 and 8 shares run on any machine."""
    N, C, O, size, g = LAYERS[name]
    x, w = rand(0, N, C, *size, dtype=np.float32), rand(1, O, C // g.groups, *g.kernel, dtype=np.float32)
    y, b = rand(2, N, O, *g.output_size(size), dtype=np.float32), rand(3, O, dtype=np.float32)
    results = []
    for threads in (1, 2, 3, 8):
        for path, module in list(sys.modules.items()):
            if path.startswith("minidl.kernels.cpu.conv.") and hasattr(module, "get_num_threads"):
                monkeypatch.setattr(module, "get_num_threads", lambda threads=threads: threads)
        with minidl.conv_algorithm(name.split(",")[0]):
            results.append(
                (cpu.conv2d(x, w, b, g), cpu.conv_transpose2d(y, w, None, size, g), cpu.conv2d_weight(x, y, g))
            )
    for result in results[1:]:
        for came, needed in zip(result, results[0]):
            assert came.tobytes() == needed.tobytes()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
@pytest.mark.parametrize("kernel, stride, dilation", [(3, 1, 1), (3, 1, 2), (5, 1, 1), (4, 2, 1)])
def test_winograd_keeps_non_finite_values_in_their_windows(kernel, stride, dilation, value):
    g = Geometry((kernel, kernel), (stride, stride), (1, 1), (dilation, dilation))
    x, w = rand(0, 2, 17, 21, 22, dtype=np.float32), rand(1, 16, 17, kernel, kernel, dtype=np.float32)
    x[1, 3, 10, 11] = value
    b = rand(2, 16, dtype=np.float32)
    near_or_equal(winograd.conv2d(x, w, b, g), direct_channels.conv2d(x, w, b, g))
    y = rand(3, 2, 16, *g.output_size((21, 22)), dtype=np.float32)
    y[0, 5, 4, 7] = value
    data = (y, w, None, (21, 22), g)
    near_or_equal(winograd.conv_transpose2d(*data), direct_channels.conv_transpose2d(*data))
    if (kernel, stride) == (3, 1):
        near_or_equal(winograd_weight.conv2d_weight(x, y, g), direct_channels_weight.conv2d_weight(x, y, g))


def near_or_equal(came, needed):
    """The same values where they are not finite, and close ones elsewhere, unless a large finite value is among them."""
    finite = np.isfinite(needed)
    assert np.array_equal(came[~finite], needed[~finite], equal_nan=True)
    if np.abs(needed[finite]).max(initial=0) < 1e6:
        near(came[finite], needed[finite], 1e-4)


@pytest.mark.parametrize("N, O, C, groups", [(3, 7, 0, 1), (3, 0, 4, 1), (1, 6, 0, 3), (0, 3, 3, 1), (0, 0, 0, 1)])
@pytest.mark.parametrize("kernel, stride", [((1, 1), (1, 1)), ((3, 3), (1, 1)), ((3, 2), (1, 2)), ((5, 5), (2, 3))])
@pytest.mark.parametrize("dilation", [(1, 1), (1, 3), (3, 3)])
def test_no_image_no_channel_no_filter(N, O, C, groups, kernel, stride, dilation):
    g, size = Geometry(kernel, stride, (2, 2), dilation, groups), (16, 15)
    x, w, y = np.ones((N, C, *size)), np.ones((O, C // groups, *kernel)), np.ones((N, O, *g.output_size(size)))
    of_filters, of_channels = np.arange(O, dtype=np.float64), np.arange(C, dtype=np.float64)
    for column in (cpu, reference):
        np.testing.assert_array_equal(column.conv2d(x, w, None, g), 0 * y)
        np.testing.assert_array_equal(column.conv2d(x, w, of_filters, g), 0 * y + of_filters[:, None, None])
        needed = 0 * x + of_channels[:, None, None]
        np.testing.assert_array_equal(column.conv_transpose2d(y, w, of_channels, size, g), needed)
        np.testing.assert_array_equal(column.conv2d_weight(x, y, g), 0 * w)


def test_two_python_threads_at_once():
    g = Geometry((3, 3), padding=(1, 1))
    x, w = rand(0, 1, 20, 30, 30, dtype=np.float32), rand(1, 20, 20, 3, 3, dtype=np.float32)
    needed, wrong = cpu.conv2d(x, w, None, g), []

    def work():
        for _ in range(20):
            if not np.array_equal(cpu.conv2d(x, w, None, g), needed):
                wrong.append(1)

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


def _sum_of_a_convolution(queue):
    g = Geometry((3, 3))
    try:
        queue.put(float(cpu.conv2d(np.ones((1, 2, 5, 5)), np.ones((2, 2, 3, 3)), None, g).sum()))
    except RuntimeError as error:
        queue.put(str(error))


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_child_processes(method):
    if method == "forkserver":
        pytest.skip("forkserver's children start like spawn's")
    cpu.conv2d(np.ones((1, 2, 5, 5)), np.ones((2, 2, 3, 3)), None, Geometry((3, 3)))
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    child = context.Process(target=_sum_of_a_convolution, args=(queue,))
    child.start()
    answer = queue.get(timeout=120)
    child.join()
    assert answer == 18 * 18 or (method == "fork" and "spawn" in answer)
    assert os.getpid() != child.pid and child.exitcode == 0
